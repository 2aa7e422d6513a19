"""Slices that are not evenly spaced, put onto an even grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_segplugin.io.files import Found


def evened(found: Found) -> Found:
    """Slices at even distances, linear between the two neighbors of each; as it is where they are even already.

    Parameters
    ----------
    found : Found
        Of a reader that says under ``metadata["slice_places"]`` where its slices lie.

    Returns
    -------
    Found

    Examples
    --------
    >>> array = np.array([0, 10, 40], np.int16).reshape(3, 1, 1)
    >>> whole = evened(Found(array, "ZYX", metadata={"slice_places": [0.0, 1.0, 4.0]}))
    >>> whole.array.ravel().tolist()
    [0, 10, 20, 30, 40]
    """
    places = found.metadata.get("slice_places")
    if not isinstance(places, list) or "Z" not in found.axes:
        return found
    at = np.array(places, float)
    wanted = at[0] + np.arange(int(np.floor(at[-1] - at[0] + 1e-6)) + 1)
    above = np.searchsorted(at, wanted, side="right").clip(1, len(at) - 1)
    share = ((wanted - at[above - 1]) / (at[above] - at[above - 1])).clip(0, 1)
    axis = found.axes.index("Z")
    array = np.asarray(found.array)
    planes = np.moveaxis(array, axis, 0)
    made = np.stack(
        [_between(planes[i - 1], planes[i], s) for i, s in zip(above.tolist(), share.tolist(), strict=True)]
    )
    about = {k: v for k, v in found.metadata.items() if k not in ("slice_places", "dicom_SOPInstanceUIDs")}
    notes = about.get("notes")
    kept = [n for n in notes if "evenly spaced" not in str(n)] if isinstance(notes, list) else []
    about["dicom_resampled"] = True
    about["notes"] = [
        *kept,
        f"The slices were not evenly spaced; they were resampled to {len(wanted)} even ones (linear).",
    ]
    place = found.place.at({"Z": float(at[0])}) if found.place else None
    return replace(found, array=np.moveaxis(made, 0, axis), metadata=about, place=place)


def _between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    mixed = first + share * (second.astype(np.float64) - first)
    exact: np.ndarray = np.rint(mixed) if first.dtype.kind in "iu" else mixed
    return exact.astype(first.dtype)


__all__ = ["evened"]
