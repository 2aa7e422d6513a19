"""What to type so that the command line does what was set in the window."""

from __future__ import annotations

import shlex

from napari_segplugin.core import TileSpec
from napari_segplugin.door.inputs import PathLike
from napari_segplugin.door.orders import FileReading


def command_of(
    folder: PathLike,
    output: PathLike,
    *,
    model: PathLike = "",
    recipe: PathLike = "",
    tiles: TileSpec | None = None,
    device: str = "auto",
    reading: FileReading | None = None,
) -> str:
    """The command that does a batch without the window.

    Parameters
    ----------
    folder, output : path
    model : str or path
        The name of a model that ships, or its folder.
    recipe : path
        In place of a model: the file or the name of a recipe of classical steps.
    tiles, device
        Of the model.
    reading : FileReading, optional

    Examples
    --------
    >>> command_of("my plate", "out", model="nuclei2d", tiles=TileSpec(zoom=2.0))
    "segplugin predict 'my plate' --model nuclei2d --output out --zoom 2"
    """
    words = ["run", str(recipe), str(folder)] if recipe else ["predict", str(folder), "--model", str(model)]
    words += ["--output", str(output)]
    if not recipe:
        words += _tile_options(tiles or TileSpec()) + (["--device", device] if device != "auto" else [])
    return shlex.join(["segplugin", *words, *_reading_options(reading or FileReading())])


def _tile_options(tiles: TileSpec) -> list[str]:
    sizes = {"--tile": tiles.size, "--halo": tiles.halo}
    found = [part for word, size in sizes.items() if size for part in (word, ",".join(str(int(n)) for n in size))]
    found += ["--precision", tiles.precision] if tiles.precision != "auto" else []
    found += ["--zoom", f"{tiles.zoom:g}" if tiles.zoom else "auto"] if tiles.zoom != 1 else []
    flags = {"--mirror": tiles.mirror, "--keep-voxel-size": not tiles.rescale, "--invert": tiles.invert}
    return found + [word for word, on in flags.items() if on]


def _reading_options(reading: FileReading) -> list[str]:
    sizes = "" if reading.spacing is None else ",".join(f"{s:g}" for s in reading.spacing)
    words = {"axes": reading.axes, "spacing": sizes, "unit": reading.unit, "series": reading.series}
    words |= {"channels": reading.channels}
    found = [part for word, value in words.items() if value for part in (f"--{word}", str(value))]
    return found + (["--even-slices"] if reading.even_slices else [])


__all__ = ["command_of"]
