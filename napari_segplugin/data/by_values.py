"""Models that read the values of an image as they are, the same in every image: when they do, and images of other values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_segplugin.core import AugmentSpec, Image, ModelBundle, Normalisation, Note, Sample
from napari_segplugin.data.hounsfield import hounsfield, is_ct, values_of
from napari_segplugin.data.learnt import learnt_from

_LEAST_SPAN = 50.0
"""HU between what becomes 0 and what becomes 1: less would be noise."""
_NOISE = 22.0
"""HU of noise that are added to patches at most; with 15, two of three trainings fell at 30 HU (benchmarks/intensities.json)."""
_MOST_NOISE = 0.2
"""As a share of the range, where the range is narrow."""
_OFFSET = 1024
"""What scanners and exports add to Hounsfield units, so that there is no sign; some add 1000."""
_AROUND = 200.0
"""HU by which what lies around an object, fat and vessels, may differ from it."""


def fit_to_values(
    bundle: ModelBundle, samples: Sequence[Sample], wanted: str = "auto"
) -> tuple[ModelBundle, list[Note]]:
    """How a model that is to be trained reads intensities, and what there is to say of it.

    Parameters
    ----------
    bundle : ModelBundle
        A trained one keeps what it has, as does one that was made with a rule of its own unless another is wanted.
    samples : sequence of Sample
    wanted : str
        "ct": the same values in every image, from the labelled voxels; "image": each image by its own range; "auto":
        "ct" where all images hold Hounsfield units.
    """
    norm = bundle.normalisation
    if bundle.history:
        other = wanted != "auto" and (norm.rule == "values") != (wanted == "ct")
        keeps = [Note("The model keeps reading intensities as it learnt to.")] if other else []
        return bundle, next((notes for s in samples if (notes := other_values(s.image, bundle))), keeps)
    if wanted == "image" and norm.rule == "values":
        return replace(bundle, normalisation=Normalisation()), []
    if wanted == "image" or (wanted == "auto" and norm != Normalisation()):
        return bundle, []
    images = list({id(i): i for i in (s.image.whole or s.image for s in samples)}.values())
    sure = [is_ct(i) for i in images]
    if wanted == "auto" and not all(sure):
        said = (
            f"{sum(sure)} of {len(sure)} images hold Hounsfield units (CT), and the others are something else or show too "
            f"little to tell; each image is read by its own range of intensities."
        )
        return bundle, [Note(said, setting="intensities")] if any(sure) else []
    found = learnt_from(samples).values
    if len(found) != bundle.spec.in_channels:
        return bundle, []
    ranges = tuple(_range(v[0], v[2]) for v in found)
    norm = Normalisation(norm.low, norm.high, norm.clip, "values", ranges)
    return replace(bundle, normalisation=norm), [Note(_said(images, sure, norm))]


def noisy(augment: AugmentSpec, norm: Normalisation) -> AugmentSpec:
    """The augmentation with as much noise as CT has, for a model that reads values as they are.

    Noise of 10 to 30 HU is usual and differs between protocols; of the narrow range that a model sees it is a large share.
    """
    span = max((high - low for low, high in norm.values), default=0.0)
    if span < _LEAST_SPAN:
        return augment
    return replace(augment, noise=max(augment.noise, min(_MOST_NOISE, _NOISE / span)))


def _range(low: float, high: float) -> tuple[float, float]:
    """What becomes 0 and 1: what the objects have, and not less than noise."""
    more = max(0.0, _LEAST_SPAN - (high - low)) / 2
    return low - more, high + more


def _said(images: Sequence[Image], sure: Sequence[bool], norm: Normalisation) -> str:
    low, high = norm.values[0]
    seen = f"{low - norm.clip * (high - low):.0f} to {high + norm.clip * (high - low):.0f}"
    if all(sure):
        return f"The images are CT: the model reads their Hounsfield units as they are, in detail from {seen} HU."
    image = images[list(sure).index(False)]
    values = values_of(image)
    return (
        f"The model reads values as they are, in detail from {seen}. Those of '{image.name}' ({_spread(values)}) may not be "
        f"Hounsfield units; images to segment need values like those of the training."
    )


def _spread(values: np.ndarray) -> str:
    values = values[np.isfinite(values)]
    return f"{values.min():.4g} to {values.max():.4g}" if values.size else "none"


def other_values(image: Image, bundle: ModelBundle) -> list[Note]:
    """What is wrong with the values of an image for a model that reads them as they are.

    Parameters
    ----------
    image : Image
    bundle : ModelBundle

    Returns
    -------
    list of Note
        None, or one: what the model learnt, what came, and what to do.
    """
    said = _other(image, bundle)
    return [Note(said)] if said else []


def _other(image: Image, bundle: ModelBundle) -> str:
    norm = bundle.normalisation
    if norm.rule != "values" or len(norm.values) != image.n_channels:
        return ""
    name, values = f"'{image.name}'" if image.name else "this image", values_of(image)
    if bundle.learnt.modality == "CT":
        said = str(image.metadata.get("dicom_Modality") or "CT")
        if said != "CT":
            return (
                f"The model learnt CT, and the file of {name} says {said}: the result is likely wrong. Choose a model for "
                f"{said}, or train one."
            )
        if hounsfield(values) is False and not _inside(values, bundle):
            offset = hounsfield(values.astype(np.float64) - _OFFSET)
            what = "about 1000 too high" if offset else f"other values, {_spread(values)}"
            do = "Open the original CT (DICOM, NIfTI), not a picture of it"
            do = f"Subtract what was added to them (usually {_OFFSET})" if offset else do
            return (
                f"The model learnt Hounsfield units (CT), and those of {name} are {what}: the result is likely wrong. {do}, "
                f"or choose another model."
            )
        return ""
    channels = image.read(tuple(slice(0, None, max(1, n // 64)) for n in image.spatial_shape))
    for channel, (low, high) in zip(channels, norm.values, strict=True):
        more, least = norm.clip * (high - low), np.ptp(np.nan_to_num(np.percentile(channel, (0.5, 99.5))))
        inside = np.mean((channel >= low - more) & (channel <= high + more))
        if inside < 0.02 or least < 0.05 * (high - low):
            return (
                f"The model learnt values of {low:.4g} to {high:.4g}, and {name} has {_spread(channel)}: the result is likely "
                f"wrong. Bring the image to the values of the training, or choose another model."
            )
    return ""


def _inside(values: np.ndarray, bundle: ModelBundle) -> bool:
    """Whether it may be the inside of a body, without fat or air: about the values of the objects, the least of them no limit."""
    low, high = bundle.normalisation.values[0]
    first, last = np.percentile(values, (0.5, 99.5))
    cut = np.mean(values == values.min()) > 0.01 and np.ptp(values) > _AROUND / 2
    return bool(low - _AROUND < first and last < high + _AROUND and last - first > 20 and not cut)


__all__ = ["fit_to_values", "noisy", "other_values"]
