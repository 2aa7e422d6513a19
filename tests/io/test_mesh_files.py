"""Surfaces are closed, in millimetres, where the object is; read back by trimesh."""

from __future__ import annotations

import io
import itertools
import zipfile

import numpy as np
import pytest

from napari_segplugin.core import InputError, Place
from napari_segplugin.io import write_segmentation
from napari_segplugin.io.files import Drawing
from napari_segplugin.io.surfaces import Surface, smooth, surface_of_mask


def ball(radius: float = 6, size: int = 16) -> np.ndarray:
    grid = np.indices((size, size, size)) - (size - 1) / 2
    return (grid**2).sum(axis=0) <= radius**2


def load(data: bytes, kind: str):
    trimesh = pytest.importorskip("trimesh")
    # STL repeats each corner, so there equal corners are one vertex
    return trimesh.load(io.BytesIO(data), file_type=kind, force="mesh", process=kind == "stl")


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_surfaces_of_noise_are_closed(share) -> None:
    rng = np.random.default_rng(int(share * 10))
    for _ in range(10):
        mask = rng.random(tuple(rng.integers(1, 9, 3))) < share
        mask.flat[0] = True
        surface = surface_of_mask(mask)
        assert surface.closed
        assert surface.volume > 0
        assert smooth(surface).closed


def test_an_open_surface_is_told() -> None:
    surface = surface_of_mask(np.ones((2, 2, 2), bool))
    assert not Surface(1, surface.vertices, surface.faces[:-1]).closed
    assert not Surface(1, surface.vertices, np.concatenate([surface.faces[1:], surface.faces[:1, ::-1]])).closed


def test_smoothing_takes_the_steps_away_and_keeps_the_volume() -> None:
    rough = surface_of_mask(ball())
    fine = smooth(rough)
    middle = 7.5
    spread = [np.linalg.norm(s.vertices - middle, axis=1).std() for s in (rough, fine)]
    assert spread[1] < 0.65 * spread[0]
    assert fine.volume == pytest.approx(ball().sum(), rel=0.02)


@pytest.mark.parametrize("kind", ["stl", "ply", "obj"])
def test_trimesh_reads_a_closed_ball_in_millimetres(tmp_path, make_segmentation, kind) -> None:
    labels = np.zeros((20, 22, 24), int)
    labels[3:19, 4:20, 6:22][ball()] = 7
    write_segmentation(
        make_segmentation(labels, spacing=(200.0, 500.0, 500.0)),
        tmp_path / f"a.{kind}",
        drawing=Drawing(voxel_space=True),
    )
    mesh = load((tmp_path / f"a.{kind}").read_bytes(), kind)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(ball().sum() * 0.2 * 0.5 * 0.5, rel=0.02)
    np.testing.assert_allclose(mesh.center_mass, [(6 + 7.5) * 0.5, (4 + 7.5) * 0.5, (3 + 7.5) * 0.2], atol=1e-3)
    np.testing.assert_allclose(mesh.extents, np.array([13, 13, 13]) * [0.5, 0.5, 0.2], rtol=0.08)


def test_objects_that_touch_are_parts_of_their_own(tmp_path, make_segmentation) -> None:
    trimesh = pytest.importorskip("trimesh")
    labels = np.ones((4, 6, 8), int)
    labels[..., 4:] = 2
    write_segmentation(make_segmentation(labels, unit="mm"), tmp_path / "a.ply", drawing=Drawing(voxel_space=True))
    mesh = trimesh.load(tmp_path / "a.ply", process=False)
    assert mesh.body_count == 2
    assert all(part.is_watertight for part in mesh.split(only_watertight=False))
    np.testing.assert_array_equal(np.unique(mesh.visual.vertex_colors[:, :3], axis=0), [[230, 159, 0]])
    write_segmentation(make_segmentation(labels, unit="mm"), tmp_path / "a.obj", drawing=Drawing(voxel_space=True))
    assert (tmp_path / "a.obj").read_text().count("\no nucleus_") == 2


@pytest.mark.parametrize("kind", ["stl", "ply", "obj"])
def test_one_file_an_object(tmp_path, make_segmentation, kind) -> None:
    labels = np.zeros((20, 20, 40), int)
    labels[2:18, 2:18, 2:18][ball()] = 3
    labels[2:18, 2:18, 22:38][ball()] = 12
    write_segmentation(
        make_segmentation(labels, spacing=(1, 1, 1), unit="mm"),
        tmp_path / f"a.{kind}.zip",
        drawing=Drawing(voxel_space=True),
    )
    with zipfile.ZipFile(tmp_path / f"a.{kind}.zip") as archive:
        assert archive.namelist() == [f"nucleus_00003.{kind}", f"nucleus_00012.{kind}"]
        meshes = [load(archive.read(name), kind) for name in archive.namelist()]
    assert [m.is_watertight for m in meshes] == [True, True]
    assert [round(float(m.center_mass[0]), 1) for m in meshes] == [9.5, 29.5]


def test_an_affine_puts_the_mesh_into_the_patient(tmp_path, make_segmentation) -> None:
    affine = np.array([[-0.5, 0, 0, 90], [0, 0.4, 0.1, -126], [0, -0.1, 2.0, -72], [0, 0, 0, 1.0]])
    recipe = {"input": {"nifti_affine": affine.tolist()}}
    seg = make_segmentation(ball().astype(int), spacing=Place.from_ras(affine).spacing, unit="mm", recipe=recipe)
    write_segmentation(seg, tmp_path / "a.stl")
    data = (tmp_path / "a.stl").read_bytes()
    assert b"UNIT=mm;SPACE=LPS" in data[:80]
    mesh = load(data, "stl")
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(ball().sum() * abs(np.linalg.det(affine[:3, :3])), rel=0.02)
    middle = affine @ [7.5, 7.5, 7.5, 1]
    np.testing.assert_allclose(mesh.center_mass, [-middle[0], -middle[1], middle[2]], atol=1e-3)


@pytest.mark.parametrize("kind", ["stl", "ply", "obj", "stl.zip"])
def test_a_surface_that_may_be_mirrored_is_refused_until_it_is_allowed(tmp_path, make_segmentation, kind) -> None:
    stage = Place.of_spacing({"Z": 2.0, "Y": 0.5, "X": 0.25}, {"Z": 40, "X": 7})
    for place in (None, stage):
        seg = make_segmentation(ball().astype(int), unit="mm", place=place)
        with pytest.raises(InputError, match="may be mirrored"):
            write_segmentation(seg, tmp_path / f"a.{kind}")
        assert not list(tmp_path.iterdir())
    write_segmentation(seg, tmp_path / "a.stl", drawing=Drawing(voxel_space=True))
    data = (tmp_path / "a.stl").read_bytes()
    assert b"SPACE=IMAGE" in data[:80]
    assert load(data, "stl").center_mass == pytest.approx((7 + 7.5 * 0.25, 7.5 * 0.5, 40 + 7.5 * 2), abs=1e-3)


@pytest.mark.parametrize("number", range(10))
def test_vertices_lie_at_the_edges_of_the_voxels_in_the_patient(tmp_path, make_segmentation, number) -> None:
    """Ten affines, mirrored, oblique, sheared, in every order of axes: against the voxels, transformed by nibabel's apply_affine."""
    affines = pytest.importorskip("nibabel.affines")
    rng = np.random.default_rng(number)
    order = list(itertools.permutations(range(3)))[number % 6]
    turn = np.eye(3)[list(order)] * rng.choice([-1, 1], 3) + (rng.normal(0, 0.15, (3, 3)) if number > 2 else 0)
    affine = affines.from_matvec(turn * [0.7, 0.9, 2.5], [20, -30, 40])
    labels = np.zeros((9, 12, 14), int)
    labels[2:6, 3:9, 4:12] = 1
    labels[2:4, 3:5, 4:6] = 0  # one corner is missing, so that a mirrored surface is another one
    place = Place.from_ras(affine)
    write_segmentation(make_segmentation(labels, spacing=place.spacing, unit="mm", place=place), tmp_path / "a.ply")
    vertices = np.asarray(load((tmp_path / "a.ply").read_bytes(), "ply").vertices)
    centres = affines.apply_affine(affine, np.argwhere(labels.transpose())) * [-1, -1, 1]
    half = np.linalg.norm(affine[:3, :3], axis=0).max() / 2 * 1.8  # half a voxel along each axis at once
    inner = np.linalg.norm(vertices[:, None] - centres[None], axis=2)
    assert inner.min(axis=1).max() < half
    surface = [
        c for c, v in zip(centres, np.argwhere(labels.transpose()), strict=True) if _outside(labels.transpose(), v)
    ]
    assert np.linalg.norm(np.array(surface)[:, None] - vertices[None], axis=2).min(axis=1).max() < half
    mesh = load((tmp_path / "a.ply").read_bytes(), "ply")
    assert mesh.volume == pytest.approx(labels.sum() * place.voxel_volume, rel=0.12)
    np.testing.assert_allclose(mesh.center_mass, centres.mean(axis=0), atol=half / 4)


def _outside(mask, voxel):
    """Whether a voxel has a neighbour that belongs to nothing."""
    return any(not mask[tuple(voxel + step)] for axis in np.eye(3, dtype=int) for step in (axis, -axis))


def test_what_has_no_surface(tmp_path, make_segmentation) -> None:
    with pytest.raises(InputError, match="needs a 3D volume"):
        write_segmentation(
            make_segmentation(np.ones((4, 4), int), "YX"), tmp_path / "a.stl", drawing=Drawing(voxel_space=True)
        )
    with pytest.raises(InputError, match="no object"):
        write_segmentation(
            make_segmentation(np.zeros((4, 4, 4), int)), tmp_path / "a.stl", drawing=Drawing(voxel_space=True)
        )
    assert not list(tmp_path.iterdir())
