"""Networks: one file an architecture, one row each. Listing the rows imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segplugin.core import InputError, ModelSpec, Registry, Row

if TYPE_CHECKING:
    from torch import nn

NETWORKS = Registry("network")
for _row in (
    Row(
        "unet",
        "U-Net",
        "napari_segplugin.networks.unet:UNet",
        "The standard: precise outlines, learns from few images, small enough for a CPU.",
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
        meta={
            "small": {"widths": (4, 8, 8)},
            "variants": (
                {"residual": True, "attention": True, "deep_supervision": True},
                {"encoder_blocks": (1, 2, 1)},
                {"encoder": "resnet18", "encoder_width": 4},
            ),
        },
    ),
    Row(
        "segnet",
        "SegNet",
        "napari_segplugin.networks.segnet:SegNet",
        "Remembers only where the maxima were: little memory, outlines less precise than a U-Net's.",
        "Badrinarayanan et al. 2017, arXiv 1511.00561",
        options={
            "widths": (16, 32, 64, 64, 64),
            "convs": (2, 2, 3, 3, 3),
            "strides": None,
            "deep_supervision": False,
        },
        meta={
            "volume": {"widths": (16, 32, 64), "convs": (2, 2, 3)},
            "precision": "float32",  # where the maximum lies may change when numbers are rounded, and the map with it
            "small": {"widths": (8, 8), "convs": (2, 2)},
            "variants": ({"deep_supervision": True},),
        },
    ),
    Row(
        "kayalibay",
        "Kayalibay",
        "napari_segplugin.networks.kayalibay:Kayalibay",
        "Sums the maps of all scales: rough shapes are learnt early, good for volumes.",
        "Kayalibay et al. 2017, arXiv 1701.03056",
        options={"widths": (16, 32, 64, 128), "strides": None, "deep_supervision": False},
        meta={"small": {"widths": (4, 8, 8)}, "variants": ({"deep_supervision": True},)},
    ),
    Row(
        "gated_scnn",
        "Gated-SCNN",
        "napari_segplugin.networks.gated_scnn:GatedSCNN",
        "Learns edges beside classes and makes them agree: sharp outlines, and an edge map on wish.",
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
        meta={
            "edges": True,
            "small": {"widths": (4, 8, 8), "shape_width": 8, "context_width": 8},
            "variants": ({"image_gradient": "magnitude", "deep_supervision": True},),
        },
    ),
    Row(
        "fastfcn",
        "FastFCN",
        "napari_segplugin.networks.fastfcn:FastFCN",
        "Sees far around each voxel at little cost: large structures and scenes, coarse outlines.",
        "Wu et al. 2019, arXiv 1903.11816",
        options={
            "encoder": "plain",
            "head": "fcn",
            "widths": (16, 32, 64, 128, 128),
            "encoder_width": 64,
            "jpu_width": 64,
            "rates": (6, 12, 18),
            "deep_supervision": False,
        },
        meta={
            "coarse": True,  # its maps have an eighth of the resolution
            "small": {"widths": (8, 8, 8, 8, 8), "jpu_width": 8, "rates": (1, 2, 3), "encoder_width": 4},
            "variants": (
                {"head": "psp", "deep_supervision": True},
                {"head": "aspp"},
                {"encoder": "resnet50"},
            ),
        },
    ),
    Row(
        "mask_rcnn",
        "Mask R-CNN",
        "napari_segplugin.networks.mask_rcnn:MaskRCNN",
        "Finds a box for each object, then its class and mask: objects may overlap, each has a score. Slower to train.",
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
        meta={
            "family": "detector",
            "tasks": ("instance", "panoptic"),
            "small": {"widths": (4, 8, 8), "channels": 8, "hidden": 16, "regions": 16, "roi_size": 3, "mask_size": 4},
        },
    ),
    Row(
        "segresnet",
        "SegResNet (MONAI)",
        "napari_segplugin.networks.monai_rows:SegResNet",
        "Residual encoder with a light decoder, made for volumes of the brain.",
        "Myronenko 2018, arXiv 1810.11654",
        options={"init_filters": 16, "blocks_down": (1, 2, 2, 4), "blocks_up": (1, 1, 1), "dropout_prob": None},
        meta={"extra": "monai", "small": {"init_filters": 8, "blocks_down": (1, 1), "blocks_up": (1,)}},
    ),
    Row(
        "dynunet",
        "DynUNet (MONAI)",
        "napari_segplugin.networks.monai_rows:DynUNet",
        "nnU-Net's network.",
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
        meta={
            "extra": "monai",
            "small": {
                "filters": (4, 8, 8),
                "kernel_size": (3, 3, 3),
                "strides": (1, 2, 2),
                "upsample_kernel_size": (2, 2),
            },
            "variants": ({"deep_supervision": True, "res_block": True},),
        },
    ),
    Row(
        "mednext",
        "MedNeXt (MONAI)",
        "napari_segplugin.networks.monai_rows:MedNeXt",
        "Large kernels channel by channel: strong on volumes, slow on a CPU.",
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
        meta={
            "extra": "monai",
            "small": {"init_filters": 8, "blocks_down": (1, 1), "blocks_bottleneck": 1, "blocks_up": (1, 1)},
            "variants": ({"deep_supervision": True, "kernel_size": 5},),
        },
    ),
    Row(
        "vnet",
        "V-Net (MONAI)",
        "napari_segplugin.networks.monai_rows:VNet",
        "5-wide kernels and residual blocks: the first network for volumes with Dice loss, large.",
        "Milletari et al. 2016, arXiv 1606.04797",
        options={"dropout_prob_down": 0.5, "dropout_prob_up": (0.5, 0.5)},
        meta={"extra": "monai", "small": {"dropout_prob_down": None, "dropout_prob_up": (None, 0.0)}},
    ),
    Row(
        "swinunetr",
        "Swin UNETR (MONAI)",
        "napari_segplugin.networks.monai_rows:SwinUNETR",
        "Attention in windows: for much data and a GPU. Tiles agree with the whole image only about.",
        "Hatamizadeh et al. 2022, arXiv 2201.01266",
        options={
            "feature_size": 24,
            "depths": (2, 2, 2, 2),
            "num_heads": (3, 6, 12, 24),
            "window_size": 7,
            "use_v2": False,
        },
        meta={
            "extra": "monai",
            "exact": False,
            "small": {"feature_size": 12, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1), "window_size": 2},
        },
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
        If the network is not known, does not take one of the options, or is not made for the task.
    """
    row = NETWORKS[spec.network]
    unknown = set(spec.options) - set(row.options)
    if unknown:
        raise InputError(
            f"{row.title} has no such options.", got=", ".join(sorted(unknown)), accepted=", ".join(row.options)
        )
    if str(spec.task) not in row.meta.get("tasks", (str(spec.task),)):
        raise InputError(
            f"{row.title} finds objects.", got=f"the task {spec.task}", accepted=" and ".join(row.meta["tasks"])
        )
    # what a volume wants otherwise: fewer levels, since patches of volumes are short of voxels along every axis
    options = {**row.options, **(row.meta.get("volume", {}) if spec.ndim == 3 else {}), **spec.options}
    if is_detector(spec):  # finds objects itself, so of the maps it has those of the classes alone
        out_channels, options["thing_classes"] = len(spec.classes), spec.classes.thing_ids
    module: nn.Module = row.load()(spec.ndim, spec.in_channels, out_channels, **options)
    return module


def is_detector(spec: ModelSpec) -> bool:
    """Whether a network finds objects as boxes and masks itself, so that the task's maps are not needed."""
    return NETWORKS[spec.network].meta.get("family") == "detector"


__all__ = ["NETWORKS", "build", "is_detector"]
