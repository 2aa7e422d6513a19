"""Every file is written as a whole: nothing but the room of the disk, and what works inside a stage of it, writes by itself."""

import ast
from functools import cache
from pathlib import Path

import pytest

import napari_segplugin

PACKAGE = Path(napari_segplugin.__file__).parent

WRITES = {
    "write_text", "write_bytes", "savez", "savez_compressed", "imwrite", "imsave", "save_file", "tofile", "savetxt",
    "mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory", "copyfile", "copytree", "copy2", "move",
    "TiffWriter", "open_group", "create_array", "create_group", "SummaryWriter", "savefig", "symlink_to", "hardlink_to",
    "truncate", "dump",
}  # fmt: skip
"""Names of calls that write, whatever they belong to."""
OWNED = {
    "os.replace",
    "os.rename",
    "os.open",
    "os.link",
    "os.truncate",
    "np.save",
    "nibabel.save",
    "torch.save",
    "onnx.export",
}
"""Calls that write, with what they belong to."""

IN_A_STAGE = "writes to the path that it is handed, which lies in a stage"
ALLOWED = {
    "core/disk/commit.py": "makes the stages and moves them in",
    "core/disk/stages.py": "holds the stages",
    "core/disk/unfinished.py": "writes down what is done of long work, line by line, in a stage",
    "engine/stores.py": "zarrs in a stage, or in a folder that vanishes",
    "engine/train/checkpoint.py": IN_A_STAGE,
    "engine/train/tensorboard.py": "a log that grows, read by another program while it grows",
    "demo.py": IN_A_STAGE,
    "io/bundles.py": IN_A_STAGE,
    "io/coco.py": IN_A_STAGE,
    "io/files.py": "write_text itself, and the rights of private files",
    "io/geojson.py": IN_A_STAGE,
    "io/geopackage.py": IN_A_STAGE,
    "io/image_writing.py": IN_A_STAGE,
    "io/mesh.py": IN_A_STAGE,
    "io/nifti.py": IN_A_STAGE,
    "io/npy.py": IN_A_STAGE,
    "io/omezarr_into.py": "adds to groups in a stage, and renews the summary of a zarr that has one",
    "io/omezarr_store.py": "opens zarrs, to read them alone",
    "io/omezarr_write.py": IN_A_STAGE,
    "io/panoptic.py": IN_A_STAGE,
    "io/raster.py": IN_A_STAGE,
    "io/tiff_writing.py": IN_A_STAGE,
    "io/writing.py": IN_A_STAGE,
    "networks/export.py": IN_A_STAGE,
    "viewer/compaction.py": "puts shorter contents into a session in one step, while it holds the session",
    "viewer/lock.py": "the file that a session is held by; nothing is in it",
    "viewer/sessions.py": "makes the empty file of a session",
    "viewer/journal.py": "a file that grows by whole records with their checksums, and is read up to the last of them",
}
"""Modules that write by themselves, and why."""


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def mode_of(call):
    """The mode that a call of ``open`` names; "r" where it names none, "?" where it is not plain text."""
    own = isinstance(call.func, ast.Attribute) and not (
        isinstance(call.func.value, ast.Name) and call.func.value.id == "io"
    )
    at = 0 if own else 1
    found = next((k.value for k in call.keywords if k.arg == "mode"), call.args[at] if len(call.args) > at else None)
    return "r" if found is None else str(found.value) if isinstance(found, ast.Constant) else "?"


def writes(source):
    """Lines of a module that write a file."""
    found = []
    texts = {
        name.asname or name.name
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and node.module == "napari_segplugin.io.files"
        for name in node.names
    }
    for node in ast.walk(source):
        if not isinstance(node, ast.Call):
            continue
        plain = isinstance(node.func, ast.Name)
        name = node.func.id if plain else node.func.attr if isinstance(node.func, ast.Attribute) else ""
        owner = ast.unparse(node.func).rsplit(".", 1)[0] if not plain else ""
        if plain and name in texts:  # write_text of io.files
            continue
        opened = name == "open" and owner in ("", "io") and set(mode_of(node)) & set("wax+?")
        method = (
            name == "open"
            and owner not in ("", "io", "os", "zarr", "np", "PIL.Image")
            and set(mode_of(node)) & set("wax+")
        )
        zipped = name == "ZipFile" and any(
            isinstance(a, ast.Constant) and a.value in ("w", "a", "x") for a in node.args
        )
        whole = f"{owner.rsplit('.', 1)[-1]}.{name}" in OWNED
        # classes and columns are renamed, too, but not by a single place
        moved = name == "rename" and len(node.args) == 1 and not isinstance(node.args[0], ast.Starred | ast.Dict)
        if moved or opened or method or zipped or whole or name in WRITES:
            found.append(node.lineno)
    return found


def test_nothing_else_writes_files_by_itself():
    found = {
        p.relative_to(PACKAGE).as_posix(): lines for p in sorted(PACKAGE.rglob("*.py")) if (lines := writes(tree(p)))
    }
    assert {name: lines for name, lines in found.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) - set(found) == set(), "no longer needed"
    assert all(ALLOWED.values())


@pytest.mark.parametrize(
    "code",
    [
        "open(p, 'w')", "open(p, mode='ab')", "io.open(p, 'x')", "p.open('wb')", "p.open(mode='r+')", "open(p, how)",
        "Path(p).write_text('a')", "p.write_bytes(b)", "np.save(p, a)", "np.savez_compressed(p)", "os.replace(a, b)",
        "p.rename(q)", "shutil.copyfile(a, b)", "shutil.move(a, b)", "json.dump(a, stream)", "zipfile.ZipFile(p, 'w')",
        "imageio.imwrite(p, a)", "tempfile.mkdtemp()", "zarr.create_array(p)", "zarr.open_group(p, mode='w')", "torch.save(a, p)",
        "nibabel.save(i, p)", "tifffile.imwrite(p, a)",
    ],
)  # fmt: skip
def test_the_rule_sees_what_writes(code):
    assert writes(ast.parse(f"def f():\n    {code}")) == [2]


@pytest.mark.parametrize(
    "code",
    [
        "open(p)", "open(p, 'rb')", "p.open()", "p.open('r', encoding='utf-8')", "json.dumps(a)", "zipfile.ZipFile(p)",
        "zarr.open(store, mode='r')", "text.replace('a', 'b')", "table.to_csv()", "layer.save(p)", "zarr.open_array(p, mode='r')",
        "from napari_segplugin.io.files import write_text\nwrite_text(p, 'a')", "webbrowser.open(url)",
    ],
)  # fmt: skip
def test_the_rule_lets_pass_what_does_not(code):
    assert writes(ast.parse(code)) == []
