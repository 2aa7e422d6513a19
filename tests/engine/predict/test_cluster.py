"""A cluster gives what one computer gives; what workers say, lose or cannot do reaches the person as a sentence."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
import tifffile

torch = pytest.importorskip("torch")
distributed = pytest.importorskip("distributed")

from napari_segplugin.cli.commands import predict_there  # noqa: E402
from napari_segplugin.cli.parser import make_parser  # noqa: E402
from napari_segplugin.core import (  # noqa: E402
    ClassTable,
    Image,
    InputError,
    Kind,
    MissingExtraError,
    ModelSpec,
    Note,
    OutOfMemoryError,
    Step,
    Task,
    TileSpec,
    drain,
)
from napari_segplugin.engine.predict import cluster as module  # noqa: E402
from napari_segplugin.engine.predict.cluster import Cluster, connect  # noqa: E402
from napari_segplugin.engine.predict.plan import set_up  # noqa: E402
from napari_segplugin.engine.predict.predict import predict  # noqa: E402
from napari_segplugin.engine.predict.tiles import Run  # noqa: E402
from napari_segplugin.engine.predict.to_file import predict_to_file  # noqa: E402
from napari_segplugin.engine.train.train import new_bundle  # noqa: E402
from napari_segplugin.io import load_bundle, load_sample, read_segmentation, shipped_bundles  # noqa: E402

THINGS = ClassTable.named(["cell"])
BOTH = ClassTable((*THINGS, ClassTable.named(["a", "tissue"], Kind.STUFF)[2]))


@pytest.fixture(scope="module")
def two():
    """Two processes on this computer."""
    with connect("local:2") as cluster:
        yield cluster


@pytest.fixture
def inside():
    """One worker in this process, where it can be tampered with."""
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield Cluster(client)


def small(ndim=2, task=Task.INSTANCE, network="unet"):
    classes = {
        Task.SEMANTIC: ClassTable.named(["tissue"], Kind.STUFF),
        Task.INSTANCE: THINGS,
        Task.PANOPTIC: BOTH,
    }[task]
    options = {} if network != "unet" else {"widths": (4, 8)}
    return new_bundle(ModelSpec(network, ndim, 1, task, classes, options), name="small", seed=3)


def picture(shape, axes, seed=0):
    from scipy import ndimage as ndi

    noise = np.random.default_rng(seed).random(shape)
    return Image(
        ndi.gaussian_filter(noise, [0 if a == "T" else 2 for a in axes]).astype(np.float32), axes, name="noise"
    )


def same(one, other):
    np.testing.assert_array_equal(np.asarray(one.labels), np.asarray(other.labels))
    np.testing.assert_array_equal(one.objects.label, other.objects.label)
    np.testing.assert_array_equal(one.objects.score, other.objects.score)


@pytest.mark.parametrize("task", list(Task))
@pytest.mark.parametrize(
    ("shape", "axes", "ndim", "size"),
    [((90, 110), "YX", 2, (48, 48)), ((20, 40, 44), "ZYX", 3, (16, 32, 32)), ((3, 60, 50), "ZYX", 2, (1, 40, 40))],
)
def test_workers_give_what_this_computer_gives(two, task, shape, axes, ndim, size):
    image, bundle = picture(shape, axes), small(ndim, task)
    tiles = TileSpec(size=size, halo=(0, 8, 8)[-len(size) :] if ndim == 2 else (4, 8, 8))
    same(drain(predict(image, bundle, tiles=tiles)), drain(predict(image, bundle, tiles=tiles, cluster=two)))


def test_tiles_that_see_less_than_the_network_are_the_same_on_a_cluster():
    """More and smaller ones, for more workers, would give another result."""
    wide = new_bundle(ModelSpec("unet", 3, 1, Task.INSTANCE, THINGS, {"widths": (2, 2, 2, 2, 2)}), name="wide")
    image = picture((70, 150, 150), "ZYX")
    narrow = [set_up(image, wide, TileSpec(halo=(4, 4, 4)), "cpu", None, parts) for parts in (1, 24)]
    assert narrow[0].tiles == narrow[1].tiles
    many = [set_up(picture((2000, 2000), "YX"), small(), TileSpec(), "cpu", None, parts) for parts in (1, 24)]
    assert many[0].exact
    assert many[1].exact
    assert len(many[1].tiles) > len(many[0].tiles)


def test_a_time_series_and_a_network_of_boxes(two):
    film = picture((2, 70, 60), "TYX")
    same(drain(predict(film, small())), drain(predict(film, small(), cluster=two)))
    image, boxes = picture((96, 96), "YX"), small(network="mask_rcnn")
    tiles = TileSpec(size=(64, 64))
    same(drain(predict(image, boxes, tiles=tiles)), drain(predict(image, boxes, tiles=tiles, cluster=two)))


def test_nuclei_in_a_file_with_progress_and_a_recipe_that_says_where(two, tmp_path):
    bundle, sample = load_bundle(shipped_bundles()["nuclei2d"]), load_sample("nuclei2d").image
    image = Image(np.tile(sample.read()[0], (3, 3)), "YX", name="nuclei")
    events = []
    found, files = drain(predict_to_file(image, bundle, tmp_path / "far.tif", cluster=two), events.append)
    here, _ = drain(predict_to_file(image, bundle, tmp_path / "here.tif"))
    same(found, here)
    assert len(found.objects) > 100
    assert read_segmentation(files[0]).recipe["device"].startswith("2 workers of a cluster: CPU")
    totals = {e.total for e in events if isinstance(e, Step)}
    assert max(t for t in totals if t != 100) >= 6  # three tiles a worker


def test_a_worker_that_is_lost_costs_its_tiles_only(two):
    image, bundle = picture((160, 160), "YX"), small()
    tiles = TileSpec(size=(32, 32), halo=(8, 8))
    job, killed = predict(image, bundle, tiles=tiles, cluster=two), False
    while True:
        try:
            event = next(job)
        except StopIteration as stop:
            found = stop.value
            break
        if isinstance(event, Step) and event.done == 3 and not killed:
            killed = True
            os.kill(next(iter(two.client.run(os.getpid).values())), signal.SIGKILL)
    assert killed
    same(drain(predict(image, bundle, tiles=tiles)), found)


def test_a_film_sends_its_model_once(inside, monkeypatch):
    sent, submit = [], type(inside.client).submit
    monkeypatch.setattr(
        type(inside.client), "submit", lambda self, f, *a, **k: (sent.append(f.__name__), submit(self, f, *a, **k))[1]
    )
    drain(predict(picture((3, 40, 40), "TYX"), small(), cluster=inside))
    assert sent == ["_same", "_run_tile", "_run_tile", "_run_tile"]


def test_cancel_leaves_nothing_on_the_workers(two):
    job = predict(picture((200, 200), "YX"), small(), tiles=TileSpec(size=(32, 32), halo=(8, 8)), cluster=two)
    next(e for e in job if isinstance(e, Step) and e.done == 1)
    job.close()
    end = time.monotonic() + 10
    while any(two.client.processing().values()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(two.client.processing().values())


def test_files_are_one_task_each_and_come_back_in_order(two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, shape in enumerate([(60, 40), (30, 30), (50, 70)]):
        tifffile.imwrite(f"{i}.tif", picture(shape, "YX", i).array, metadata={"axes": "YX"})
    pairs = [(f"{i}.tif", f"{i}_labels.tif") for i in range(3)]
    options = make_parser().parse_args(["predict", "0.tif", "--model", "small", "--tile", "48", "--halo", "8"])
    rows = drain(two.each(predict_there, small(), [(options, os.getcwd(), *pair) for pair in pairs]))
    for i, row in enumerate(rows):
        here = drain(predict(picture([(60, 40), (30, 30), (50, 70)][i], "YX", i), small()))
        assert row["objects"] == len(here.objects)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / f"{i}_labels.tif"), here.labels)


def test_what_a_worker_says_is_the_sentence_that_a_person_reads(two, tmp_path):
    options = make_parser().parse_args(["predict", "nowhere.tif", "--model", "small"])
    with pytest.raises(InputError, match=r"nowhere\.tif"):
        drain(two.each(predict_there, small(), [(options, str(tmp_path), "nowhere.tif", "x.tif")]))
    with pytest.raises(InputError, match="no device 'cuda:77'"):
        drain(predict(picture((40, 40), "YX"), small(), device="cuda:77", cluster=two))


def test_a_worker_short_of_memory_takes_smaller_pieces_and_says_so(inside, monkeypatch):
    image, bundle, whole = picture((96, 96), "YX"), small(), Run.maps
    before = drain(predict(image, bundle))

    def short(self, arrays):
        if arrays[0].shape[-1] > 64:
            raise MemoryError
        return whole(self, arrays)

    monkeypatch.setattr(Run, "maps", short)
    events = []
    found = drain(predict(image, bundle, tiles=TileSpec(size=(96, 96), halo=(8, 8)), cluster=inside), events.append)
    assert any("smaller tiles" in e.text for e in events if isinstance(e, Note))
    assert found.labels.shape == before.labels.shape
    assert (found.labels > 0).mean() == pytest.approx((before.labels > 0).mean(), abs=0.02)


def test_a_piece_that_kills_every_worker_is_said_to_be_too_large():
    class Lost:
        def result(self):
            raise distributed.scheduler.KilledWorker("tile", None, 4)

    with pytest.raises(OutOfMemoryError, match="smaller tiles"):
        module._result(Lost())


def test_no_workers_and_workers_of_another_version_are_refused(inside, monkeypatch):
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as local,
        distributed.Client(local, set_as_default=False) as client,
        pytest.raises(InputError, match="no workers"),
    ):
        drain(predict(picture((40, 40), "YX"), small(), cluster=Cluster(client)))
    monkeypatch.setattr(module, "_version", lambda: "0.0.1")
    with pytest.raises(InputError, match=r"another version.*0\.0\.1"):
        drain(predict(picture((40, 40), "YX"), small(), cluster=inside))

    def missing():
        raise ModuleNotFoundError("No module named 'napari_segplugin'")

    monkeypatch.setattr(module, "_version", missing)
    with pytest.raises(InputError, match="cannot import"):
        drain(predict(picture((40, 40), "YX"), small(), cluster=inside))


STRANGER = """
import os, sys
from distributed import Client, Security
if sys.argv[2] == "nobody":
    os.setgid(65534)
    os.setuid(65534)
own = Security.temporary() if sys.argv[3] == "own key" else Security(require_encryption=False)
address = sys.argv[1] if sys.argv[3] == "own key" else sys.argv[1].replace("tls://", "tcp://")
try:
    client = Client(address, timeout=3, set_as_default=False, security=own)
    print("ran as", client.run_on_scheduler(os.getuid))
except (OSError, TimeoutError) as error:
    print("turned away:", type(error).__name__)
"""


@pytest.mark.parametrize("key", ["own key", "no key"])
def test_another_user_of_this_computer_is_turned_away(two, key):
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    place = [two.client.scheduler.address, "nobody" if root else "same user", key]
    for address in (place[0], *two.client.scheduler_info()["workers"]):
        told = subprocess.run(
            [sys.executable, "-c", STRANGER, address, *place[1:]],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.stdout.startswith("turned away"), told.stdout + told.stderr
    assert two.slots == 2, "those who belong to it go on"


def test_a_local_cluster_listens_on_the_loopback_address_alone(two):
    psutil = pytest.importorskip("psutil")
    pids = [os.getpid(), *two.client.run(os.getpid).values()]
    addresses = [two.client.scheduler.address, *two.client.scheduler_info()["workers"]]
    assert all(a.startswith("tls://127.0.0.1:") for a in addresses)
    ports = {int(a.rsplit(":", 1)[1]) for a in addresses}
    heard = [c.laddr for pid in pids for c in psutil.Process(pid).net_connections("inet") if c.status == "LISTEN"]
    assert ports <= {place.port for place in heard}
    assert {place.ip for place in heard} <= {"127.0.0.1", "::1"}
    assert 8787 not in {place.port for place in heard}
    for port in {place.port for place in heard} - ports:  # what dask opens for pages shows none
        for page in ("status", "info/main/workers.html", "json/identity.json", "metrics"):
            with contextlib.suppress(OSError):  # an address that talks no HTTP, or shows no such page
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5).close()
                raise AssertionError(f"{page} is served on port {port}")


def test_the_package_that_makes_the_key_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtraError, match=r"'cryptography'.*napari-segplugin\[cluster\]"), connect("local:1"):
        pass


def test_lazy_arrays_of_others_are_computed_as_before(two):
    import dask
    import dask.array

    assert dask.config.get("scheduler", None) is None
    drain(predict(picture((40, 40), "YX"), small(), cluster=two))
    assert int(dask.array.ones(5).sum().compute()) == 5
    assert dask.config.get("scheduler", None) is None
    assert dask.config.get("distributed.admin.large-graph-warning-threshold") == "10 GB"  # while it is open only


def test_lost_workers_are_noticed(inside, monkeypatch):
    monkeypatch.setattr(module, "_LONELY", 0.0)
    monkeypatch.setattr(Cluster, "slots", property(lambda self: 0))
    spread = inside._spread(lambda _: None, [1], lambda *_: ())
    texts = [next(n for n in spread if isinstance(n, Note))]
    assert "no workers left" in texts[0].text


@pytest.mark.parametrize("where", ["local:x", "local:0", "local:-1"])
def test_a_count_that_is_none_is_refused(where):
    with pytest.raises(InputError, match="number of local workers"), connect(where):
        pass


def test_a_place_where_nobody_answers_is_refused(monkeypatch):
    client = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda *args, **kw: client(*args, **{**kw, "timeout": 1}))
    for where in ("tcp://127.0.0.1:1", "nonsense://x"):
        with pytest.raises(InputError, match="No cluster answers"), connect(where):
            pass


class Clock:
    """Time that passes when somebody waits."""

    now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(("busy", "tries"), [(0, 1), (1, 2), (5, 6), (1000, 6)])
def test_a_computer_too_busy_to_connect_is_asked_for_a_minute(monkeypatch, busy, tries):
    """Dask raises a bare AssertionError where its thread does not start within ten seconds; nothing is started here."""
    clock, asked = Clock(), []

    class Client(contextlib.nullcontext):
        def __init__(self, **place):
            super().__init__(self)
            asked.append(place["address"])
            if len(asked) <= busy:
                clock.sleep(10)
                raise AssertionError

        def nthreads(self):
            return {"worker": 3}

    monkeypatch.setattr(distributed, "Client", Client)
    monkeypatch.setattr(module, "time", clock)
    if busy < 1000:
        with connect("tcp://10.0.0.1:8786") as cluster:
            assert cluster.slots == 3
    else:
        with pytest.raises(InputError, match="too busy"), connect("tcp://10.0.0.1:8786"):
            pass
    assert asked == ["tcp://10.0.0.1:8786"] * tries
    assert clock.now <= 70


def test_the_file_of_a_scheduler_is_a_place(inside, tmp_path):
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps({"type": "Scheduler", "id": "s", "address": inside.client.scheduler.address}))
    with connect(str(path)) as cluster:
        assert cluster.slots == 1


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"napari-segplugin\[cluster\]"), connect("local"):
        pass
