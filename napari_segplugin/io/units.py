"""Names of length units as files write them, and the short ones that the package uses."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = {
    "nm": ("nm", "nanometer", "nanometre", "nanometers"),
    "um": ("um", "µm", "μm", "micron", "microns", "micrometer", "micrometre", "micrometers", "\\u00b5m"),
    "mm": ("mm", "millimeter", "millimetre", "millimeters"),
    "cm": ("cm", "centimeter", "centimetre", "centimeters"),
    "m": ("m", "meter", "metre", "meters"),
    "angstrom": ("angstrom", "å", "ångström"),
    "inch": ("inch", "in", "inches"),
    "ft": ("ft", "foot", "feet", "international_foot"),
    "survey_foot": ("survey_foot", "us-ft", "us survey foot"),
    "deg": ("deg", "degree", "degrees", "°"),
    "pixel": ("pixel", "pixels", "px", "voxel", "voxels", "", "unknown", "none", "null", "reference frame"),
}
_SHORT = {name: short for short, names in _NAMES.items() for name in names}
_METRES = {
    "nm": 1e-9,
    "um": 1e-6,
    "mm": 1e-3,
    "cm": 1e-2,
    "m": 1.0,
    "angstrom": 1e-10,
    "inch": 0.0254,
    "ft": 0.3048,
    "survey_foot": 1200 / 3937,
}
_LONG = {
    "nm": "nanometer",
    "um": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "angstrom": "angstrom",
    "inch": "inch",
}


def short_unit(name: str | None) -> str:
    """The short name of a unit; an unknown one is returned as it came, an empty one is "pixel".

    Examples
    --------
    >>> short_unit("micrometer"), short_unit("\\u00b5m"), short_unit(None)
    ('um', 'um', 'pixel')
    """
    text = (name or "").strip().strip("\0")
    return _SHORT.get(text.lower(), text)


def long_unit(name: str) -> str | None:
    """The name that OME-Zarr wants ("micrometer"), None for pixels and unknown units."""
    return _LONG.get(short_unit(name))


def in_metres(unit: str) -> float | None:
    """Length of a unit in metres, None for pixels and unknown units."""
    return _METRES.get(short_unit(unit))


def one_unit(spacing: Mapping[str, float], units: Mapping[str, str]) -> tuple[dict[str, float], str]:
    """Bring voxel sizes that came in several units to the unit of X.

    Parameters
    ----------
    spacing : mapping of axis letter to float
    units : mapping of axis letter to str
        Any spelling.

    Returns
    -------
    spacing : dict of axis letter to float
    unit : str
        "pixel" where the units cannot be brought together.

    Examples
    --------
    >>> one_unit({"Z": 1.0, "X": 500.0}, {"Z": "um", "X": "nm"})
    ({'Z': 1000.0, 'X': 500.0}, 'nm')
    """
    short = {a: short_unit(u) for a, u in units.items() if a in spacing}
    if not short:
        return dict(spacing), "pixel"
    target = short.get("X", next(iter(short.values())))
    if set(short.values()) == {target}:
        return dict(spacing), target
    factor = in_metres(target)
    sizes: dict[str, float] = {}
    for axis, size in spacing.items():
        own = in_metres(short.get(axis, target))
        if own is None or factor is None:
            return dict(spacing), "pixel"
        # Rounding takes away the noise of 1e-6 / 1e-9 without touching a digit that a file could hold.
        sizes[axis] = float(f"{size * own / factor:.12g}")
    return sizes, target
