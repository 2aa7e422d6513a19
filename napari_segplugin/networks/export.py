"""Networks for other programs: as a torch.export program and as ONNX."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from napari_segplugin.core import InputError, MissingExtraError
from napari_segplugin.core.disk.commit import commit

_TOLERANCE = 1e-3


def export_program(module: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """A network as a program without Python: what ``torch.export.save`` writes and other runtimes read.

    Parameters
    ----------
    module : nn.Module
        Is exported in evaluation mode; its own mode stays as it was.
    example : (N, C, [Z,] Y, X) Tensor
        The program takes inputs of exactly this shape: cut images into tiles of it.

    Returns
    -------
    torch.export.ExportedProgram

    Examples
    --------
    >>> from napari_segplugin.networks.unet import UNet
    >>> program = export_program(UNet(2, 1, 3, widths=(4, 8)), torch.zeros(1, 1, 16, 16))
    >>> program.module()(torch.zeros(1, 1, 16, 16)).shape
    torch.Size([1, 3, 16, 16])
    """
    training = {m: m.training for m in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            return torch.export.export(module, (example,))
    finally:
        for part, was in training.items():
            part.training = was


def export_onnx(module: nn.Module, example: Tensor, path: str | Path) -> float | None:
    """Write a network as an ONNX file, and compare what it gives where onnxruntime is installed.

    Parameters
    ----------
    module : nn.Module
        On the CPU, float32.
    example : (N, C, [Z,] Y, X) Tensor
        The file takes inputs of exactly this shape, named "image"; its output is named "logits".
    path : str or Path
        Is replaced if it is there.

    Returns
    -------
    float or None
        Largest difference of the two outputs on `example`, as a share of the largest output; None without onnxruntime.

    Raises
    ------
    MissingExtraError
        If onnx or onnxscript is not installed.
    InputError
        If onnxruntime gives another result. No file is written, and one that was there stays.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(error.name or "onnx", "write ONNX files", "onnx") from error
    program = export_program(module, example)
    place = Path(path)
    with commit(place) as stage:
        torch.onnx.export(
            program,
            (),
            stage.path(place),
            input_names=["image"],
            output_names=["logits"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        return _compared(program, example, stage.path(place))


def _compared(program: torch.export.ExportedProgram, example: Tensor, path: Path) -> float | None:
    """Largest difference of the file and the network; parameters, result and errors as of :func:`export_onnx`."""
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {"image": example.numpy()})
    with torch.no_grad():
        wanted = program.module()(example)
    difference = float((torch.from_numpy(given) - wanted).abs().max() / wanted.abs().max().clamp_min(1e-6))
    if not difference <= _TOLERANCE:
        raise InputError(
            "The ONNX file and the network give different results.",
            got=f"a difference of {difference:.2g} of the largest output",
            accepted=f"{_TOLERANCE:g}",
            hint="Install newer versions of torch and onnxscript",
        )
    return difference


__all__ = ["export_onnx", "export_program"]
