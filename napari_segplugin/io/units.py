"""Names of units of length and time as files write them, and the short ones that the package uses."""

from __future__ import annotations

from collections.abc import Mapping

# Symbols with capital letters mean something else: Mm is a million metres, mm a thousandth of one.
_PREFIXES = {
    "Y": ("yotta", "1e24"), "Z": ("zetta", "1e21"), "E": ("exa", "1e18"), "P": ("peta", "1e15"), "T": ("tera", "1e12"),
    "G": ("giga", "1e9"), "M": ("mega", "1e6"), "k": ("kilo", "1e3"), "h": ("hecto", "1e2"), "da": ("deca", "1e1"),
    "": ("", "1"), "d": ("deci", "1e-1"), "c": ("centi", "1e-2"), "m": ("milli", "1e-3"), "u": ("micro", "1e-6"),
    "n": ("nano", "1e-9"), "p": ("pico", "1e-12"), "f": ("femto", "1e-15"), "a": ("atto", "1e-18"),
    "z": ("zepto", "1e-21"), "y": ("yocto", "1e-24"),
}  # fmt: skip
_OTHERS = {
    "angstrom": (1e-10, ("Å", "Å", "A", "Ångström", "ångström", "angstroms")),
    "thou": (2.54e-5, ("mil",)),
    "line": (0.0254 / 12, ("li",)),
    "point": (0.0254 / 72, ("pt",)),
    "inch": (0.0254, ("in", "inches", '"')),
    "foot": (0.3048, ("ft", "feet")),
    "survey_foot": (1200 / 3937, ("us-ft", "us survey foot")),
    "yard": (0.9144, ("yd", "yards")),
    "mile": (1609.344, ("mi", "miles")),
    "astronomical unit": (149597870700.0, ("ua", "au")),
    "light year": (9460730472580800.0, ("ly", "light-year")),
    "parsec": (3.0856775814913673e16, ("pc", "parsecs")),
}
_NOTHING = ("pixel", "pixels", "px", "pix", "voxel", "voxels", "", "unknown", "none", "null", "reference frame", "inf")
_METRES = {f"{p}m": float(power) for p, (_, power) in _PREFIXES.items()} | {n: m for n, (m, _) in _OTHERS.items()}
_LONG = {f"{p}m": f"{word}meter" for p, (word, _) in _PREFIXES.items()} | {n: n for n in _OTHERS}
_NO_NAME = {"dam", "thou", "line", "point", "survey_foot", "astronomical unit", "light year"}
"""Units that OME-Zarr and napari have no name for."""
_OME = {"um": "µm", "angstrom": "Å", "line": "li", "point": "pt", "inch": "in", "foot": "ft", "survey_foot": "ft", "yard": "yd",
        "mile": "mi",
        "astronomical unit": "ua", "light year": "ly", "parsec": "pc"}  # fmt: skip
_SECONDS = {f"{p}s": float(power) for p, (_, power) in _PREFIXES.items()} | {"min": 60.0, "h": 3600.0, "d": 86400.0}
_TIMES = {
    "sec": "s", "second": "s", "seconds": "s", "msec": "ms", "millisecond": "ms", "milliseconds": "ms", "usec": "us",
    "minute": "min", "minutes": "min", "hour": "h", "hours": "h", "hr": "h", "day": "d", "days": "d",
}  # fmt: skip


def _spellings() -> dict[str, str]:
    """Short name by every spelling in which capitals do not matter."""
    found = dict.fromkeys(_NOTHING, "pixel")
    for short, name in _LONG.items():
        if short in _OTHERS:
            found |= dict.fromkeys((short, *(s.lower() for s in _OTHERS[short][1] if len(s) > 1)), short)
        else:
            found |= dict.fromkeys((name, name + "s", name[:-2] + "re", name[:-2] + "res"), short)
    for short in ("nm", "um", "mm", "cm", "m", "km", "pm"):
        found[short] = short
    found |= dict.fromkeys(("deg", "degree", "degrees", "°"), "deg")  # of maps; no length
    return found | dict.fromkeys(("micron", "microns", "micrometres", "\\u00b5m", "microm"), "um")


_SPELLINGS = _spellings()
_SYMBOLS = {short: short for short in _METRES} | {s: short for short, (_, names) in _OTHERS.items() for s in names}


def _plain(name: str | None) -> str:
    """Without the two letters for micro, the escapes of Java, and what pads a text in a file."""
    text = (name or "").strip().strip("\0").strip()
    for micro in ("Âµ", "µ", "μ", "\\u00B5", "\\u00b5", "\\u03BC", "\\u03bc"):
        text = text.replace(micro, "u")
    return "angstrom" if text.lower() == "\\u00c5".lower() else text


def short_unit(name: str | None) -> str:
    """The short name of a unit of length; an unknown one is returned as it came, an empty one is "pixel".

    Examples
    --------
    >>> short_unit("micrometer"), short_unit("\\u00b5m"), short_unit("Mm"), short_unit(None)
    ('um', 'um', 'Mm', 'pixel')
    """
    text = _plain(name)
    return _SYMBOLS.get(text) or _SPELLINGS.get(text.lower()) or (name or "").strip().strip("\0")


def long_unit(name: str) -> str | None:
    """The name that OME-Zarr wants ("micrometer"), None for pixels and units that it does not know."""
    short = short_unit(name)
    return None if short in _NO_NAME else _LONG.get(short)


def ome_unit(name: str) -> str:
    """The symbol that OME-XML wants ("µm"); "pixel" for pixels and unknown units.

    Examples
    --------
    >>> ome_unit("micron"), ome_unit("inch"), ome_unit("furlong")
    ('µm', 'in', 'pixel')
    """
    short = short_unit(name)
    return _OME.get(short, short) if short in _METRES else "pixel"


def in_metres(unit: str) -> float | None:
    """Length of a unit in metres, None for pixels and unknown units."""
    return _METRES.get(short_unit(unit))


def in_seconds(unit: str | None) -> float | None:
    """Length of a unit of time in seconds, None for unknown ones.

    Examples
    --------
    >>> in_seconds("ms"), in_seconds("minutes"), in_seconds("frame")
    (0.001, 60.0, None)
    """
    text = _plain(unit)
    return _SECONDS.get(text) or _SECONDS.get(_TIMES.get(text.lower(), ""))


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
        "pixel" where the units cannot be brought together; micrometres or metres for units that few programs know.

    Examples
    --------
    >>> one_unit({"Z": 1.0, "X": 500.0}, {"Z": "um", "X": "nm"})
    ({'Z': 1000.0, 'X': 500.0}, 'nm')
    """
    short = {a: short_unit(u) for a, u in units.items() if a in spacing}
    if not short:
        return dict(spacing), "pixel"
    target = short.get("X", next(iter(short.values())))
    if target in _NO_NAME:
        target = "um" if _METRES[target] < 1e-2 else "m"
    if set(short.values()) == {target}:
        return dict(spacing), target
    factor = in_metres(target)
    sizes: dict[str, float] = {}
    for axis, size in spacing.items():
        own = in_metres(short.get(axis, target))
        if own is None or factor is None:
            return dict(spacing), "pixel"
        # Rounding takes away the noise of 1e-6 / 1e-9 without touching a digit that a file could hold.
        sizes[axis] = float(f"{size * (own / factor):.12g}")
    return sizes, target
