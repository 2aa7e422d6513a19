"""An image: an array with named axes and a physical voxel size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from napari_segplugin.core.errors import InputError
from napari_segplugin.core.place import Place
from napari_segplugin.core.types import Array, Json
from napari_segplugin.core.words import pixel

AXES = "TCZYX"
SPATIAL = "ZYX"


def check_axes(axes: str, ndim: int) -> None:
    """Raise unless `axes` names `ndim` different axes of "TCZYX" and has Y and X.

    Raises
    ------
    InputError
        If a letter is unknown or stands twice, Y or X is missing, or the count differs from `ndim`.
    """
    unknown = set(axes) - set(AXES)
    if unknown or len(set(axes)) != len(axes):
        raise InputError(
            "The axis order is not understood.", got=f"'{axes}'", accepted="each of T, C, Z, Y and X at most once"
        )
    if len(axes) != ndim:
        raise InputError(
            "The axis order does not fit the array.",
            got=f"'{axes}' for an array of {ndim} dimensions",
            hint=f"Name exactly {ndim} axes, such as '{AXES[-ndim:] if 2 <= ndim <= 5 else 'YX'}'.",
        )
    if not set("YX") <= set(axes):
        raise InputError("An image needs an axis Y and an axis X.", got=f"'{axes}'")


def check_spacing(spacing: object) -> None:
    """Raise unless a voxel size that somebody gave is a list of numbers, or none was given.

    Raises
    ------
    InputError
        If it is one number, or something else.

    Examples
    --------
    >>> check_spacing((0.5, 0.5)), check_spacing(None)
    (None, None)
    """
    if spacing is None or (np.ndim(spacing) == 1 and not isinstance(spacing, str)):  # type: ignore[arg-type]
        return
    raise InputError(
        "A voxel size has a number for each spatial axis.",
        got=f"{spacing!r}",
        accepted="such as (2, 0.5, 0.5) for Z, Y, X",
    )


@dataclass(frozen=True, eq=False)
class Image:
    """An array with named axes, voxel size and unit.

    Parameters
    ----------
    array : array-like
        NumPy, zarr or dask array of any real dtype; it is read piece by piece and never changed.
    axes : str
        One letter a dimension, from "TCZYX", in the order of `array`.
    spacing : tuple of float, optional
        Size of a voxel along each spatial axis, in the order of :attr:`spatial_axes`; that of `place`, or 1, by default.
    unit : str
        Unit of `spacing`, "pixel" when not known.
    name : str
        What a person calls it.
    source : str
        Where it came from (a path), for the recipe.
    metadata : mapping
        Whatever a writer needs back (the header of a NIfTI file, DICOM identifiers). Under "nodata", the value that stands
        where the file has no data.
    whole : Image, optional
        The volume that this is a plane of: intensities are measured there, so that every plane is seen alike.
    place : Place, optional
        Where it lies in a patient, on a stage or a map; None where nothing says so. It takes over another `spacing`.

    Raises
    ------
    InputError
        If the axes do not fit, the image is empty, its dtype is not numeric, or the spacing is not positive.

    Examples
    --------
    >>> image = Image(np.zeros((3, 8, 9), np.uint8), "ZYX", spacing=(2.0, 0.5, 0.5), unit="um")
    >>> image.spatial_shape, image.n_channels
    ((3, 8, 9), 1)
    """

    array: Array
    axes: str
    spacing: tuple[float, ...] = ()
    unit: str = "pixel"
    name: str = "image"
    source: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    whole: Image | None = None
    place: Place | None = None

    def __post_init__(self) -> None:
        check_axes(self.axes, len(self.array.shape))
        if 0 in self.array.shape:
            raise InputError(
                f"The image '{self.name}' is empty.",
                got=f"shape {tuple(self.array.shape)}",
                hint="Choose another image.",
            )
        dtype = np.dtype(self.array.dtype)
        if dtype.kind not in "buif":
            raise InputError(
                f"The image '{self.name}' has values of a type that cannot be segmented.",
                got=f"dtype {dtype}",
                accepted="bool, integers and floats",
            )
        if not self.spacing:
            own = dict(zip(SPATIAL, self.place.spacing, strict=True)) if self.place else {}
            object.__setattr__(self, "spacing", tuple(own.get(a, 1.0) for a in self.spatial_axes))
        object.__setattr__(self, "spacing", tuple(float(s) for s in self.spacing))
        if len(self.spacing) != len(self.spatial_axes) or not all(np.isfinite(s) and s > 0 for s in self.spacing):
            raise InputError(
                f"The {pixel(len(self.spatial_axes))} size does not fit the image.",
                got=f"{self.spacing} for the axes '{self.spatial_axes}'",
                accepted="one positive number for each spatial axis",
            )
        if self.place:
            sizes = dict(zip(self.spatial_axes, self.spacing, strict=True))
            object.__setattr__(self, "place", self.place.resized(sizes))

    @property
    def affine(self) -> np.ndarray:
        """(4, 4) matrix from voxel (z, y, x, 1) to the world (z, y, x, 1), in `unit`; of the spacing without a place."""
        sizes = dict(zip(self.spatial_axes, self.spacing, strict=True))
        return (self.place or Place.of_spacing(sizes)).matrix

    @property
    def levels(self) -> tuple[Array, ...]:
        """The same array at coarser resolutions, each smaller than the one before; of a pyramid on disk, else none."""
        return tuple(getattr(self.array, "levels", ()))

    @property
    def spatial_axes(self) -> str:
        """The spatial axes in the order of the array, such as "ZYX"."""
        return "".join(a for a in self.axes if a in SPATIAL)

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis."""
        return dict(zip(self.axes, (int(n) for n in self.array.shape), strict=True))

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Lengths of the spatial axes, in canonical order Z, Y, X."""
        return tuple(self.sizes[a] for a in SPATIAL if a in self.axes)

    @property
    def canonical_spacing(self) -> tuple[float, ...]:
        """Voxel size in canonical order Z, Y, X."""
        table = dict(zip(self.spatial_axes, self.spacing, strict=True))
        return tuple(table[a] for a in SPATIAL if a in self.axes)

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return len(self.spatial_axes)

    @property
    def n_channels(self) -> int:
        """Number of channels, 1 where there is no C axis."""
        return self.sizes.get("C", 1)

    @property
    def n_frames(self) -> int:
        """Number of time points, 1 where there is no T axis."""
        return self.sizes.get("T", 1)

    @property
    def nodata(self) -> float | None:
        """The value that stands where there is no data, as the file says; None where it says nothing."""
        try:
            return float(self.metadata["nodata"])  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError):
            return None

    def read(self, region: tuple[slice, ...] | None = None, frame: int = 0) -> np.ndarray:
        """Read a region as an array (C, Z, Y, X) or (C, Y, X), in the image's own dtype.

        Of an image with a :attr:`nodata` it is of floats, and NaN where that stands: see :func:`without_nodata`.

        Parameters
        ----------
        region : tuple of slice, optional
            A slice for each of Z, Y, X that the image has, in that order; everything by default.
        frame : int
            The time point.

        Returns
        -------
        (C, Z, Y, X) or (C, Y, X) ndarray
        """
        order = [a for a in SPATIAL if a in self.axes]
        slices: dict[str, slice] = dict(zip(order, region or (slice(None),) * len(order), strict=True))
        index = tuple(frame if a == "T" else slices.get(a, slice(None)) for a in self.axes)
        part = np.asarray(self.array[index])
        left = [a for a in self.axes if a != "T"]
        if "C" not in left:
            part, left = part[None], ["C", *left]
        return without_nodata(part.transpose([left.index(a) for a in ["C", *order]]), self.nodata)

    def frame(self, index: int) -> Image:
        """The image of one time point, without a T axis."""
        if "T" not in self.axes:
            return self
        at = self.axes.index("T")
        array = self.array[(slice(None),) * at + (index,)]
        whole = None if self.whole is None else self.whole.frame(index)
        return replace(self, array=array, axes=self.axes.replace("T", ""), whole=whole)

    def plane(self, z: int) -> Image:
        """The plane `z` of a 3D image, as a 2D image."""
        if "Z" not in self.axes:
            return self
        at = self.axes.index("Z")
        array = self.array[(slice(None),) * at + (z,)]
        spacing = tuple(s for a, s in zip(self.spatial_axes, self.spacing, strict=True) if a != "Z")
        axes, place = self.axes.replace("Z", ""), self.place and self.place.at({"Z": z})
        return replace(self, array=array, axes=axes, spacing=spacing, whole=self, place=place)

    def describe(self) -> str:
        """One line for a person: sizes, channels, pixel or voxel size, dtype."""
        sizes = " × ".join(f"{a} {n}" for a, n in self.sizes.items())
        size = " × ".join(f"{s:g}" for s in self.canonical_spacing)
        return f"{sizes} · {pixel(self.ndim)} size {size} {self.unit} · {np.dtype(self.array.dtype)}"


def without_nodata(array: np.ndarray, nodata: float | None, channels: int = 0) -> np.ndarray:
    """Values as floats, NaN where there is no data.

    Bands of numbers without a sign use their whole range (0 and 255 are black and white of a photo), so there only a pixel
    whose bands are all `nodata` has no data; of other types each band counts on its own.

    Parameters
    ----------
    array : ndarray
    nodata : float, optional
        None gives the array back.
    channels : int
        The axis of the channels; -1 of an array without one.

    Returns
    -------
    ndarray
        float32, or float64 where float32 would round.

    Examples
    --------
    >>> without_nodata(np.array([[3, -9999]], np.int16), -9999.0).tolist()
    [[3.0, nan]]
    """
    if nodata is None:
        return array
    if np.isnan(nodata):
        absent = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    else:
        # the value as this type stores it: of float32, -3.4e38 is another number than its text
        own = np.asarray(nodata, array.dtype) if array.dtype.kind == "f" else nodata
        absent = np.asarray(array == own)
    if array.dtype.kind == "u" and channels >= 0:
        absent = absent.all(axis=channels, keepdims=True)
    found = array.astype(np.result_type(array.dtype, np.float32), copy=True)
    found[np.broadcast_to(absent, found.shape)] = np.nan
    return found


def in_colours(image: Image, channels: int) -> Image:
    """A grey image that its file stored as red, green and blue, as a model of `channels` channels reads it.

    Parameters
    ----------
    image : Image
        Any; another one than that, or one that has as many channels, comes back as it is.
    channels : int

    Examples
    --------
    >>> grey = Image(np.zeros((8, 9)), "YX", metadata={"grey_as_colours": True})
    >>> in_colours(grey, 3).axes, in_colours(grey, 1).axes
    ('YXC', 'YX')
    """
    if channels != 3 or image.n_channels != 1 or "C" in image.axes or not image.metadata.get("grey_as_colours"):
        return image
    array = np.asarray(image.array)[..., None]
    whole = image.whole and in_colours(image.whole, channels)
    return replace(image, array=np.broadcast_to(array, (*array.shape[:-1], 3)), axes=image.axes + "C", whole=whole)


def guess_axes(shape: tuple[int, ...], rgb: bool = False) -> tuple[str, str]:
    """Guess the axis order of an array that came without one.

    Parameters
    ----------
    shape : tuple of int
    rgb : bool
        True where the last axis is known to be colour.

    Returns
    -------
    axes : str
    doubt : str
        Empty where the answer is certain, otherwise a question to put to the person.

    Raises
    ------
    InputError
        If the array has fewer than two or more than five dimensions, or is in colour with two.

    Examples
    --------
    >>> guess_axes((100, 120, 3))[0]
    'YXC'
    >>> guess_axes((5, 100, 120))[0]
    'ZYX'
    """
    n = len(shape)
    if n < 2 or n > 5:
        raise InputError("An image has two to five dimensions.", got=f"{n} dimensions, shape {shape}")
    if rgb and n == 2:
        raise InputError(
            "A colour image has at least three dimensions.", got=f"shape {shape}", hint="Say that it is grey."
        )
    if rgb:
        return "TZYXC"[5 - n :], ""
    if n == 2:
        return "YX", ""
    if n == 3 and shape[-1] in (3, 4) and min(shape[:2]) > 8:
        return "YXC", ""
    if n == 3:
        return "ZYX", f"Is the first axis (length {shape[0]}) depth Z, channels C or time T?"
    if n == 4 and shape[-1] in (3, 4) and min(shape[:3]) > 4:
        return "ZYXC", f"Is the first axis (length {shape[0]}) depth Z or time T?"
    if n == 4:
        axes = "CZYX" if shape[0] <= 5 else "ZCYX" if shape[1] <= 5 else "TZYX"
        return axes, f"Are the axes in the order {axes}?"
    return "TCZYX", "Are the axes in the order TCZYX?"
