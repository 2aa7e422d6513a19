"""Compressed DICOM pixels that pydicom has no decoder for by itself, through imagecodecs.

pydicom decodes JPEG and JPEG 2000 with Pillow. Lossless JPEG (what most scanners store), JPEG-LS, high-throughput
JPEG 2000, 12-bit JPEG and colours of more than 8 bits need further packages, of which the usual one for lossless JPEG is
under the GPL. imagecodecs is here already for TIFF and decodes all of them. What pydicom has itself is tried first.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

_LOCK = threading.Lock()
_LABEL = "imagecodecs"
_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_EXTENDED = ("1.2.840.10008.1.2.4.51",)
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_HIGH_THROUGHPUT = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
_CODECS = {
    **dict.fromkeys(_LOSSLESS, "jpegsof3"),
    **dict.fromkeys(_EXTENDED, "jpeg8"),
    **dict.fromkeys(_JPEG_LS, "jpegls"),
    **dict.fromkeys((*_JPEG_2000, *_HIGH_THROUGHPUT), "jpeg2k"),
}
DECODER_DEPENDENCIES = dict.fromkeys(_CODECS, ("numpy", "imagecodecs"))
"""What pydicom asks of every module of decoders: the packages by transfer syntax."""


def is_available(uid: str) -> bool:
    """Whether this environment can decode a transfer syntax with imagecodecs; pydicom asks.

    Parameters
    ----------
    uid : str
        Identifier of the transfer syntax.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_available("1.2.840.10008.1.2.1")
    False
    """
    try:
        import imagecodecs
    except ImportError:
        return False
    codec = getattr(imagecodecs, _CODECS[uid].upper(), None) if uid in _CODECS else None
    return bool(codec is not None and codec.available)


def decode_frame(frame: bytes, runner: Any) -> bytes:
    """One compressed frame as the bytes of its pixels; pydicom calls it and tries the next decoder if it raises.

    Parameters
    ----------
    frame : bytes
        The code stream.
    runner : pydicom.pixels.decoders.base.DecodeRunner
        What the data set says of the pixels; is told how wide the decoded ones are.

    Returns
    -------
    bytes
        Row after row; the colours of a pixel side by side.

    Raises
    ------
    ValueError
        If the code stream holds an image of another size than the data set says.
    NotImplementedError
        For 12-bit JPEG in colour: whether its colours are to be converted cannot be told.
    """
    import imagecodecs

    syntax = str(runner.transfer_syntax)
    if syntax in _EXTENDED and runner.samples_per_pixel > 1:
        raise NotImplementedError("12-bit JPEG in colour")
    array = np.asarray(getattr(imagecodecs, f"{_CODECS[syntax]}_decode")(frame))
    colours = (runner.samples_per_pixel,) if runner.samples_per_pixel > 1 else ()
    if array.shape != (runner.rows, runner.columns, *colours):
        raise ValueError(f"the frame has shape {array.shape}")
    if colours:
        runner.set_option("planar_configuration", 0)
        if str(runner.photometric_interpretation) in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")  # JPEG 2000 turns its colours back by itself
    runner.set_option("bits_allocated", array.dtype.itemsize * 8)
    return array.tobytes()


def add_decoders(pydicom: Any) -> None:
    """Tell pydicom of these decoders, once.

    Parameters
    ----------
    pydicom : module
        The package pydicom.
    """
    with _LOCK:
        for uid in _CODECS:
            decoder = pydicom.pixels.get_decoder(uid)
            known = (*decoder.available_plugins, *(text.split(" ")[0] for text in decoder.missing_dependencies))
            if _LABEL not in known:
                decoder.add_plugin(_LABEL, (__name__, decode_frame.__name__))


__all__ = ["DECODER_DEPENDENCIES", "add_decoders", "decode_frame", "is_available"]
