"""What is remembered between clicks and between days: the bundles in use, and the folder where work is kept.

No Qt and no torch here: a session is a plain object with signals, and it can be driven from a script.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from psygnal import Signal

from napari_segplugin.core import Image, InputError, ModelBundle, Region
from napari_segplugin.core.types import Json, JsonDict

HOME_VARIABLE = "NAPARI_SEGPLUGIN_HOME"


def home_folder() -> Path:
    """Where sessions live: $NAPARI_SEGPLUGIN_HOME, or ``.napari-segplugin/sessions`` in the home folder."""
    given = os.environ.get(HOME_VARIABLE, "").strip()
    return Path(given) if given else Path.home() / ".napari-segplugin" / "sessions"


def image_key(image: Image) -> str:
    """A short name that is the same whenever the same image is opened, from whatever path.

    It is made from shape, dtype and at most about 4000 values, so a volume larger than memory costs nothing.

    Examples
    --------
    >>> a = Image(np.arange(12).reshape(3, 4), "YX", name="a")
    >>> image_key(a) == image_key(Image(np.arange(12).reshape(3, 4), "YX", name="another name"))
    True
    """
    array = image.array
    step = tuple(slice(None, None, max(1, int(n) // 16)) for n in array.shape)
    values = np.ascontiguousarray(np.asarray(array[step]))
    digest = hashlib.sha256(repr((tuple(array.shape), str(array.dtype))).encode())
    digest.update(values.tobytes())
    return digest.hexdigest()[:20]


def asked(image: Image, told: Mapping[str, Json], region: Region | None) -> JsonDict:
    """What a recipe says of the order that it came from, and by what its image is known again.

    Parameters
    ----------
    image : Image
    told : mapping
        What the recipe says of its input already.
    region : tuple of slice, optional
        None for the whole image.

    Returns
    -------
    dict
        "region" and "input".
    """
    place = (
        None if region is None else [list(s.indices(n)[:2]) for s, n in zip(region, image.spatial_shape, strict=True)]
    )
    # a part of an image on a far disk is not to wait for pieces of all of it
    near = region is None or isinstance(image.array, np.ndarray)
    return {"region": place, "input": {**told, **({"key": image_key(image)} if near else {})}}


class Session:
    """The bundles that were made or opened, which of them is in use, and a folder where work is kept safe.

    Parameters
    ----------
    folder : path, optional
        Where journals and fine-tuned models are kept; :func:`home_folder` by default. It is made when first written.

    Attributes
    ----------
    bundle_changed : signal
        Emitted with the bundle that is in use now, or None.
    bundles_changed : signal
        Emitted when the list of bundles grows.

    Examples
    --------
    >>> session = Session("/nowhere")
    >>> session.bundle is None, session.bundles
    (True, ())
    """

    bundle_changed = Signal(object)
    bundles_changed = Signal()

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder else home_folder()
        self._bundles: list[ModelBundle] = []
        self._trail: list[ModelBundle] = []
        self._places: WeakKeyDictionary[ModelBundle, Path] = WeakKeyDictionary()

    @property
    def bundles(self) -> tuple[ModelBundle, ...]:
        """Every bundle of this session, oldest first."""
        return tuple(self._bundles)

    @property
    def bundle(self) -> ModelBundle | None:
        """The bundle in use."""
        return self._trail[-1] if self._trail else None

    def add(self, bundle: ModelBundle, use: bool = True) -> None:
        """Remember a bundle, and use it unless told otherwise."""
        if not any(b is bundle for b in self._bundles):
            self._bundles.append(bundle)
            self.bundles_changed.emit()
        if use:
            self.use(bundle)

    def use(self, bundle: ModelBundle) -> None:
        """Make a bundle the one in use."""
        if self.bundle is not bundle:
            self._trail.append(bundle)
            self.bundle_changed.emit(bundle)

    def go_back(self) -> ModelBundle:
        """Use the bundle that was in use before; nothing is deleted.

        Raises
        ------
        InputError
            If there was none.
        """
        if len(self._trail) < 2:
            raise InputError("There is no earlier model to go back to.", hint="Fine-tune first.")
        self._trail.pop()
        bundle = self._trail[-1]
        self.bundle_changed.emit(bundle)
        return bundle

    # --- work kept safe -------------------------------------------------------------------------------------------

    def save_bundle(self, bundle: ModelBundle) -> Path:
        """Write a bundle to the session folder, beside the earlier ones.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        from napari_segplugin.io import save_bundle
        from napari_segplugin.io.files import private_folder

        stem = re.sub(r"[^\w.-]+", "-", bundle.name).strip("-.") or "model"
        with self._plain_errors("The model could not be saved in the session folder"):
            folder = self.folder / "models"
            private_folder(folder)
            target = folder / stem
            n = 2
            while target.exists():
                target, n = folder / f"{stem}-{n}", n + 1
            self._places[bundle] = Path(save_bundle(bundle, target))
            return self._places[bundle]

    def place(self, bundle: ModelBundle) -> str:
        """By what a model is found without this session: the name of one that ships, otherwise a folder, made if need be.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        from napari_segplugin.io import shipped_bundles

        if bundle.name in shipped_bundles() and not any(b is bundle for b in self._bundles):
            return bundle.name
        known = self._places.get(bundle)
        return str(known if known is not None and known.exists() else self.save_bundle(bundle))

    @contextlib.contextmanager
    def _plain_errors(self, problem: str) -> Iterator[None]:
        """Turn what the disk says into a sentence for a person."""
        try:
            yield
        except OSError as error:
            raise InputError(
                problem,
                got=f"{error.strerror or error} in {self.folder}",
                hint="Free some disk space, or choose another session folder",
                setting="folder",
            ) from error
