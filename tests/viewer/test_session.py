"""The session keeps bundles in order and work safe. It has no Qt; it stands here because the dock is its user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, InputError, ModelBundle, ModelSpec, Task
from napari_segplugin.engine.session import HOME_VARIABLE, Session, home_folder, image_key


def bundle(name: str) -> ModelBundle:
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["cell"]))
    return ModelBundle(name, spec, {"w": np.zeros(2, np.float32)})


def test_going_back_is_free_and_forgets_nothing(tmp_path: Path) -> None:
    session, seen = Session(tmp_path), []
    session.bundle_changed.connect(seen.append)
    a, b = bundle("a"), bundle("b")
    session.add(a)
    session.add(b)
    assert session.go_back() is a
    assert session.bundles == (a, b)
    assert seen == [a, b, a]


def test_there_may_be_nothing_to_go_back_to(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.add(bundle("a"))
    with pytest.raises(InputError, match="no earlier model"):
        session.go_back()


def test_strokes_come_back_as_they_were(tmp_path: Path) -> None:
    session = Session(tmp_path)
    paint = np.random.default_rng(0).integers(0, 3, (20, 20)).astype(np.uint16)
    session.save_corrections("k", paint, {"image": "a"})
    kept = session.load_corrections("k")
    assert kept is not None
    np.testing.assert_array_equal(kept[0], paint)
    assert kept[1] == {"image": "a"}
    assert [p.name for p in (tmp_path / "corrections").iterdir()] == ["k.npz"]
    session.forget_corrections("k")
    assert session.load_corrections("k") is None


def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    session = Session(tmp_path)
    path = session.save_corrections("k", np.ones((4, 4), np.uint16))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match="cannot be read"):
        session.load_corrections("k")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    session = Session(tmp_path / "file")
    for save in (
        lambda: session.save_corrections("k", np.ones((2, 2), np.uint16)),
        lambda: session.save_bundle(bundle("a")),
    ):
        with pytest.raises(InputError, match="could not be kept safe"):
            save()


def test_a_crash_while_writing_leaves_the_earlier_strokes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(tmp_path)
    session.save_corrections("k", np.ones((4, 4), np.uint16))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(InputError, match="No space left"):
        session.save_corrections("k", np.zeros((4, 4), np.uint16))
    kept = session.load_corrections("k")
    assert kept is not None
    assert kept[0].all()
    assert len(list((tmp_path / "corrections").iterdir())) == 1


def test_bundles_of_one_name_lie_side_by_side(tmp_path: Path) -> None:
    session = Session(tmp_path)
    first, second = session.save_bundle(bundle("my model")), session.save_bundle(bundle("my model"))
    assert first != second
    assert (second / "spec.json").exists()


def test_another_image_has_another_key() -> None:
    a = np.arange(64).reshape(8, 8)
    keys = {image_key(Image(x, "YX")) for x in (a, a + 1, a.astype(np.float32), a.reshape(4, 16))}
    assert len(keys) == 4


def test_the_folder_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, "/somewhere/else")
    assert home_folder() == Path("/somewhere/else")
