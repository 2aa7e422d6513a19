"""What the registry of file formats says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from napari_segplugin.core import InputError, Row
from napari_segplugin.io.boundary import guarded
from napari_segplugin.io.files import Format

Need = Literal["", "volume", "plane", "dicom"]


@dataclass(frozen=True, kw_only=True)
class FormatRow(Row):
    """A row of :data:`napari_segplugin.io.formats.FORMATS`.

    Its target is a :class:`~napari_segplugin.io.files.Format`: the functions that read and write.

    Parameters
    ----------
    name, title, target, summary, reference, options, package
        As in :class:`~napari_segplugin.core.Row`.
    extensions : tuple of str
        In lower case with the dot; ".nii.gz" is one. The first is what files get.
    reads, writes : bool
    folder : bool
        Whether it is, or may be, a folder.
    extra : str
        The extra of this package that it needs.
    choices : tuple of (str, str)
        Title and extension, for a list to choose from when saving; the title with the first extension by default.
    kind : str
        What a file of it is called in a sentence ("cannot be read as …"); the title by default.
    needs : {"", "volume", "plane", "dicom"}
        What a writer asks for: labels in 3D, of one plane, or of a DICOM series.
    module : str
        What has to be installed for a writer besides this package; empty where nothing has to.
    most : int
        The largest number that a label may have; 0 where any may be written.
    objects : bool
        Whether a writer needs at least one object.

    Raises
    ------
    InputError
        If there is no extension, or one is not of that form.

    Examples
    --------
    >>> FormatRow("mine", "My format", "my_package.format:FORMAT", extensions=(".mine",)).choices
    (('My format', '.mine'),)
    """

    extensions: tuple[str, ...]
    reads: bool = True
    writes: bool = True
    folder: bool = False
    extra: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    kind: str = ""
    needs: Need = ""
    module: str = ""
    most: int = 0
    objects: bool = False

    WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {"needs": get_args(Need)}

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = [e for e in self.extensions if e != e.lower() or not e.startswith(".")]
        if wrong or not self.extensions:
            raise InputError(
                f"The file format '{self.name}' has an extension that no file has.",
                got=", ".join(wrong) or "none at all",
                accepted="lower case with a dot in front, such as '.tif'",
            )
        if not self.choices:
            object.__setattr__(self, "choices", ((self.title, self.extensions[0]),))

    def load(self) -> Format:
        """Import and return the functions of the format; raises like :meth:`~napari_segplugin.core.Row.load`.

        Whatever they raise when they are called is a sentence, also where another package wrote them.
        """
        functions: Format = super().load()
        return guarded(functions, self.kind or self.title)


__all__ = ["FormatRow"]
