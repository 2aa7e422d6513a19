"""Prediction on a dask cluster: this computer reads, writes and finds objects, the workers run the network.

Tiles travel to the workers and their maps come back, so the workers need not see any file. Other work is spread one task an
item, whatever it is (:meth:`Cluster.each`).
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from napari_segplugin.core import (
    InputError,
    Job,
    MissingExtraError,
    ModelBundle,
    Note,
    OutOfMemoryError,
    Step,
    drain,
)
from napari_segplugin.data.tiles import Axis, Tile
from napari_segplugin.engine.device import inference_dtype, resolve, title
from napari_segplugin.engine.network import prepare
from napari_segplugin.engine.predict.boxes import make_run
from napari_segplugin.engine.predict.tiles import Kept, Read, TileRun, Write, run_tiles
from napari_segplugin.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster, Security

Piece = TypeVar("Piece")
Found = TypeVar("Found")

_POLL = 0.2
_LONELY = 20.0
"""Seconds without any worker after which that is said."""
_PATIENCE = 60.0
"""Seconds in which dask's own thread may be started again and again."""


@dataclass(frozen=True)
class Way:
    """How workers run tiles.

    Parameters
    ----------
    device, precision : str
        As for a prediction; each worker looks for its own device.
    mirror, planes : bool
        As in :class:`~napari_segplugin.engine.predict.tiles.Run`.
    """

    device: str = "auto"
    precision: str = "auto"
    mirror: bool = False
    planes: bool = False


@dataclass(eq=False)
class Cluster:
    """Workers that run networks.

    Parameters
    ----------
    client : distributed.Client
    devices : set of str
        Where tiles were run so far.
    """

    client: Client
    devices: set[str] = field(default_factory=set)
    _sent: tuple[ModelBundle, Future] | None = field(default=None, init=False)

    @property
    def slots(self) -> int:
        """Tasks that run at once."""
        return sum(int(n) for n in self.client.nthreads().values())

    def check(self) -> None:
        """See that there are workers, and that they have this package.

        Raises
        ------
        InputError
            If there is none, or one has no or another version.
        """
        if not self.slots:
            raise InputError("The cluster has no workers.", hint="Start some (dask worker ADDRESS), then try again")
        try:
            found = set(self.client.run(_version).values())
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"The workers of the cluster cannot import napari-segplugin ({error}).",
                hint=f"Install version {__version__} where they run",
            ) from error
        if found != {__version__}:
            raise InputError(
                "The workers of the cluster have another version of napari-segplugin.",
                got=", ".join(sorted(found)),
                accepted=__version__,
                hint="Install the same version everywhere",
            )

    def _send(self, bundle: ModelBundle) -> Future:
        """The bundle, on its way to every worker that needs it; the same one again costs nothing.

        It goes as the argument of a task, as tiles do, not scattered: what was scattered is gone with the worker that held
        it, while the scheduler runs the tasks of a lost worker again.
        """
        if self._sent is None or self._sent[0] is not bundle:
            self.check()
            self._sent = bundle, self.client.submit(_same, bundle, pure=False)
        return self._sent[1]

    def run_tiles(
        self, bundle: ModelBundle, way: Way, tiles: Sequence[Tile], axes: Sequence[Axis], read: Read, write: Write[Kept]
    ) -> Job[int]:
        """Run tiles on the workers; the counterpart of :func:`napari_segplugin.engine.predict.tiles.run_tiles`.

        No more tiles are under way than keep the workers busy, so the memory of this computer does not fill with them. A
        worker that runs out of memory takes smaller pieces by itself; the tiles of one that is lost are run by another.

        Raises
        ------
        OutOfMemoryError
            If a tile has brought down one worker after the other.
        """
        model = self._send(bundle)

        def submit(tile: Tile) -> Future:
            return self.client.submit(_run_tile, model, way, tile, tuple(axes), read(tile), pure=False)

        def take(_: Tile, found: tuple[list[tuple[Tile, Kept]], list[str], str]) -> Sequence[str]:
            parts, notes, device = found
            self.devices.add(device)
            for part, maps in parts:
                write(part, maps)
            return notes

        yield from self._spread(submit, tiles, take)
        return len(tiles)

    def each(
        self, function: Callable[..., Found], bundle: ModelBundle, items: Sequence[tuple[object, ...]]
    ) -> Job[list[Found]]:
        """Call a function once an item, each as one task.

        Parameters
        ----------
        function : callable
            Called with the bundle and what an item holds, on a worker.
        bundle : ModelBundle
        items : sequence of tuple

        Returns
        -------
        list
            What the function gave for each item, in their order.

        Raises
        ------
        Exception
            The first that a call raises; those that are done stay done.
        """
        model = self._send(bundle)
        found: dict[int, Found] = {}

        def submit(at: int) -> Future:
            return self.client.submit(function, model, *items[at], pure=False)

        def take(at: int, value: Found) -> Sequence[str]:
            found[at] = value
            return ()

        yield from self._spread(submit, range(len(items)), take)
        return [found[at] for at in range(len(items))]

    def _spread(
        self, submit: Callable[[Piece], Future], work: Sequence[Piece], take: Callable[[Piece, Found], Sequence[str]]
    ) -> Job[None]:
        """Submit pieces of work while there is room, and take what comes back: the piece, and its result.

        `take` gives sentences for the person. A step comes after each piece, and now and then while none is ready, so that
        the job can be closed; whatever is under way is cancelled then.
        """
        from distributed import wait

        waiting = deque(work)
        flying: dict[Future, Piece] = {}
        seen, told = time.monotonic(), False
        try:
            while waiting or flying:
                yield Step(len(work) - len(waiting) - len(flying), len(work))
                room = 2 * self.slots
                while waiting and len(flying) < room:
                    one = waiting.popleft()
                    flying[submit(one)] = one
                if room:
                    seen, told = time.monotonic(), False
                elif not told and time.monotonic() - seen > _LONELY:
                    told = True
                    yield Note("The cluster has no workers left; the job waits for new ones.")
                if not flying:
                    time.sleep(_POLL)
                    continue
                try:
                    with self.client.as_current():
                        ready = wait(list(flying), timeout=_POLL, return_when="FIRST_COMPLETED").done
                except TimeoutError:
                    continue
                for future in ready:
                    one = flying.pop(future)
                    for text in take(one, cast("Found", _result(future))):
                        yield Note(text)
                    yield Step(len(work) - len(waiting) - len(flying), len(work))
        finally:
            self.client.cancel(list(flying))


def _result(future: Future) -> object:
    """What a task gave; what it raised comes as an error for a person."""
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise OutOfMemoryError(
            "A part of the image has stopped several workers of the cluster in turn, most likely because they ran "
            "out of memory. Give the workers more memory, or use smaller tiles.",
            setting="tile_size",
        ) from error


@contextmanager
def connect(where: str) -> Iterator[Cluster]:
    """A cluster for the time of a job.

    Parameters
    ----------
    where : str
        Address of a scheduler ("tcp://10.0.0.1:8786"), the JSON file that a scheduler wrote, or "local:4": as many
        processes on this computer ("local": one a core), which nobody else can reach: they listen on the loopback address
        alone and talk TLS with a key made for the run.

    Yields
    ------
    Cluster

    Raises
    ------
    MissingExtraError
        If dask.distributed is not installed, or cryptography for local processes.
    InputError
        If nothing answers at that place, or its workers cannot do the work.

    Examples
    --------
    >>> from napari_segplugin.core import drain
    >>> from napari_segplugin.engine import predict
    >>> from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
    >>> image, bundle = load_sample("nuclei2d").image, load_bundle(shipped_bundles()["nuclei2d"])
    >>> with connect("tcp://10.0.0.1:8786") as cluster:  # doctest: +SKIP
    ...     found = drain(predict(image, bundle, cluster=cluster))
    """
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError("distributed", "use a dask cluster", "cluster") from error
    with ExitStack() as stack:
        # tiles travel with their tasks; dask calls that large, with advice that does not hold here
        stack.enter_context(dask.config.set({"distributed.admin.large-graph-warning-threshold": "10 GB"}))
        word, _, count = where.partition(":")
        place: dict[str, str | LocalCluster | Security] = (
            {"scheduler_file": where} if Path(where).is_file() else {"address": where}
        )
        if word == "local":
            place = _own_workers(stack, _local(where, count))
        try:
            # not the default: lazy arrays of others, of napari above all, go on computing here
            client = _patient(lambda: Client(**place, timeout=10, set_as_default=False))
        except InputError:
            raise
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                "No cluster answers at this address.",
                got=where,
                accepted='the address of a scheduler ("tcp://HOST:8786"), its scheduler file, or "local:4"',
            ) from error
        yield Cluster(stack.enter_context(client))


def _patient(start: Callable[[], Found]) -> Found:
    """What dask starts; again where the computer was too busy to start the thread that dask talks from.

    Raises
    ------
    InputError
        If it still is after `_PATIENCE` seconds.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return start()
        except AssertionError as error:  # dask's way of saying that the thread did not run within ten seconds
            if time.monotonic() >= end:
                raise InputError(
                    "The connection to the cluster could not be started, because this computer is too busy.",
                    hint="Close other programs, or try again later",
                ) from error
        time.sleep(_POLL)


def _local(where: str, count: str) -> dict[str, int]:
    """How many processes of one thread each."""
    if count and not (count.isdecimal() and int(count)):
        raise InputError("The number of local workers is not a number.", got=where, accepted="local, local:4")
    return {"n_workers": int(count) if count else os.cpu_count() or 1, "threads_per_worker": 1}


def _own_workers(stack: ExitStack, workers: Mapping[str, int]) -> dict[str, str | LocalCluster | Security]:
    """Start workers that only this process can talk to; how a client finds them.

    Whoever reaches a scheduler runs code as its owner. These listen on the loopback address, and the key of this run, which
    is in the memory of these processes alone, shuts out the other people on this computer. The pages that dask serves over
    HTTP ask for no key: there are none.
    """
    import dask
    from distributed import LocalCluster

    own = _own_key()
    pages: dict[str, list[str]] = {f"distributed.{who}.http.routes": [] for who in ("scheduler", "worker", "nanny")}
    stack.enter_context(dask.config.set(pages))
    # a port of its own for the empty server: the usual one, 8787, may be in use, and looks like a dashboard
    quiet = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options = {"host": "127.0.0.1", "protocol": "tls://", "dashboard_address": None, "scheduler_kwargs": quiet}
    local = _patient(lambda: LocalCluster(**workers, **options, security=own))
    return {"address": stack.enter_context(local), "security": own}


def _own_key() -> Security:
    """A key and a certificate made for one run; they are written to no file.

    Raises
    ------
    MissingExtraError
        If the package that makes them is not installed: without it every user of the computer could join in.
    """
    from distributed import Security

    try:
        return Security.temporary()
    except ImportError as error:
        raise MissingExtraError("cryptography", "start a dask cluster that is closed to others", "cluster") from error


def _same(bundle: ModelBundle) -> ModelBundle:
    """What was sent."""
    return bundle


def _version() -> str:
    """The version of this package on a worker."""
    return __version__


def _run_tile(
    bundle: ModelBundle, way: Way, tile: Tile, axes: tuple[Axis, ...], array: np.ndarray
) -> tuple[list[tuple[Tile, object]], list[str], str]:
    """On a worker: the maps of a tile, in pieces where memory was short; notes; and where it ran."""
    device = resolve(way.device)
    network = prepare(bundle, device, inference_dtype(device, way.precision))
    run = cast("TileRun[object, object]", make_run(bundle, network, mirror=way.mirror, planes=way.planes))

    def read(part: Tile) -> np.ndarray:
        at = (slice(p.start - t.start, p.stop - t.start) for p, t in zip(part.read, tile.read, strict=True))
        return array[(slice(None), *at)]

    parts: list[tuple[Tile, object]] = []
    notes: list[str] = []
    job = run_tiles(run, [tile], axes, read, lambda part, maps: parts.append((part, maps)))
    drain(job, lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    return parts, notes, title(run.network.device)


__all__ = ["Cluster", "Way", "connect"]
