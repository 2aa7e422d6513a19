"""Networks that are quick to try: options that make them small, and variants on top.

A row that is not here, such as one of another package, is tried with its own defaults and without variants.
"""

SMALL = {
    "unet": {"widths": (4, 8, 8)},
    "segnet": {"widths": (8, 8), "convs": (2, 2)},
    "kayalibay": {"widths": (4, 8, 8)},
    "gated_scnn": {"widths": (4, 8, 8), "shape_width": 8, "context_width": 8},
    "fastfcn": {"widths": (8, 8, 8, 8, 8), "jpu_width": 8, "rates": (1, 2, 3), "encoder_width": 4},
    "mask_rcnn": {"widths": (4, 8, 8), "channels": 8, "hidden": 16, "regions": 16, "roi_size": 3, "mask_size": 4},
    "segresnet": {"init_filters": 8, "blocks_down": (1, 1), "blocks_up": (1,)},
    "dynunet": {
        "filters": (4, 8, 8),
        "kernel_size": (3, 3, 3),
        "strides": (1, 2, 2),
        "upsample_kernel_size": (2, 2),
    },
    "mednext": {"init_filters": 8, "blocks_down": (1, 1), "blocks_bottleneck": 1, "blocks_up": (1, 1)},
    "vnet": {"dropout_prob_down": None, "dropout_prob_up": (None, 0.0)},
    "swinunetr": {"feature_size": 12, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1), "window_size": 2},
}
VARIANTS = {
    "unet": (
        {"residual": True, "attention": True, "deep_supervision": True},
        {"encoder_blocks": (1, 2, 1)},
        {"encoder": "resnet18", "encoder_width": 4},
    ),
    "segnet": ({"deep_supervision": True},),
    "kayalibay": ({"deep_supervision": True},),
    "gated_scnn": ({"image_gradient": "magnitude", "deep_supervision": True},),
    "fastfcn": ({"head": "psp", "deep_supervision": True}, {"head": "aspp"}, {"encoder": "resnet50"}),
    "dynunet": ({"deep_supervision": True, "res_block": True},),
    "mednext": ({"deep_supervision": True, "kernel_size": 5},),
}


def small(name):
    """Options of a network that is quick to try."""
    return SMALL.get(name, {})


def variants(name):
    """Further options to try on top."""
    return VARIANTS.get(name, ())
