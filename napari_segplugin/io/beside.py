"""Files that other files name: they are looked for in one folder, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath

from napari_segplugin.core import InputError


def inside(folder: Path, name: str, file: Path) -> Path:
    """The place of a file that another file names, inside a folder.

    Parameters
    ----------
    folder : Path
        Where it has to lie, or in a folder below.
    name : str
        As `file` has it; "/" and, on Windows, the backslash separate folders.
    file : Path
        The file that names it.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the name is empty, an absolute path or contains "..", or a link leads out of the folder.

    Examples
    --------
    >>> inside(Path("a.panoptic"), "../../letter.png", Path("a.panoptic.json"))
    Traceback (most recent call last):
    napari_segplugin.core.errors.InputError: 'a.panoptic.json' names a file outside its own folder, which is not opened.
    Got '../../letter.png'. Accepted: names of files in 'a.panoptic'. Put the file into that folder, and its name alone
    into 'a.panoptic.json'.
    """
    text = str(name)
    # Windows' reading of the name on every system: what is refused there must not pass here and travel there
    parts = re.split(r"[/\\]", text)
    away = not text.strip() or "\0" in text or ".." in parts or not parts[0] or bool(PureWindowsPath(text).drive)
    place = folder / text
    # the file itself may be a link into a folder where its companions lie too; that is the folder that was chosen
    homes = {folder.parent.resolve() / folder.name, file.resolve().parent / folder.name}
    if folder == file.parent:
        homes = {folder.resolve(), file.resolve().parent}
    if away or not any(place.resolve().is_relative_to(home) for home in homes):
        raise InputError(
            f"'{file.name}' names a file outside its own folder, which is not opened.",
            got=f"'{text}'",
            accepted=f"names of files in '{folder.resolve().name}'",
            hint=f"Put the file into that folder, and its name alone into '{file.name}'.",
        )
    return place


__all__ = ["inside"]
