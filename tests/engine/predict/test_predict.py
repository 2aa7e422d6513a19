from __future__ import annotations

import errno
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import zarr

from napari_segplugin.core import (
    ClassInfo,
    ClassTable,
    Image,
    InputError,
    Kind,
    ModelSpec,
    Normalisation,
    Note,
    OutOfMemoryError,
    Stage,
    Step,
    Task,
    TileSpec,
    drain,
    is_out_of_memory,
)
from napari_segplugin.data.tiles import Axis, Tile
from napari_segplugin.engine import device as device_module
from napari_segplugin.engine.device import (
    autocast_dtype,
    available_devices,
    inference_dtype,
    polite_threads,
    resolve,
    threads,
)
from napari_segplugin.engine.network import ReadyNetwork, load
from napari_segplugin.engine.predict.blocks import blocks_of
from napari_segplugin.engine.predict.estimate import estimate
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.tiles import TileRun, run_tiles
from napari_segplugin.engine.train.train import new_bundle
from napari_segplugin.networks import NETWORKS
from napari_segplugin.tasks import HEADS, HeadRow

TABLES = {
    Task.SEMANTIC: ClassTable.named(["axon", "myelin"], Kind.STUFF),
    Task.INSTANCE: ClassTable.named(["cell"]),
    Task.PANOPTIC: ClassTable((*ClassTable.named(["cell"]), ClassInfo(2, "soil", "#aaaaaa", Kind.STUFF))),
}
LOOSE = {"foreground": 0.3, "seed": 0.4, "smooth": 0.5, "min_size": 1}


PLAIN = Normalisation(rule="percentiles")
"""So that objects in noise stay, which are what these tests count."""


def bundle_of(ndim=2, task=Task.INSTANCE, channels=1, decode=LOOSE, **options):
    spec = ModelSpec("unet", ndim, channels, task, TABLES[task], options={"widths": (4, 6), **options})
    bundle = new_bundle(spec, name="small", seed=1, normalisation=PLAIN)
    return replace(bundle, decode={} if task is Task.SEMANTIC else decode)


def noise(shape, axes, dtype=np.uint8, seed=0, **more):
    return Image(np.random.default_rng(seed).integers(0, 200, shape).astype(dtype), axes, **more)


def same_up_to_numbers(a, b):
    pairs = np.unique(np.stack([np.asarray(a).ravel(), np.asarray(b).ravel()]), axis=1)
    return len(np.unique(pairs[0])) == pairs.shape[1] == len(np.unique(pairs[1]))


# ---------------------------------------------------------------- shapes, axes, regions


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize(
    ("ndim", "axes", "shape", "result"),
    [
        (2, "YX", (40, 33), "YX"),
        (2, "XY", (33, 40), "YX"),
        (2, "ZYX", (3, 30, 31), "ZYX"),
        (3, "ZYX", (12, 20, 22), "ZYX"),
        (2, "TYX", (3, 24, 26), "TYX"),
        (2, "TZYX", (2, 3, 24, 20), "TZYX"),
        (3, "TZYX", (2, 8, 16, 18), "TZYX"),
        (2, "YXC", (20, 21, 1), "YX"),
    ],
)
def test_every_axis_order_gives_labels_in_canonical_order(task, ndim, axes, shape, result):
    image = noise(shape, axes)
    found = drain(predict(image, bundle_of(ndim, task), device="cpu"))
    assert found.axes == result
    assert found.labels.shape == tuple(image.sizes[a] for a in result)
    present = np.unique(found.labels)
    assert set(present[present > 0]) == set(found.objects.label)
    assert len(set(found.objects.label.tolist())) == len(found.objects)
    assert found.labels.dtype == (np.uint16 if task is Task.SEMANTIC else np.int32)
    json.dumps(found.recipe)


def test_the_axis_order_does_not_change_the_result():
    image = noise((30, 41), "YX")
    turned = Image(image.array.T, "XY", spacing=(0.5, 2.0))
    a, b = (drain(predict(i, bundle_of(2, Task.SEMANTIC), device="cpu")) for i in (image, turned))
    assert np.array_equal(a.labels, b.labels)
    assert b.spacing == (2.0, 0.5)


def test_object_numbers_are_unique_over_frames_and_each_frame_is_as_if_alone():
    image = noise((3, 40, 40), "TYX")
    bundle = bundle_of()
    found = drain(predict(image, bundle, device="cpu"))
    seen = [set(np.unique(frame)) - {0} for frame in found.labels]
    assert all(seen)
    assert not seen[0] & seen[1]
    assert not seen[1] & seen[2]
    alone = drain(predict(image.frame(1), bundle, device="cpu"))
    assert same_up_to_numbers(found.labels[1], alone.labels)


def test_a_stuff_class_keeps_one_number_over_frames():
    found = drain(predict(noise((3, 30, 30), "TYX"), bundle_of(2, Task.PANOPTIC), device="cpu"))
    assert (found.objects.class_id == 2).sum() <= 1


def test_a_region_is_the_same_part_of_the_whole():
    image, bundle = noise((120, 110), "YX"), bundle_of(2, Task.SEMANTIC)
    whole = drain(predict(image, bundle, device="cpu", tiles=TileSpec(precision="float32")))
    region = (slice(37, 71), slice(80, None))
    part = drain(predict(image, bundle, device="cpu", region=region, tiles=TileSpec(precision="float32")))
    assert part.recipe["origin"] == [37, 80]
    assert np.mean(part.labels == whole.labels[region]) > 0.999


def test_one_plane_of_a_stack_with_a_3d_model():
    image, bundle = noise((16, 30, 32), "ZYX"), bundle_of(3, Task.SEMANTIC)
    whole = drain(predict(image, bundle, device="cpu"))
    plane = drain(predict(image, bundle, device="cpu", region=(slice(5, 6), slice(None), slice(None))))
    assert plane.labels.shape == (1, 30, 32)
    assert np.mean(plane.labels[0] == whole.labels[5]) > 0.99


def test_small_tiles_give_the_same_objects_as_one():
    image, bundle = noise((90, 100), "YX"), bundle_of()
    one = drain(predict(image, bundle, device="cpu", tiles=TileSpec(precision="float32")))
    many = drain(predict(image, bundle, device="cpu", tiles=TileSpec(size=(48, 48), precision="float32")))
    assert many.recipe["tiles"]["count"] > 4
    assert many.recipe["tiles"]["exact"]
    assert np.mean(one.labels == many.labels) > 0.999


def test_tiles_smaller_than_the_reach_are_run_with_a_smaller_halo_and_say_so():
    events = []
    image = noise((90, 100), "YX")
    found = drain(predict(image, bundle_of(), device="cpu", tiles=TileSpec(size=(12, 12))), events.append)
    assert not found.recipe["tiles"]["exact"]
    assert any("faint differences" in e.text for e in events if isinstance(e, Note))


# ---------------------------------------------------------------- odd images


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_is_no_trouble(task, value):
    found = drain(predict(Image(np.full((20, 20), value, np.uint16), "YX"), bundle_of(2, task), device="cpu"))
    assert found.labels.shape == (20, 20)


def test_nan_and_infinity_do_not_spread():
    array = np.random.default_rng(0).normal(0, 1, (60, 60)).astype(np.float32)
    broken = array.copy()
    broken[5, 5], broken[6, 7], broken[3, 3] = np.nan, np.inf, -np.inf
    bundle = bundle_of(2, Task.SEMANTIC)
    a, b = (drain(predict(Image(v, "YX"), bundle, device="cpu")) for v in (array, broken))
    assert np.isfinite(b.objects.score).all()
    assert np.mean(a.labels[30:] == b.labels[30:]) > 0.98


def test_nothing_but_nan_is_an_error():
    with pytest.raises(InputError, match="without any number"):
        drain(predict(Image(np.full((20, 20), np.nan), "YX"), bundle_of(), device="cpu"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (2, 3)])
def test_tiny_images(shape):
    assert drain(predict(noise(shape, "YX"), bundle_of(), device="cpu")).labels.shape == shape


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("image", "bundle", "more", "words"),
    [
        (noise((20, 20), "YX"), bundle_of(3), {}, "3D stacks"),
        (noise((20, 20, 3), "YXC"), bundle_of(2), {}, "such as 'grey'"),
        (noise((20, 20), "YX"), bundle_of(2, channels=3), {}, "Choose a model that reads 1 channel"),
        (noise((20, 20), "YX"), bundle_of(2), {"region": (slice(0, 4),)}, "does not fit"),
        (noise((20, 20), "YX"), bundle_of(2), {"region": (slice(4, 4), slice(0, 9))}, "empty"),
        (noise((20, 20), "YX"), bundle_of(2), {"region": (slice(0, 9, 2), slice(0, 9))}, "skips planes"),
        (noise((20, 20), "YX"), bundle_of(2), {"device": "cuda:77"}, "no device 'cuda:77'"),
        (noise((20, 20), "YX"), bundle_of(2), {"device": "abacus"}, "no device 'abacus'"),
        (noise((20, 20), "YX"), bundle_of(2), {"tiles": TileSpec(precision="int3")}, "precision"),
        (noise((20, 20), "YX"), bundle_of(2), {"tiles": TileSpec(size=(64, 64, 64))}, "tile size"),
        (noise((20, 20), "YX"), bundle_of(2), {"tiles": TileSpec(halo=(1, 2, 3))}, "tile halo"),
        (
            noise((99, 99), "YX"),
            bundle_of(2),
            {"tiles": TileSpec(size=(16, 16), halo=(9, 9))},
            "smaller than the surroundings",
        ),
        (noise((20, 20), "YX"), bundle_of(2), {"output": "/nowhere/at/all.zarr"}, "folder of the output"),
    ],
)
def test_what_does_not_go_together_is_said(image, bundle, more, words):
    with pytest.raises(InputError, match=words):
        drain(predict(image, bundle, **{"device": "cpu", **more}))


def test_an_output_that_exists_is_not_overwritten(tmp_path):
    (tmp_path / "there.zarr").mkdir()
    with pytest.raises(InputError, match="already exists"):
        drain(predict(noise((20, 20), "YX"), bundle_of(), output=tmp_path / "there.zarr"))


def test_a_result_larger_than_memory_asks_for_an_output(monkeypatch):
    monkeypatch.setattr("napari_segplugin.engine.stores.free_host_memory", lambda: 100, raising=False)
    monkeypatch.setattr(sys.modules["napari_segplugin.engine.predict.work.prediction"], "free_host_memory", lambda: 100)
    with pytest.raises(InputError, match="straight into a file"):
        drain(predict(noise((20, 20), "YX"), bundle_of(), device="cpu"))


def test_weights_that_do_not_fit_are_named():
    bundle = bundle_of()
    weights = dict(bundle.weights)
    name = next(iter(weights))
    weights["left.over"] = weights.pop(name)
    broken = type(bundle)(bundle.name, bundle.spec, weights)
    with pytest.raises(InputError, match=r"1 missing .*1 left over"):
        load(broken)
    weights = {k: (np.full_like(v, np.nan) if k == name else v) for k, v in bundle.weights.items()}
    with pytest.raises(InputError, match="values that are not numbers"):
        load(type(bundle)(bundle.name, bundle.spec, weights))
    weights[name] = np.zeros((1, 2, 3), np.float32)
    with pytest.raises(InputError, match=r"of shape \(1, 2, 3\)"):
        load(type(bundle)(bundle.name, bundle.spec, weights))


# ---------------------------------------------------------------- larger than memory


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize(
    ("ndim", "axes", "shape"), [(2, "YX", (130, 90)), (3, "ZYX", (24, 40, 36)), (2, "TZYX", (2, 3, 40, 36))]
)
def test_streaming_to_disk_gives_the_same(task, ndim, axes, shape, tmp_path, monkeypatch):
    image, bundle = noise(shape, axes), bundle_of(ndim, task)
    tiles = TileSpec(precision="float32")
    memory = drain(predict(image, bundle, device="cpu", tiles=tiles))
    monkeypatch.setattr(
        sys.modules["napari_segplugin.engine.predict.work.prediction"], "free_host_memory", lambda: 6_000_000
    )
    disk = drain(predict(image, bundle, device="cpu", tiles=tiles, output=tmp_path / "out.zarr"))
    stored = zarr.open(str(tmp_path / "out.zarr"), mode="r")
    assert isinstance(disk.labels, zarr.Array)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.zarr"], "scratch files are left"
    assert stored.attrs["segplugin"]["model"]["name"] == "small"
    labels = np.asarray(stored[:])
    # maps are kept in half precision on disk, so a voxel at a threshold may fall on the other side
    assert np.mean((labels > 0) == (memory.labels > 0)) > 0.995
    assert set(np.unique(labels)) - {0} == set(disk.objects.label)
    assert abs(len(disk.objects) - len(memory.objects)) <= 0.02 * len(memory.objects)
    if task is not Task.INSTANCE:
        stuff = {int(c): float(s) for c, s in zip(memory.objects.class_id, memory.objects.score, strict=True)}
        for c, s in zip(disk.objects.class_id.tolist(), disk.objects.score.tolist(), strict=True):
            assert c == 1 or s == pytest.approx(stuff[c], abs=0.01)


def test_an_image_on_disk_is_read_piece_by_piece(tmp_path):
    array = zarr.create_array(str(tmp_path / "in.zarr"), shape=(60, 70), chunks=(16, 16), dtype="u1")
    array[:] = np.random.default_rng(0).integers(0, 200, (60, 70)).astype("u1")
    a = drain(predict(Image(array, "YX"), bundle_of(2, Task.SEMANTIC), device="cpu"))
    b = drain(predict(Image(array[:], "YX"), bundle_of(2, Task.SEMANTIC), device="cpu"))
    assert np.array_equal(a.labels, b.labels)


@pytest.mark.parametrize("task", [Task.SEMANTIC, Task.INSTANCE])
def test_cancel_leaves_nothing_behind(task, tmp_path):
    job = predict(
        noise((200, 200), "YX"),
        bundle_of(2, task),
        device="cpu",
        tiles=TileSpec(size=(64, 64)),
        output=tmp_path / "out.zarr",
    )
    for event in job:
        if isinstance(event, Step) and event.done == 2:
            break
    assert list(tmp_path.iterdir())
    job.close()
    assert not list(tmp_path.iterdir())


_BOUNDED = """
import sys
import numpy as np, zarr
limit, task, side, folder = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
import napari_segplugin.engine.predict.predict, napari_segplugin.engine.predict.plan
from napari_segplugin.core import *
from napari_segplugin.engine.train.train import new_bundle
from napari_segplugin.engine.predict.predict import predict
for name in ("predict", "plan"):
    module = sys.modules["napari_segplugin.engine.predict." + name]
    for word in ("free_memory", "free_host_memory"):
        if hasattr(module, word):
            setattr(module, word, lambda *_: limit)
kind = ClassTable.named(["cell"])
bundle = new_bundle(ModelSpec("unet", 3, 1, Task(task), kind, options={"widths": (2, 4)}), name="small", seed=1)
def volume(side, name):
    array = zarr.create_array(f"{folder}/{name}", shape=(side,) * 3, chunks=(32, 64, 64), dtype="f4")
    rng = np.random.default_rng(0)
    block = rng.normal(0, 1, (32, side, side)).astype("f4")
    for z in range(0, side, 32):
        array[z : z + 32] = block[: min(32, side - z)]
    return Image(array, "ZYX")
def peak():
    # not getrusage: its peak of a child process starts at that of the parent
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
def run(image, name):
    return drain(predict(image, bundle, device="cpu", output=f"{folder}/{name}"))
import torch
torch.set_num_threads(2)
small = volume(48, "small.zarr")
run(small, "small_out.zarr")
large = volume(side, "large.zarr")
before = peak()
found = run(large, "large_out.zarr")
after = peak()
print((after - before) * 1024, large.array.nbytes, found.recipe["tiles"]["count"], len(found.objects))
"""


def bounded(limit, task, side, folder):
    if not sys.platform.startswith("linux"):
        pytest.skip("the peak of memory is read from /proc")
    done = subprocess.run(
        [sys.executable, "-c", _BOUNDED, str(limit), task, str(side), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown, volume, tiles, _ = (int(n) for n in done.stdout.split())
    return grown, volume, tiles


class Watched:
    """An array that remembers the largest piece that was read of it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.largest = array, array.shape, array.dtype, 0

    def __getitem__(self, index):
        part = self.array[index]
        self.largest = max(self.largest, part.size)
        return part


@pytest.mark.parametrize("task", [Task.SEMANTIC, Task.INSTANCE])
def test_no_piece_is_larger_than_memory_allows(task, tmp_path, monkeypatch):
    limit = 16_000_000
    monkeypatch.setattr(sys.modules["napari_segplugin.engine.predict.plan"], "free_memory", lambda _: limit)
    monkeypatch.setattr("napari_segplugin.data.normalise._ENOUGH", 10_000)
    array = Watched(np.random.default_rng(0).integers(0, 200, (60, 90, 90)).astype(np.uint8))
    calls, real = [], ReadyNetwork.__call__
    monkeypatch.setattr(ReadyNetwork, "__call__", lambda n, a, **k: (calls.append(a.size), real(n, a, **k))[1])
    drain(predict(Image(array, "ZYX"), bundle_of(3, task), device="cpu", output=tmp_path / "out.zarr"))
    assert len(calls) > 8
    assert array.largest == max(calls) < array.array.size / 8


@pytest.mark.slow
def test_a_volume_of_four_times_the_memory(tmp_path):
    limit = 64 * 2**20
    grown, volume, tiles = bounded(limit, "semantic", 410, tmp_path)
    assert tiles > 20
    assert volume > 4 * limit
    assert 0 < grown < limit


@pytest.mark.slow
def test_finding_objects_in_eight_times_the_volume_needs_not_twice_the_memory(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    limit = 64 * 2**20
    small, volume, _ = bounded(limit, "instance", 100, tmp_path / "a")
    large, eightfold, _ = bounded(limit, "instance", 200, tmp_path / "b")
    assert eightfold == 8 * volume
    assert 0 < large < limit
    assert large < 2 * small


# ---------------------------------------------------------------- retreat


class Scarce:
    """Lets a network run only up to a number of voxels at once, as if memory ended there."""

    def __init__(self, monkeypatch, most, message="DefaultCPUAllocator: can't allocate memory"):
        self.sizes, real = [], ReadyNetwork.__call__

        def call(network, array, *, mirror=False):
            self.sizes.append(array.size)
            if array.size > most:
                raise RuntimeError(message) if isinstance(message, str) else message
            return real(network, array, mirror=mirror)

        monkeypatch.setattr(ReadyNetwork, "__call__", call)


def test_when_memory_runs_out_smaller_tiles_give_the_same_result(monkeypatch):
    image, bundle = noise((150, 150), "YX"), bundle_of(2, Task.SEMANTIC)
    tiles = TileSpec(precision="float32")
    wanted = drain(predict(image, bundle, device="cpu", tiles=tiles))
    scarce, events = Scarce(monkeypatch, 6000), []
    found = drain(predict(image, bundle, device="cpu", tiles=tiles), events.append)
    assert max(s for s in scarce.sizes if s <= 6000)
    assert any("smaller tiles" in e.text for e in events if isinstance(e, Note))
    assert np.mean(found.labels == wanted.labels) > 0.999
    last = [e for e in events if isinstance(e, Step)][-1]
    assert last.done == last.total > 4


def test_finished_tiles_are_kept_when_memory_runs_out(monkeypatch):
    image, bundle = noise((200, 60), "YX"), bundle_of(2, Task.SEMANTIC)
    calls, real = [], ReadyNetwork.__call__

    def call(network, array, *, mirror=False):
        calls.append(array.shape)
        if len(calls) == 3:
            raise MemoryError
        return real(network, array, mirror=mirror)

    monkeypatch.setattr(ReadyNetwork, "__call__", call)
    events = []
    drain(predict(image, bundle, device="cpu", tiles=TileSpec(size=(64, 64))), events.append)
    steps = [e.done for e in events if isinstance(e, Step)]
    assert steps == sorted(steps)


def test_no_memory_for_the_smallest_tile_is_an_error(monkeypatch):
    Scarce(monkeypatch, 10)
    with pytest.raises(OutOfMemoryError, match="smallest tile"):
        drain(predict(noise((60, 60), "YX"), bundle_of(), device="cpu"))


def test_other_errors_are_not_taken_for_lack_of_memory(monkeypatch):
    Scarce(monkeypatch, 10, "shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="multiplied"):
        drain(predict(noise((60, 60), "YX"), bundle_of(), device="cpu"))


NO_MEMORY = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    RuntimeError("could not create a primitive"),
    RuntimeError("could not create a memory object"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("bad allocation"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB."),
    np._core._exceptions._ArrayMemoryError((9, 9), np.dtype("f4")),
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]  # fmt: skip


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda e: (str(e) or "MemoryError")[-30:])
def test_every_way_to_say_no_memory_leads_to_smaller_tiles_and_at_last_to_a_sentence(monkeypatch, error):
    image, bundle = noise((70, 70), "YX"), bundle_of(2, Task.SEMANTIC)
    Scarce(monkeypatch, 3000, error)
    events = []
    drain(predict(image, bundle, device="cpu", tiles=TileSpec(precision="float32")), events.append)
    assert any("smaller tiles" in e.text for e in events if isinstance(e, Note))
    small = noise((16, 16), "YX")
    Scarce(monkeypatch, 10, error)
    with pytest.raises(OutOfMemoryError, match="not enough memory even for the smallest tile"):
        drain(predict(small, bundle, device="cpu"))


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda e: (str(e) or "MemoryError")[-30:])
def test_every_way_to_say_no_memory_leads_to_smaller_batches_and_from_a_card_to_the_processor(error):
    """The retreat itself, on a device that is none: the "meta" device stands for a card."""
    tried = []

    class Fake(TileRun):
        def maps(self, arrays):
            tried.append((self.network.device.type, len(arrays)))
            if self.network.device.type != "cpu":
                raise error
            return [a.shape for a in arrays]

        def kept(self, tile, maps):
            return maps

    def network(device, dtype):
        return SimpleNamespace(device=device, dtype=dtype)

    tile = Tile((slice(0, 8),) * 2, (slice(0, 8),) * 2, (slice(0, 8),) * 2)
    run = Fake(network(torch.device("meta"), torch.float32), network, batch=2)
    events, written = [], []
    job = run_tiles(
        run, [tile] * 2, [Axis(8, 0, 16, 0, 8)] * 2, lambda _: np.zeros((1, 8, 8)), lambda _, made: written.append(made)
    )
    assert drain(job, events.append) == 2
    assert tried == [("meta", 2), ("meta", 1), ("cpu", 1), ("cpu", 1)]
    assert len(written) == 2
    told = [e.text for e in events if isinstance(e, Note)]
    assert ["1 tile at a time" in told[0], "continues on the CPU" in told[1]] == [True, True]


@pytest.mark.parametrize(
    ("error", "yes"),
    [
        *((error, True) for error in NO_MEMORY),
        (
            RuntimeError("could not create a primitive descriptor for a convolution forward propagation primitive"),
            False,
        ),
        (OSError(errno.ENOENT, "No such file"), False),
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_told_from_other_errors(error, yes):
    assert is_out_of_memory(error) is yes


# ---------------------------------------------------------------- devices, estimate, recipe


def test_devices():
    names = [n for n, _ in available_devices()]
    assert names[-1] == "cpu"
    assert str(resolve("auto")) == names[0]
    assert resolve("cpu") == torch.device("cpu")
    assert autocast_dtype(torch.device("cpu")) in (None, torch.bfloat16)
    assert inference_dtype(torch.device("cpu"), "float32") is torch.float32


def test_a_graphics_card_without_its_torch_is_explained(monkeypatch):
    monkeypatch.setattr(device_module.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device_module.torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match="installed with CUDA"):
        resolve("cuda")


def test_threads_come_back():
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    assert polite_threads() == 0, "a script may use every core"


def test_the_estimate_says_tiles_memory_time_and_device():
    image, bundle = noise((2, 100, 100), "TYX"), bundle_of()
    found = estimate(image, bundle, device="cpu", tiles=TileSpec(size=(64, 64)))
    done = drain(predict(image, bundle, device="cpu", tiles=TileSpec(size=(64, 64))))
    assert found.tiles == 2 * done.recipe["tiles"]["count"]
    assert 0 < found.seconds < 60
    assert found.memory_bytes > 100 * 100 * 4
    assert found.text.startswith(f"{found.tiles} tiles · about ")
    assert "CPU" in found.text
    twice = estimate(image, bundle, device="cpu", tiles=TileSpec(size=(64, 64), mirror=True))
    assert twice.seconds > found.seconds


def test_the_recipe_says_how_it_was_made():
    image = noise((30, 30), "YX", spacing=(0.5, 0.5), unit="um", name="slide", source="slide.tif")
    recipe = drain(predict(image, bundle_of(), device="cpu", tiles=TileSpec(mirror=True))).recipe
    assert recipe["input"]["name"] == "slide"
    assert recipe["input"]["spacing"] == [0.5, 0.5]
    assert recipe["input"]["intensities"][0]["high"][0] > recipe["input"]["intensities"][0]["low"][0]
    assert recipe["tiles"]["mirror"]
    assert len(recipe["model"]["weights_sha256"]) == 64
    assert recipe["versions"]["torch"]
    assert recipe["what"] == "prediction"


def test_stages_come_in_order():
    events = []
    drain(predict(noise((30, 30), "YX"), bundle_of(), device="cpu"), events.append)
    assert [e.text for e in events if isinstance(e, Stage)] == [
        "Preparing the model",
        "Measuring intensities",
        "Predicting",
        "Finding objects",
    ]


def test_importing_the_engine_imports_no_torch():
    code = "import sys, napari_segplugin.engine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.gpu
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_graphics_card_agrees_with_the_cpu(ndim):
    image = noise((90, 100) if ndim == 2 else (30, 40, 50), "ZYX"[-ndim:])
    bundle = bundle_of(ndim, Task.SEMANTIC)
    a, b = (drain(predict(image, bundle, device=d, tiles=TileSpec(precision="float32"))) for d in ("cpu", "cuda"))
    assert np.mean(a.labels == b.labels) > 0.999


@pytest.fixture
def in_memory(monkeypatch):
    """A head of another package that says nothing of blocks; it writes objects as our own does."""
    row = HeadRow("whole", "Whole", "napari_segplugin.tasks.instance:InstanceCodec", package="more-heads")
    monkeypatch.setitem(HEADS._rows, "whole", row)
    return row


def with_head(bundle, head):
    return replace(bundle, spec=replace(bundle.spec, head=head))


@pytest.mark.parametrize("planes", [False, True])
def test_a_head_without_a_block_decoder_is_read_in_memory_also_into_a_file(tmp_path, in_memory, planes):
    image, bundle = noise((3, 40, 44), "ZYX") if planes else noise((40, 44), "YX"), bundle_of()
    expected = drain(predict(image, bundle, device="cpu"))
    found = drain(predict(image, with_head(bundle, "whole"), device="cpu", output=tmp_path / "a.zarr"))
    assert len(found.objects) == len(expected.objects) > 1
    assert np.array_equal(found.labels[:], expected.labels)


def test_a_head_without_a_block_decoder_refuses_what_does_not_fit_before_anything_is_computed(in_memory, monkeypatch):
    monkeypatch.setattr(
        sys.modules["napari_segplugin.engine.predict.work.prediction"], "free_host_memory", lambda: 1_000
    )
    with pytest.raises(InputError, match=r"'Whole' finds objects only in memory.*Got 3 arrays of shape \(40, 44\)"):
        drain(predict(noise((40, 44), "YX"), with_head(bundle_of(), "whole"), device="cpu"))


def test_a_head_may_bring_a_block_decoder_which_has_to_be_one(in_memory, monkeypatch):
    ours = replace(in_memory, blocks="napari_segplugin.engine.predict.stitch:DistanceBlocks")
    monkeypatch.setitem(HEADS._rows, "whole", ours)
    spec = with_head(bundle_of(), "whole").spec
    assert blocks_of(spec).__name__ == "DistanceBlocks"
    monkeypatch.setitem(HEADS._rows, "whole", replace(ours, blocks="math:pi"))
    with pytest.raises(InputError, match=r"'Whole' cannot be found block by block. Got math:pi. Accepted: a subclass"):
        blocks_of(spec)


def test_a_head_whose_maps_do_not_turn_is_not_mirrored(in_memory, monkeypatch):
    monkeypatch.setitem(HEADS._rows, "whole", replace(in_memory, turns=False))
    with pytest.raises(InputError, match="changes its meaning when the image is mirrored"):
        drain(
            predict(noise((40, 44), "YX"), with_head(bundle_of(), "whole"), tiles=TileSpec(mirror=True), device="cpu")
        )


def test_a_bundle_says_which_packages_its_network_and_head_come_from(in_memory, monkeypatch):
    row = replace(NETWORKS["unet"], name="theirs", package="more-networks")
    monkeypatch.setitem(NETWORKS._rows, "theirs", row)
    spec = replace(bundle_of().spec, network="theirs", head="whole")
    assert new_bundle(spec, name="x").spec.packages == ("more-heads", "more-networks")
    assert new_bundle(replace(spec, network="unet", head=""), name="x").spec.packages == ()


@pytest.mark.parametrize("shape", [(10**7, 10**7), (10**5, 10**5, 10**4)])
def test_more_than_a_computer_gets_through_is_refused_at_once(tmp_path, shape):
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=shape, chunks=(64,) * len(shape), dtype="u1")
    spec = ModelSpec("unet", 2, 1, Task.SEMANTIC, ClassTable.named(["a"]), {"widths": (4, 8)})
    bundle = new_bundle(spec, name="x")
    with pytest.raises(InputError, match=r"more than can be segmented in one go.*Choose a part of the image"):
        drain(predict(Image(array, "ZYX"[-len(shape) :]), bundle))


def test_grey_that_was_stored_in_colours_is_read_by_a_model_of_colours(tmp_path) -> None:
    from PIL import Image as pillow

    from napari_segplugin.io import read_image

    grey = np.random.default_rng(0).integers(0, 255, (40, 48)).astype(np.uint8)
    pillow.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "a.png")
    image, bundle = read_image(tmp_path / "a.png"), bundle_of(channels=3)
    assert image.axes == "YX"
    right = drain(predict(Image(np.stack([grey] * 3, axis=-1), "YXC"), bundle, device="cpu"))
    found = drain(predict(image, bundle, device="cpu"))
    np.testing.assert_array_equal(found.labels, right.labels)
    estimate(image, bundle, device="cpu")
    with pytest.raises(InputError, match="3 channels and the image"):
        drain(predict(Image(grey, "YX"), bundle, device="cpu"))
