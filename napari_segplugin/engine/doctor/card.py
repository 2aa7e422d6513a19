"""Whether torch, the card and the driver fit together."""

from __future__ import annotations

import ctypes
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from napari_segplugin.engine.doctor.report import REINSTALL, Finding, Level
from napari_segplugin.engine.torch_import import bring_torch

_PROC = Path("/proc/driver/nvidia")
_SELECTOR = (
    f"Install the build with CUDA: choose it at pytorch.org/get-started, and run the line for pip as {REINSTALL} …"
)


@dataclass(frozen=True)
class Hardware:
    """The NVIDIA card and its driver, as the system tells without torch.

    Parameters
    ----------
    card : str
        Empty where there is none.
    driver_cuda : tuple of int
        The newest CUDA that the driver can do, such as (12, 4); empty where there is no driver.
    """

    card: str = ""
    driver_cuda: tuple[int, ...] = ()


@dataclass(frozen=True)
class TorchFacts:
    """What torch says of itself.

    Parameters
    ----------
    version : str
    cuda, hip : str
        Version of the build; empty for builds without.
    cards : tuple of (str, (int, int))
        Name and compute capability of each card that torch can see.
    architectures : tuple of str
        What the build was compiled for: "sm_90", "compute_90" ….
    mps_built, mps : bool
        Whether the build knows Apple's GPU, and whether it can be used.
    failures : tuple of (str, str)
        Devices on which a small convolution failed, and what was said.
    """

    version: str
    cuda: str = ""
    hip: str = ""
    cards: tuple[tuple[str, tuple[int, int]], ...] = ()
    architectures: tuple[str, ...] = ()
    mps_built: bool = False
    mps: bool = False
    failures: tuple[tuple[str, str], ...] = ()


def hardware() -> Hardware:
    """Ask the system for an NVIDIA card and its driver."""
    return Hardware(_card(), _driver_cuda())


def _card() -> str:
    tool = shutil.which("nvidia-smi")
    if tool:
        try:
            command = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):
            done = None
        if done is not None and done.returncode == 0 and done.stdout.strip():
            name, _, driver = done.stdout.strip().splitlines()[0].rpartition(",")
            return f"{name}, driver {driver.strip()}"
    try:
        texts = [(f / "information").read_text(encoding="utf-8") for f in sorted((_PROC / "gpus").iterdir())]
    except OSError:
        return ""
    names = [match.group(1) for match in (re.search(r"^Model:\s*(.+)$", t, re.M) for t in texts) if match]
    return names[0].strip() if names else "an NVIDIA card" if texts else ""


def _driver_cuda() -> tuple[int, ...]:
    """The newest CUDA that the driver can do; asked of its library, which needs no card for the answer."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        found = ctypes.c_int(0)
        if library.cuDriverGetVersion(ctypes.byref(found)) != 0 or found.value <= 0:
            return ()
    except (OSError, AttributeError):
        return ()
    return found.value // 1000, found.value % 1000 // 10


def torch_facts() -> TorchFacts:
    """Ask torch, and let it compute a little on each device. Imports torch."""
    bring_torch()
    import torch

    from napari_segplugin.engine.device import available_devices

    cuda = torch.cuda.is_available()
    cards = range(torch.cuda.device_count()) if cuda else ()
    failures = []
    for name, _ in available_devices():
        try:
            x = torch.ones(1, 1, 8, 8, device=name)
            torch.nn.functional.conv2d(x, x[..., :3, :3]).sum().item()
        except (RuntimeError, MemoryError, NotImplementedError) as error:
            failures.append((name, str(error).strip().partition("\n")[0][:160]))
    return TorchFacts(
        str(torch.__version__),
        torch.version.cuda or "",
        getattr(torch.version, "hip", None) or "",
        tuple((torch.cuda.get_device_name(i), torch.cuda.get_device_capability(i)) for i in cards),
        tuple(torch.cuda.get_arch_list()) if cuda else (),
        torch.backends.mps.is_built(),
        torch.backends.mps.is_available(),
        tuple(failures),
    )


def devices(seen: Hardware, facts: TorchFacts) -> list[Finding]:
    """What networks can run on, and what keeps them from a card that is there."""
    build = f"CUDA {facts.cuda}" if facts.cuda else f"ROCm {facts.hip}" if facts.hip else "CPU"
    found = [Finding("build of torch", f"{facts.version}, {build}")]
    found += [_nvidia(seen, facts)] if seen.card or facts.cards else [Finding("NVIDIA card", "none")]
    found += [_apple(facts)] if platform.system() == "Darwin" else []
    for name, said in facts.failures:
        other = f"Run: {REINSTALL} torch" if name == "cpu" else "Choose the CPU as device."
        problem = f"A small computation on the device '{name}' failed ({said}). {other}"
        found.append(Finding(f"computing on {name}", "fails", Level.STOP, problem))
    return found


def _nvidia(seen: Hardware, facts: TorchFacts) -> Finding:
    card = seen.card or facts.cards[0][0]
    if not facts.cards:
        return Finding("NVIDIA card", card, Level.WARNING, _why_unseen(card, seen, facts))
    for name, capability in facts.cards:
        if facts.cuda and not _compiled_for(capability, facts.architectures):
            number = ".".join(map(str, capability))
            problem = (
                f"This PyTorch was not built for the card {name} (compute capability {number}), so nothing runs on it. "
                f"Choose the CPU as device, or install another build of PyTorch from pytorch.org/get-started."
            )
            return Finding("NVIDIA card", card, Level.STOP, problem)
    return Finding("NVIDIA card", card)


def _why_unseen(card: str, seen: Hardware, facts: TorchFacts) -> str:
    """Why torch cannot use a card that is there."""
    if not facts.cuda:
        return (
            f"There is an NVIDIA card ({card}), but PyTorch {facts.version} is a build without CUDA, so everything runs on "
            f"the processor. {_SELECTOR}"
        )
    if not seen.driver_cuda:
        return f"There is an NVIDIA card ({card}), but no driver that programs can use. Install NVIDIA's driver and restart."
    offered = ".".join(map(str, seen.driver_cuda))
    if seen.driver_cuda[0] < int(facts.cuda.partition(".")[0]):
        return (
            f"The driver of the card ({card}) is too old: it offers CUDA {offered}, and this PyTorch needs {facts.cuda}. "
            f"Update the driver, or install a build of PyTorch for an older CUDA."
        )
    return (
        f"PyTorch cannot use the card ({card}), although build and driver fit (CUDA {facts.cuda} and {offered}). "
        f"Restart the computer; look whether CUDA_VISIBLE_DEVICES hides the card."
    )


def _compiled_for(capability: tuple[int, int], architectures: tuple[str, ...]) -> bool:
    """Whether a build runs on a card: compiled for its generation, or with code that the driver compiles for newer ones."""
    if not architectures:
        return True
    for word in architectures:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", word)
        if found is None:
            continue
        built = int(found.group(2)), int(found.group(3))
        newer = built <= capability
        if newer and (found.group(1) == "compute" or built[0] == capability[0]):
            return True
    return False


def _apple(facts: TorchFacts) -> Finding:
    if facts.mps:
        return Finding("Apple GPU", "usable")
    if platform.machine() != "arm64":
        if _translated():
            problem = (
                "This Python was made for Intel processors, so Apple's GPU cannot be used. Install Python for arm64."
            )
            return Finding("Apple GPU", "not usable", Level.WARNING, problem)
        return Finding("Apple GPU", "none")
    problem = "Apple's GPU cannot be used. " + ("Update macOS." if facts.mps_built else f"Run: {REINSTALL} torch")
    return Finding("Apple GPU", "not usable", Level.WARNING, problem)


def _translated() -> bool:
    """Whether an Apple processor plays an Intel one for this Python."""
    try:
        command = ["sysctl", "-in", "sysctl.proc_translated"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip() == "1"
    except (OSError, subprocess.TimeoutExpired):
        return False


def look(torch_works: bool) -> list[Finding]:
    """All of this, on this computer; without asking torch where that would fail."""
    seen = hardware()
    if not torch_works:
        return [Finding("NVIDIA card", seen.card or "none")]
    try:
        return devices(seen, torch_facts())
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        problem = f"PyTorch cannot be used ({type(error).__name__}: {error}). Run: {REINSTALL} torch"
        return [Finding("build of torch", "broken", Level.STOP, problem)]


__all__ = ["Hardware", "TorchFacts", "devices", "hardware", "look", "torch_facts"]
