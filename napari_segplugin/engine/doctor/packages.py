"""Which packages are there, in which version, and whether they can be imported."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from napari_segplugin.engine.doctor.report import REINSTALL, Finding, Level
from napari_segplugin.engine.doctor.trial import MISSING, try_imports
from napari_segplugin.version import __version__

NEEDED = {
    "numpy": "numpy", "torch": "torch", "scipy": "scipy", "pandas": "pandas", "skimage": "scikit-image",
    "sklearn": "scikit-learn", "dask": "dask", "zarr": "zarr", "tifffile": "tifffile", "imagecodecs": "imagecodecs",
    "imageio": "imageio", "PIL": "pillow", "nibabel": "nibabel", "pydicom": "pydicom", "safetensors": "safetensors",
    "shapely": "shapely",
}  # fmt: skip
"""Packages without which the program does not work: module -> name for pip."""
OPTIONAL = {
    "roifile": ("roifile", "rois", "write ImageJ ROI files"),
    "highdicom": ("highdicom", "dicomseg", "write DICOM segmentations"),
    "rasterio": ("rasterio", "geo", "read coordinate reference systems without an EPSG number"),
    "pyproj": ("pyproj", "geo", "write longitude and latitude, measure areas on maps"),
    "pyogrio": ("pyogrio", "geo", "write GeoPackage files"),
    "laptrack": ("laptrack", "tracks", "link objects through time"),
    "av": ("av", "video", "read video files"),
    "distributed": ("distributed", "cluster", "predict on a dask cluster"),
    "tensorboardX": ("tensorboardX", "tensorboard", "write curves for TensorBoard"),
    "monai": ("monai", "monai", "use the networks of MONAI"),
    "einops": ("einops", "monai", "use the networks of MONAI"),
    "timm": ("timm", "timm", "download ImageNet weights"),
    "torchvision": ("torchvision", "timm", "download ImageNet weights"),
    "onnx": ("onnx", "onnx", "write networks as ONNX"),
    "onnxscript": ("onnxscript", "onnx", "write networks as ONNX"),
    "onnxruntime": ("onnxruntime", "onnx", "write networks as ONNX"),
}
"""Packages of the extras: module -> name for pip, extra, what for."""
BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
_TWIN_BUILDS = f"Install both from one place: {REINSTALL} torch torchvision, with the index of your build from pytorch.org/get-started."


def installed(package: str) -> str:
    """The version of a package; empty where it is not installed."""
    try:
        return str(version(package) or "")
    except PackageNotFoundError:
        return ""


@cache
def _allowed() -> tuple[Requirement, ...]:
    """What this project asks of other packages, as its installation recorded it; nothing where it was not installed."""
    try:
        lines = requires("napari-segplugin") or []
        return tuple(Requirement(line) for line in lines)
    except (PackageNotFoundError, InvalidRequirement):
        return ()


def unfit(package: str, extra: str = "") -> str:
    """What versions of a package are allowed, where the installed one is another; empty where it fits.

    Examples
    --------
    >>> unfit("numpy"), unfit("no-such-package")
    ('', '')
    """
    try:
        have = Version(installed(package))
    except InvalidVersion:  # not installed, or a build of somebody's own
        return ""
    for wanted in _allowed():
        concerned = canonicalize_name(wanted.name) == canonicalize_name(package)
        applies = concerned and (wanted.marker is None or wanted.marker.evaluate({"extra": extra}))
        # a nightly build of torch is newer than the release that is asked for
        if applies and not wanted.specifier.contains(have, prereleases=True):
            return str(wanted.specifier)
    return ""


def _other_version(package: str, extra: str = "") -> Finding | None:
    allowed = unfit(package, extra)
    if not allowed:
        return None
    have = installed(package)
    problem = (
        f"The package '{package}' is there in version {have}, but {allowed} is needed. "
        f'Run: pip install "{package}{allowed}"'
    )
    return Finding(package, have, Level.WARNING, problem)


def programs() -> list[Finding]:
    """The system, Python, this program, napari and Qt."""
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    return [
        Finding("system", system),
        Finding("python", platform.python_version()),
        Finding("napari-segplugin", __version__),
        _napari(),
        _qt(),
    ]


def _napari() -> Finding:
    found = installed("napari")
    if found:
        return _other_version("napari") or Finding("napari", found)
    problem = 'napari is not installed; Python and the command line work without. For a window run: pip install "napari-segplugin[all]"'
    return Finding("napari", "not installed", Level.NOTE, problem)


def _qt() -> Finding:
    found = [f"{name} {installed(name)}" for name in BINDINGS if installed(name)]
    if not found:
        problem = 'There is no Qt, so no window can open; the rest works. Run: pip install "napari-segplugin[all]"'
        return Finding("Qt", "not installed", Level.NOTE, problem)
    if len(found) > 1:
        problem = (
            f"There is more than one Qt binding ({', '.join(found)}), which can end napari. Uninstall all but one."
        )
        return Finding("Qt", ", ".join(found), Level.WARNING, problem)
    return Finding("Qt", found[0])


def packages(tried: Mapping[str, str] | None = None) -> list[Finding]:
    """A finding for each package that is needed or can be used.

    Parameters
    ----------
    tried : mapping of str to str, optional
        What :func:`~napari_segplugin.engine.doctor.trial.try_imports` said; asked here by default.
    """
    said = try_imports([*NEEDED, *OPTIONAL]) if tried is None else tried
    return [*(_needed(m, said.get(m, "")) for m in NEEDED), *_optional(said)]


def _needed(module: str, said: str) -> Finding:
    package = NEEDED[module]
    if not said:
        return _other_version(package) or Finding(package, installed(package) or "there")
    if said == MISSING:
        problem = f"The package '{package}' is missing, and nothing works without it. Run: pip install {package}"
        return Finding(package, "missing", Level.STOP, problem)
    advice = f"Run: {REINSTALL} {package}"
    if "WinError" in said:  # torch, mostly: a library of Windows that it needs is missing
        advice = (
            f"Install the Visual C++ Redistributable of Microsoft. If that does not help, run: {REINSTALL} {package}"
        )
    problem = f"The package '{package}' is installed and cannot be imported ({said}). {advice}"
    return Finding(package, f"{installed(package)} broken", Level.STOP, problem)


def _optional(said: Mapping[str, str]) -> Sequence[Finding]:
    found = []
    for module, (package, extra, purpose) in OPTIONAL.items():
        word = said.get(module, "")
        if word == MISSING:
            found.append(Finding(package, f'not installed (only to {purpose}: "napari-segplugin[{extra}]")'))
        elif word:
            advice = f"Run: {REINSTALL} {package}"
            advice = _TWIN_BUILDS if module == "torchvision" else advice
            problem = f"The package '{package}', needed to {purpose}, cannot be imported ({word}). {advice}"
            found.append(Finding(package, f"{installed(package)} broken", Level.WARNING, problem))
        else:
            found.append(_other_version(package, extra) or Finding(package, installed(package) or "there"))
    return found


__all__ = ["BINDINGS", "NEEDED", "OPTIONAL", "installed", "packages", "programs", "unfit"]
