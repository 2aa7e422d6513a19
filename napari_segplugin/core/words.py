"""Words that every floor shares: pixel or voxel, the settings that a sentence may point to, names made harmless."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Setting: TypeAlias = Literal[
    "axes",
    "channels",
    "classes",
    "device",
    "file",
    "folder",
    "intensities",
    "invert",
    "model",
    "series",
    "surfaces",
    "task",
    "tile_overlap",
    "tile_size",
    "voxel_size",
    "voxel_space",
    "zoom",
]
"""Settings that an error or a note may point to; the dock and the command line each say where theirs is."""

_LONGEST = 100
_IN_NO_NAME = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
# what spreadsheets take for the beginning of a formula, in narrow and in wide letters
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


def pixel(ndim: int) -> str:
    """What one point of an image is called: "pixel" in a plane, "voxel" in a volume.

    Examples
    --------
    >>> pixel(2), pixel(3)
    ('pixel', 'voxel')
    """
    return "voxel" if ndim == 3 else "pixel"


_PLURALS = {
    "axis": "axes", "bacterium": "bacteria", "cilium": "cilia", "child": "children", "embryo": "embryos", "flagellum": "flagella",
    "foot": "feet", "glomerulus": "glomeruli", "leaf": "leaves", "locus": "loci", "man": "men", "mitochondrion": "mitochondria",
    "mouse": "mice", "nucleolus": "nucleoli", "nucleus": "nuclei", "person": "people", "mitosis": "mitoses",
    "larva": "larvae", "pupa": "pupae", "septum": "septa", "thrombus": "thrombi",
    "tooth": "teeth", "vertebra": "vertebrae", "woman": "women",
}  # fmt: skip


def plural(name: str) -> str:
    """The name of a class where there are several; a name that is one for several already stays as it is.

    Examples
    --------
    >>> plural("nucleus"), plural("cell"), plural("red box"), plural("cell body"), plural("myelin sheath"), plural("Nucleus")
    ('nuclei', 'cells', 'red boxes', 'cell bodies', 'myelin sheaths', 'Nuclei')
    >>> plural("nuclei"), plural("cells"), plural("")
    ('nuclei', 'cells', 'objects')
    """
    before, _, last = name.rpartition(" ")
    lower = last.lower()
    if not last:
        return "objects"
    if lower in _PLURALS:
        last = last[0] + _PLURALS[lower][1:]
    elif lower in _PLURALS.values() or (lower.endswith("s") and not lower.endswith("ss")) or not lower[-1].isalpha():
        pass
    elif lower.endswith(("ss", "x", "ch", "sh")):
        last += "s" if lower == "stomach" else "es"
    elif lower.endswith("y") and lower[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{before} {last}" if before else last


def counted(n: int, word: str) -> str:
    """A count of things of one name.

    Examples
    --------
    >>> counted(1, "nucleus"), counted(1200, "nucleus")
    ('1 nucleus', '1,200 nuclei')
    """
    return f"{n:,} {word if n == 1 else plural(word)}"


def voxels(n: int, ndim: int) -> str:
    """A count of pixels, or of voxels in a volume.

    Parameters
    ----------
    n : int
    ndim : int
        Spatial axes of the image: 2 or 3.

    Returns
    -------
    str

    Examples
    --------
    >>> voxels(1, 2), voxels(1234, 3)
    ('1 pixel', '1,234 voxels')
    """
    return f"{n:,} {pixel(ndim)}{'s' if n != 1 else ''}"


def plain_metric(name: str) -> str:
    """The name of a score as people read it.

    Records, JSON and TensorBoard keep the names "held-out Dice", "held-out AP@0.5" …

    Examples
    --------
    >>> plain_metric("held-out Dice"), plain_metric("Dice")
    ('Dice (kept aside)', 'Dice')
    """
    plain = name.removeprefix("held-out ")
    return name if plain == name else f"{plain} (kept aside)"


def plain_name(name: str, default: str = "unnamed") -> str:
    """A name as one part of a file's name: no folders, nothing that a file system forbids, no dots at its ends.

    Parameters
    ----------
    name : str
    default : str
        What is taken where nothing is left.

    Examples
    --------
    >>> plain_name("../../etc/cell: α"), plain_name("cell 1"), plain_name("..")
    ('etc_cell_ α', 'cell 1', 'unnamed')
    """
    return _IN_NO_NAME.sub("_", name).strip("._ ")[:_LONGEST].rstrip(". ") or default


def csv_cell(text: str) -> str:
    """A text as a cell of a CSV file, with an apostrophe in front where a spreadsheet would compute it.

    Numbers stay as they are. :func:`csv_text` gives the text back.

    Examples
    --------
    >>> csv_cell("=1+1"), csv_cell("cell"), csv_cell("-1.5")
    ("'=1+1", 'cell', '-1.5')
    """
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def csv_text(cell: str) -> str:
    """What :func:`csv_cell` made a cell of.

    Examples
    --------
    >>> csv_text("'=1+1"), csv_text("cell"), csv_text("'cell'")
    ('=1+1', 'cell', "'cell'")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", text, re.ASCII) is not None


__all__ = ["Setting", "counted", "csv_cell", "csv_text", "pixel", "plain_metric", "plain_name", "plural", "voxels"]
