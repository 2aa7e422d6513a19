"""Networks: one file an architecture, one row each. Listing the rows imports no torch."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from napari_segplugin.core import InputError, ModelSpec, Registry, SegPluginError, is_out_of_memory
from napari_segplugin.networks.row import NetworkRow

if TYPE_CHECKING:
    from torch import nn

NETWORKS = Registry("network", NetworkRow, group="napari_segplugin.networks")
"""All networks, in the order of the lists."""

for _row in (
    NetworkRow(
        "unet",
        "U-Net",
        "napari_segplugin.networks.unet:UNet",
        "The standard choice: precise outlines, learns from few images, small enough for a CPU.",
        "Ronneberger et al. 2015, arXiv 1505.04597; Çiçek et al. 2016, arXiv 1606.06650",
        options={
            "widths": (16, 32, 64, 128),
            "strides": None,
            "residual": False,
            "attention": False,
            "encoder": "plain",
            "encoder_width": 64,
            "encoder_blocks": None,
            "deep_supervision": False,
            "dropout": 0.0,
        },
        pools=("widths", -1),
    ),
    NetworkRow(
        "segnet",
        "SegNet",
        "napari_segplugin.networks.segnet:SegNet",
        "Needs little memory; outlines are less precise than those of a U-Net.",
        "Badrinarayanan et al. 2017, arXiv 1511.00561",
        options={
            "widths": (16, 32, 64, 64, 64),
            "convs": (2, 2, 3, 3, 3),
            "strides": None,
            "deep_supervision": False,
        },
        volume={"widths": (16, 32, 64), "convs": (2, 2, 3)},
        precision="float32",  # where the maximum lies may change when numbers are rounded, and the map with it
        pools=("widths", 0),
    ),
    NetworkRow(
        "kayalibay",
        "Kayalibay",
        "napari_segplugin.networks.kayalibay:Kayalibay",
        "Combines predictions of all scales: learns rough shapes early, good for volumes.",
        "Kayalibay et al. 2017, arXiv 1701.03056",
        options={"widths": (16, 32, 64, 128), "strides": None, "deep_supervision": False},
        pools=("widths", -1),
    ),
    NetworkRow(
        "gated_scnn",
        "Gated-SCNN",
        "napari_segplugin.networks.gated_scnn:GatedSCNN",
        "Learns edges together with the classes: sharp outlines and an optional edge map.",
        "Takikawa et al. 2019, arXiv 1907.05740",
        options={
            "widths": (16, 32, 64, 128),
            "strides": None,
            "encoder": "plain",
            "encoder_width": 64,
            "shape_width": 8,
            "context_width": 64,
            "rates": (1, 2, 4),
            "image_gradient": "auto",
            "edge_radius": 1,
            "edge_weight": 1.0,
            "dual_weight": 1.0,
            "deep_supervision": False,
        },
        edges=True,
        pools=("widths", -1),
    ),
    NetworkRow(
        "fastfcn",
        "FastFCN",
        "napari_segplugin.networks.fastfcn:FastFCN",
        "Uses wide surroundings at low cost: for large structures and scenes; coarse outlines.",
        "Wu et al. 2019, arXiv 1903.11816",
        options={
            "encoder": "plain",
            "head": "fcn",
            "widths": (16, 32, 64, 128, 128),
            "strides": None,
            "encoder_width": 64,
            "jpu_width": 64,
            "rates": (6, 12, 18),
            "deep_supervision": False,
        },
        coarse=True,  # its maps have an eighth of the resolution
        pools=("widths", 0),
    ),
    NetworkRow(
        "mask_rcnn",
        "Mask R-CNN",
        "napari_segplugin.networks.mask_rcnn:MaskRCNN",
        "Finds a box for each object, then its class and outline; each has a score. Needs longer training.",
        "He et al. 2017, arXiv 1703.06870; Lin et al. 2017, arXiv 1612.03144; Ren et al. 2015, arXiv 1506.01497",
        options={
            "widths": (16, 32, 64, 128),
            "strides": None,
            "encoder": "plain",
            "encoder_width": 64,
            "channels": 32,
            "anchor_sizes": None,
            "ratios": (0.5, 1.0, 2.0),
            "regions": 64,
            "roi_size": None,
            "mask_size": None,
            "hidden": 128,
            "semantic": True,
        },
        family="detector",
        exact=False,  # of each tile so many regions are looked at, however many objects lie in it
        tasks=("instance", "panoptic"),
    ),
    NetworkRow(
        "segresnet",
        "SegResNet (MONAI)",
        "napari_segplugin.networks.monai_rows:SegResNet",
        "Residual network made for brain volumes.",
        "Myronenko 2018, arXiv 1810.11654",
        options={"init_filters": 16, "blocks_down": (1, 2, 2, 4), "blocks_up": (1, 1, 1), "dropout_prob": None},
        extra="monai",
    ),
    NetworkRow(
        "dynunet",
        "DynUNet (MONAI)",
        "napari_segplugin.networks.monai_rows:DynUNet",
        "The network of nnU-Net.",
        "Isensee et al. 2021, arXiv 1809.10486",
        options={
            "filters": (16, 32, 64, 128),
            "kernel_size": (3, 3, 3, 3),
            "strides": (1, 2, 2, 2),
            "upsample_kernel_size": (2, 2, 2),
            "res_block": False,
            "deep_supervision": False,
            "deep_supr_num": 1,
        },
        extra="monai",
        pools=("filters", -1),
    ),
    NetworkRow(
        "mednext",
        "MedNeXt (MONAI)",
        "napari_segplugin.networks.monai_rows:MedNeXt",
        "Convolutions with large kernels: strong on volumes, slow on a CPU.",
        "Roy et al. 2023, arXiv 2303.09975",
        options={
            "init_filters": 16,
            "kernel_size": 3,
            "use_residual_connection": True,
            "blocks_down": (2, 2, 2, 2),
            "blocks_bottleneck": 2,
            "blocks_up": (2, 2, 2, 2),
            "encoder_expansion_ratio": 2,
            "decoder_expansion_ratio": 2,
            "bottleneck_expansion_ratio": 2,
            "deep_supervision": False,
        },
        extra="monai",
    ),
    NetworkRow(
        "vnet",
        "V-Net (MONAI)",
        "napari_segplugin.networks.monai_rows:VNet",
        "Residual blocks with 5-wide kernels: the first network for volumes with Dice loss; large.",
        "Milletari et al. 2016, arXiv 1606.04797",
        options={"dropout_prob_down": 0.5, "dropout_prob_up": (0.5, 0.5)},
        extra="monai",
    ),
    NetworkRow(
        "swinunetr",
        "Swin UNETR (MONAI)",
        "napari_segplugin.networks.monai_rows:SwinUNETR",
        "A transformer: needs much data and a GPU. Tiled results match the whole image only approximately.",
        "Hatamizadeh et al. 2022, arXiv 2201.01266",
        options={
            "feature_size": 24,
            "depths": (2, 2, 2, 2),
            "num_heads": (3, 6, 12, 24),
            "window_size": 7,
            "use_v2": False,
        },
        extra="monai",
        exact=False,
    ),
):
    NETWORKS.add(_row)


def build(spec: ModelSpec, out_channels: int) -> nn.Module:
    """Make the network of a spec, with random weights.

    Parameters
    ----------
    spec : ModelSpec
    out_channels : int
        Number of maps that the task reads.

    Raises
    ------
    InputError
        If the network is not known, does not take one of the options, is not made for the task, or comes from another
        package and does not say how far it sees.
    """
    row = network_row(spec)
    unknown = set(spec.options) - set(row.options)
    if unknown:
        raise InputError(
            f"{row.title} has no such options.", got=", ".join(sorted(unknown)), accepted=", ".join(row.options)
        )
    if row.tasks and str(spec.task) not in row.tasks:
        raise InputError(f"{row.title} finds objects.", got=f"the task {spec.task}", accepted=" and ".join(row.tasks))
    # what a volume wants otherwise: fewer levels, since patches of volumes are short of voxels along every axis
    options = {**row.options, **(row.volume if spec.ndim == 3 else {}), **spec.options}
    if is_detector(spec):  # finds objects itself, so of the maps it has those of the classes alone
        out_channels, options["thing_classes"] = len(spec.classes), spec.classes.thing_ids
    module = _made(row, spec, out_channels, options)
    missing = [word for word in ("multiple", "halo") if getattr_static(module, word, None) is None]
    if missing:  # without them tiles would be cut anyhow, with seams that nobody is told of
        raise InputError(
            f"The network {row.title} does not define how images are cut into tiles.",
            got=f"no attribute {' and no attribute '.join(missing)}",
            hint="Ask its authors to add this",
        )
    return module


MOST_PARTS = 5_000
MOST_BYTES = 2**34
"""Modules of a network, and bytes of its parameters: more is a wrong option, or a model that wants to fill the memory."""


def _made(row: NetworkRow, spec: ModelSpec, out_channels: int, options: Mapping[str, Any]) -> nn.Module:
    """The network, or a sentence for options that it cannot be made with; the size is watched while it grows."""
    from torch.nn.modules import module as hooks

    here, parts, size = threading.get_ident(), itertools.count(1), [0]

    def too_large() -> InputError:
        shown = ", ".join(f"{k} {v}" for k, v in {"channels": spec.in_channels, **spec.options}.items())
        return InputError(f"The network {row.title} is too large with these options.", got=shown[:200])

    def count_part(*_: object) -> None:
        if threading.get_ident() == here and next(parts) > MOST_PARTS:
            raise too_large()

    def count_bytes(owner: object, name: str, parameter: Any) -> None:
        if threading.get_ident() == here and parameter is not None and hasattr(parameter, "numel"):
            size[0] += parameter.numel() * parameter.element_size()
            if size[0] > MOST_BYTES:
                raise too_large()

    watch = hooks.register_module_module_registration_hook(count_part)
    weigh = hooks.register_module_parameter_registration_hook(count_bytes)
    try:
        made: nn.Module = row.load()(spec.ndim, spec.in_channels, out_channels, **options)
    except SegPluginError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise too_large() from error
        raise InputError(
            f"The network {row.title} cannot be made with these options.",
            got=f"{', '.join(f'{k} {v}' for k, v in spec.options.items())[:200] or 'none'} ({str(error)[:120]})",
            accepted=", ".join(f"{k} {v}" for k, v in row.options.items())[:400],
        ) from error
    finally:
        watch.remove()
        weigh.remove()
    return made


def network_row(spec: ModelSpec) -> NetworkRow:
    """The row of the network of a spec.

    Raises
    ------
    InputError
        If there is none; where it came from another package, the sentence says what to install.
    """
    if spec.network not in NETWORKS and spec.packages:
        raise InputError(
            f"The network '{spec.network}' of this model comes from another package that is missing or does not work.",
            hint=" ".join((f"Install {' and '.join(spec.packages)}", *NETWORKS.problems)),
        )
    return NETWORKS[spec.network]


def is_detector(spec: ModelSpec) -> bool:
    """Whether a network finds objects as boxes and masks itself, so that the task's maps are not needed."""
    return network_row(spec).family == "detector"


__all__ = ["NETWORKS", "NetworkRow", "build", "is_detector", "network_row"]
