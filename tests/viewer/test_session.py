"""The session keeps bundles in order and work safe. It has no Qt; it stands here because the dock is its user."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, InputError, ModelBundle, ModelSpec, Task
from napari_segplugin.engine.session import HOME_VARIABLE, Session, home_folder, image_key


def bundle(name: str) -> ModelBundle:
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["cell"]))
    return ModelBundle(name, spec, {"w": np.zeros(2, np.float32)})


def test_going_back_is_free_and_forgets_nothing(tmp_path: Path) -> None:
    session, seen = Session(tmp_path), []
    session.bundle_changed.connect(seen.append)
    a, b = bundle("a"), bundle("b")
    session.add(a)
    session.add(b)
    assert session.go_back() is a
    assert session.bundles == (a, b)
    assert seen == [a, b, a]


def test_there_may_be_nothing_to_go_back_to(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.add(bundle("a"))
    with pytest.raises(InputError, match="no earlier model"):
        session.go_back()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    session = Session(tmp_path / "file")
    with pytest.raises(InputError, match="could not be saved in the session folder"):
        session.save_bundle(bundle("a"))


def test_bundles_of_one_name_lie_side_by_side(tmp_path: Path) -> None:
    session = Session(tmp_path)
    first, second = session.save_bundle(bundle("my model")), session.save_bundle(bundle("my model"))
    assert first != second
    assert (second / "spec.json").exists()


def test_another_image_has_another_key() -> None:
    a = np.arange(64).reshape(8, 8)
    keys = {image_key(Image(x, "YX")) for x in (a, a + 1, a.astype(np.float32), a.reshape(4, 16))}
    assert len(keys) == 4


def test_the_folder_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, "/somewhere/else")
    assert home_folder() == Path("/somewhere/else")


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps rights in another way")
def test_models_of_a_session_are_their_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir(mode=0o755)
    Session(tmp_path).save_bundle(bundle("a"))
    assert (tmp_path / "models").stat().st_mode & 0o777 == 0o700
