"""Prediction on a dask cluster: this computer reads, writes and finds objects, the workers run the network.

Tiles travel to the workers and their maps come back, so the workers need not see any file. Of several images each is one
task, and there the workers read and write themselves.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segplugin import __version__
from napari_segplugin.core import (
    InputError,
    Job,
    MissingExtraError,
    ModelBundle,
    Note,
    OutOfMemoryError,
    Step,
    TileSpec,
    drain,
)
from napari_segplugin.data.tiles import Axis, Tile
from napari_segplugin.engine.detect import make_run
from napari_segplugin.engine.device import inference_dtype, resolve, title
from napari_segplugin.engine.maps import Read, Write, run_tiles
from napari_segplugin.engine.network import prepare

_POLL = 0.2
_LONELY = 20.0
"""Seconds without any worker after which that is said."""


@dataclass(frozen=True)
class Way:
    """How workers run tiles.

    Parameters
    ----------
    device, precision : str
        As for a prediction; each worker looks for its own device.
    mirror, planes : bool
        As in :class:`~napari_segplugin.engine.maps.Run`.
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

    client: Any
    devices: set[str] = field(default_factory=set)

    @property
    def slots(self) -> int:
        """Tasks that run at once."""
        return sum(int(w["nthreads"]) for w in self._workers().values())

    def _workers(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.client.scheduler_info(n_workers=-1)["workers"]
        return found

    def check(self) -> None:
        """See that there are workers, and that they have this package.

        Raises
        ------
        InputError
            If there is none, or one has no or another version.
        """
        if not self._workers():
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

    def _send(self, bundle: ModelBundle) -> Any:
        """The bundle, on its way to every worker that needs it.

        It goes as the argument of a task, as tiles do, not scattered: what was scattered is gone with the worker that held
        it, while the scheduler runs the tasks of a lost worker again.
        """
        return self.client.submit(_same, bundle, pure=False)

    def run_tiles(
        self, bundle: ModelBundle, way: Way, tiles: Sequence[Tile], axes: Sequence[Axis], read: Read, write: Write
    ) -> Job[int]:
        """Run tiles on the workers; the counterpart of :func:`napari_segplugin.engine.maps.run_tiles`.

        No more tiles are under way than keep the workers busy, so the memory of this computer does not fill with them. A
        worker that runs out of memory takes smaller pieces by itself; the tiles of one that is lost are run by another.

        Raises
        ------
        OutOfMemoryError
            If a tile has brought down one worker after the other.
        """
        self.check()
        model = self._send(bundle)
        submit = lambda tile: self.client.submit(  # noqa: E731
            _run_tile, model, way, tile, tuple(axes), read(tile), pure=False
        )
        done = 0
        yield Step(0, len(tiles))
        for event in self._spread(submit, tiles):
            if isinstance(event, Note):
                yield event
                continue
            if event is not None:
                _, (parts, notes, device) = event
                self.devices.add(device)
                for tile, maps in parts:
                    write(tile, maps)
                done += 1
                for text in notes:
                    yield Note(text)
            yield Step(done, len(tiles))
        return done

    def predict_files(
        self,
        pairs: Sequence[tuple[str, str]],
        bundle: ModelBundle,
        tiles: TileSpec,
        device: str,
        geometry: Mapping[str, Any],
    ) -> Job[list[dict[str, Any]]]:
        """Segment several image files, each as one task; the workers read and write the files.

        Parameters
        ----------
        pairs : sequence of (str, str)
            Image and result, by paths that the workers see, too.
        bundle, tiles, device
            As for :func:`napari_segplugin.engine.predict`.
        geometry : mapping
            Keyword arguments of :func:`napari_segplugin.io.read_image`.

        Returns
        -------
        list of dict
            "outputs", "objects", "seconds" and "notes" of each image, in the order given.

        Raises
        ------
        SegPluginError
            What went wrong with an image; the results of the others stay.
        """
        self.check()
        model = self._send(bundle)
        place = os.getcwd()
        submit = lambda at: self.client.submit(  # noqa: E731
            _predict_file, model, tiles, device, place, *pairs[at], dict(geometry), pure=False
        )
        rows: dict[int, dict[str, Any]] = {}
        yield Step(0, len(pairs))
        for event in self._spread(submit, range(len(pairs))):
            if isinstance(event, Note):
                yield event
                continue
            if event is not None:
                rows[event[0]] = event[1]
            yield Step(len(rows), len(pairs))
        return [rows[i] for i in range(len(pairs))]

    def _spread(self, submit: Callable[[Any], Any], work: Sequence[Any]) -> Iterator[Any]:
        """Results as they come, (work, result) each, None now and then while there is none, or a note.

        Whatever is under way is cancelled when this is closed.
        """
        from distributed import wait

        waiting, flying = deque(work), dict[Any, Any]()
        seen, told = time.monotonic(), False
        try:
            while waiting or flying:
                room = 2 * self.slots
                while waiting and len(flying) < room:
                    one = waiting.popleft()
                    flying[submit(one)] = one
                if room:
                    seen, told = time.monotonic(), False
                elif not told and time.monotonic() - seen > _LONELY:
                    told = True
                    yield Note("The cluster has lost all of its workers; the job waits for new ones.")
                if not flying:
                    time.sleep(_POLL)
                    yield None
                    continue
                try:
                    with self.client.as_current():
                        ready = wait(list(flying), timeout=_POLL, return_when="FIRST_COMPLETED").done
                except TimeoutError:
                    yield None
                    continue
                for future in ready:
                    one = flying.pop(future)
                    yield one, _result(future)
        finally:
            self.client.cancel(list(flying))


def _result(future: Any) -> Any:
    """What a task gave; what it raised comes as an error for a person."""
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise OutOfMemoryError(
            "A piece of the image has brought down one worker of the cluster after the other, most likely for want of "
            "memory. Give the workers more, or use smaller tiles."
        ) from error


@contextmanager
def connect(where: str) -> Iterator[Cluster]:
    """A cluster for the time of a job.

    Parameters
    ----------
    where : str
        Address of a scheduler ("tcp://10.0.0.1:8786"), the JSON file that a scheduler wrote, or "local:4": as many
        processes on this computer ("local": one a core).

    Yields
    ------
    Cluster

    Raises
    ------
    MissingExtraError
        If dask.distributed is not installed.
    InputError
        If nothing answers at that place, or its workers cannot do the work.

    Examples
    --------
    >>> from napari_segplugin.core import drain
    >>> from napari_segplugin.engine import predict
    >>> from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
    >>> image, bundle = load_sample("nuclei2d")["image"], load_bundle(shipped_bundles()["nuclei2d"])
    >>> with connect("tcp://10.0.0.1:8786") as cluster:  # doctest: +SKIP
    ...     found = drain(predict(image, bundle, cluster=cluster))
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingExtraError("distributed", "use a dask cluster", "cluster") from error
    with ExitStack() as stack:
        # tiles travel with their tasks; dask calls that large, with advice that does not hold here
        stack.enter_context(dask.config.set({"distributed.admin.large-graph-warning-threshold": "10 GB"}))
        word, _, count = where.partition(":")
        place: dict[str, Any] = {"scheduler_file": where} if Path(where).is_file() else {"address": where}
        if word == "local":
            place = {"address": stack.enter_context(LocalCluster(**_local(where, count), dashboard_address=None))}
        try:
            # not the default: lazy arrays of others, of napari above all, go on computing here
            client = Client(**place, timeout=10, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                "No cluster answers at that place.",
                got=where,
                accepted='the address of a scheduler ("tcp://HOST:8786"), the file that one wrote, or "local:4"',
            ) from error
        yield Cluster(stack.enter_context(client))


def _local(where: str, count: str) -> dict[str, int]:
    """How many processes of one thread each."""
    if count and not (count.isdecimal() and int(count)):
        raise InputError("The number of local workers is not a number.", got=where, accepted="local, local:4")
    return {"n_workers": int(count) if count else os.cpu_count() or 1, "threads_per_worker": 1}


def _same(bundle: ModelBundle) -> ModelBundle:
    """What was sent."""
    return bundle


def _version() -> str:
    """The version of this package on a worker."""
    return __version__


def _run_tile(
    bundle: ModelBundle, way: Way, tile: Tile, axes: tuple[Axis, ...], array: np.ndarray
) -> tuple[list[tuple[Tile, Any]], list[str], str]:
    """On a worker: the maps of a tile, in pieces where memory was short; notes; and where it ran."""
    device = resolve(way.device)
    network = prepare(bundle, device, inference_dtype(device, way.precision))
    run = make_run(bundle, network, mirror=way.mirror, planes=way.planes)

    def read(part: Tile) -> np.ndarray:
        at = (slice(p.start - t.start, p.stop - t.start) for p, t in zip(part.read, tile.read, strict=True))
        return array[(slice(None), *at)]

    parts: list[tuple[Tile, Any]] = []
    notes: list[str] = []
    job = run_tiles(run, [tile], axes, read, lambda part, maps: parts.append((part, maps)))
    drain(job, lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    return parts, notes, title(run.network.device)


def _predict_file(
    bundle: ModelBundle,
    tiles: TileSpec,
    device: str,
    folder: str,
    path: str,
    target: str,
    geometry: Mapping[str, Any],
) -> dict[str, Any]:
    """On a worker: segment a file."""
    from napari_segplugin.engine.to_file import predict_to_file
    from napari_segplugin.io import read_image

    start, notes = time.perf_counter(), list[str]()
    image = read_image(Path(folder) / path, **geometry)
    doubt = str(image.metadata.get("axes_doubt", ""))
    if doubt and not geometry.get("axes"):
        notes.append(f"{doubt} Taken as {image.axes}; say --axes if that is wrong.")
    # one number stands for all axes
    size, halo = (n * image.ndim if len(n) == 1 else n for n in (tiles.size, tiles.halo))
    tiles = replace(tiles, size=size, halo=halo)
    job = predict_to_file(image, bundle, Path(folder) / target, tiles=tiles, device=device)
    found, files = drain(job, lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    row: dict[str, Any] = {"outputs": [str(f) for f in files], "objects": len(found.objects)}
    return row | {"seconds": round(time.perf_counter() - start, 3), "notes": notes}


__all__ = ["Cluster", "Way", "connect"]
