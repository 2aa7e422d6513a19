"""What of the dock is found in napari's command palette, Layers menus and Preferences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run, wait_idle
from fake_engine import FakeEngine, blobs
from napari._app_model import get_app_model
from napari._qt.dialogs.preferences_dialog import PreferencesDialog
from napari._qt.widgets.qt_keyboard_settings import ShortcutEditor
from napari.layers import Image, Labels, Points, Shapes, Surface, Tracks, Vectors
from napari.settings import get_settings
from napari.utils.key_bindings import KeymapHandler, coerce_keybinding
from npe2 import PluginManager, PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

import napari_segplugin
from napari_segplugin.engine.session import Session
from napari_segplugin.widgets import actions
from napari_segplugin.widgets._edit_keys import KEYS, SECOND_KEYS, STEP_KEY, TITLES, keys_of, preferences
from napari_segplugin.widgets.correct_tools import MORE, QUEUE, TOOLS
from napari_segplugin.widgets.dock import SegmentationDock
from napari_segplugin.widgets.frame.frame import CORRECT, FIND, TRAIN

pytestmark = pytest.mark.qt
MANIFEST = Path(napari_segplugin.__file__).parent / "napari.yaml"
NAME = "napari-segplugin"


@pytest.fixture
def shown(make_napari_viewer: Any, engine: FakeEngine, tmp_path: Path, qtbot: Any) -> Any:
    """A dock in a window that is shown, and the plugin known to napari."""
    viewer = make_napari_viewer(show=True)
    pm = PluginManager.instance()
    if NAME not in pm:
        pm.register(PluginManifest.from_file(MANIFEST))
    dock = SegmentationDock(viewer, engine=engine, session=Session(tmp_path / "session"))
    viewer.window.add_dock_widget(dock, name="Segmentation")
    yield dock
    wait_idle(qtbot, dock)


@pytest.fixture
def corrected(shown: Any, qtbot: Any) -> Any:
    add_image(shown, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    run(shown, qtbot)
    return shown


def command(name: str) -> None:
    """What the palette and the menus do."""
    get_app_model().commands.execute_command(f"{NAME}.{name}").result()


def titles() -> dict[str, str]:
    """Name of each command, as a person finds it."""
    manifest = PluginManifest.from_file(MANIFEST)
    return {c.id.removeprefix(f"{NAME}."): c.title for c in manifest.contributions.commands or ()}


# --- the command palette ----------------------------------------------------------------------------------------------


def test_each_action_is_a_command_with_its_name() -> None:
    found = set(titles().values())
    assert {f"Segmentation: {title}" for title in TITLES.values()} <= found
    assert {action for action, *_ in (*QUEUE, *TOOLS, *MORE)} >= set(KEYS)


def test_the_palette_finds_an_action_and_does_it(corrected: Any, qtbot: Any) -> None:
    window = corrected.viewer.window._qt_window
    palette = window._command_palette
    palette.update_context(window)
    palette.show()
    palette._line.setText("segmentation: next obj")
    first = palette._list.command_at(0)
    assert first is not None
    assert "Segmentation: Next object" in first.title
    qtbot.keyClick(palette._line, Qt.Key.Key_Return)
    assert corrected.frame.tab == CORRECT
    assert corrected.edits.chosen


def test_without_an_image_each_command_says_what_is_missing(shown: Any) -> None:
    names = [n for n in titles() if callable(getattr(actions, n, None))]
    assert len(names) > len(KEYS)
    for name in set(names) - {"find_tab", "segment", "next_step"}:
        shown.messages.clear()
        command(name)
        assert "yet" in shown.messages.message or "nothing" in shown.messages.message, name


def test_commands_turn_to_their_place(corrected: Any) -> None:
    for name, tab in (("correct_tab", CORRECT), ("train_tab", TRAIN), ("find_tab", FIND)):
        command(name)
        assert corrected.frame.tab == tab
    command("split_object")
    assert (corrected.frame.tab, corrected.edits.tool) == (CORRECT, "split")


# --- the Layers menus -------------------------------------------------------------------------------------------------


def menu(of: str) -> list[str]:
    """The commands of ours in one of napari's menus."""
    items = get_app_model().menus.get_menu(f"napari/layers/{of}")
    return sorted(i.command.id.removeprefix(f"{NAME}.") for i in items if i.command.id.startswith(NAME))


def test_the_layers_menus_lead_to_the_dock(shown: Any) -> None:
    assert menu("segment") == ["segment"]
    assert menu("annotate") == ["correct_labels", "paint_strokes"]
    assert menu("classify") == ["classify_pixels"]
    assert menu("track") == ["link_objects"]


def test_a_hidden_dock_is_shown_with_the_selected_layer(corrected: Any, qtbot: Any) -> None:
    dock, result = corrected, corrected.desk.result
    other = add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="other")
    dock.frame.turn_to(CORRECT)
    dock.parentWidget().hide()
    dock.viewer.layers.selection.active = result.image_layer
    command("segment")
    assert dock.isVisible()
    assert dock.frame.tab == FIND
    assert dock.desk.layer is result.image_layer
    dock.viewer.layers.selection.active = other
    command("paint_strokes")
    assert dock.frame.tab == CORRECT
    assert dock.desk.layer is other
    assert dock.viewer.layers.selection.active is dock.paint.layer
    assert dock.paint.layer.mode == "paint"
    assert len([w for w in dock.viewer.window.dock_widgets.values() if isinstance(w, SegmentationDock)]) == 1


def test_labels_from_elsewhere_are_taken_in(shown: Any, qtbot: Any) -> None:
    add_image(shown, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    labels = np.zeros((40, 50), np.int32)
    labels[5:10, 5:10] = 1
    layer = shown.viewer.add_labels(labels, name="mine")
    command("correct_labels")
    assert shown.frame.tab == CORRECT
    assert shown.edits.target.layer is layer


def test_objects_of_a_film_are_led_to_linking(shown: Any, qtbot: Any) -> None:
    add_image(shown, qtbot, np.stack([blobs((40, 50))] * 3), axis_labels=("t", "y", "x"), name="film")
    run(shown, qtbot)
    shown.frame.turn_to(TRAIN)
    command("link_objects")
    assert shown.frame.tab == FIND
    assert shown.tracks.button.isVisible()


def test_pixels_are_classified_as_areas(corrected: Any, qtbot: Any) -> None:
    command("classify_pixels")
    assert str(corrected.method_step.task) == "semantic"
    assert corrected.frame.tab == CORRECT
    assert corrected.paint.layer is corrected.viewer.layers.selection.active


def test_the_dock_is_opened_where_there_is_none(make_napari_viewer: Any, tmp_path: Path, qtbot: Any) -> None:
    from napari_segplugin.widgets import dock as module

    viewer = make_napari_viewer(show=True)
    pm = PluginManager.instance()
    if NAME not in pm:
        pm.register(PluginManifest.from_file(MANIFEST))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "session_of", lambda _: Session(tmp_path / "session"))
        command("segment")
        made = [w for w in viewer.window.dock_widgets.values() if isinstance(w, SegmentationDock)]
        command("segment")
    assert len(made) == 1
    assert made[0].isVisible()
    wait_idle(qtbot, made[0])


# --- keys -------------------------------------------------------------------------------------------------------------


def table_of(viewer: Any) -> tuple[Any, Any, dict[str, int]]:
    """Preferences at the keys of Labels layers: the dialog, the table, and the row of each action."""
    dialog = PreferencesDialog(parent=viewer.window._qt_window)
    editor = dialog.findChild(ShortcutEditor)
    editor.layer_combo_box.setCurrentText("Labels layer")
    table = editor._table
    return dialog, table, {table.item(row, 0).text(): row for row in range(table.rowCount())}


def set_key(table: Any, row: int, key: str) -> None:
    table.setCurrentCell(row, 2)
    table.item(row, 2).setText(key)
    QApplication.processEvents()


def test_preferences_list_every_key(corrected: Any) -> None:
    dialog, table, rows = table_of(corrected.viewer)
    for action, key in {**KEYS, **STEP_KEY}.items():
        row = rows[f"Segmentation: {TITLES[action]}"]
        assert coerce_keybinding(key) == keys_of(action)[0]
        assert table.item(row, 2).text()
        assert table.item(row, 3).text() == SECOND_KEYS.get(action, "")
    dialog.close()


def test_a_key_that_is_changed_is_heard_and_shown(corrected: Any, qtbot: Any) -> None:
    layer, push = corrected.desk.result.layer, corrected.edits.panel.buttons["next"]
    dialog, table, rows = table_of(corrected.viewer)
    set_key(table, rows["Segmentation: Next object"], "Q")
    assert "Key: Q." in push.toolTip()
    assert push.accessibleName() == "Next (Q)"
    assert coerce_keybinding("Q") in layer.keymap
    assert coerce_keybinding("N") not in layer.keymap
    corrected.edits.panel.setFocus()
    corrected.frame.turn_to(CORRECT)
    push.setFocus()
    qtbot.keyClick(push, Qt.Key.Key_Q)
    assert corrected.edits.chosen
    set_key(table, rows["Segmentation: Split object"], "")
    tool = corrected.edits.panel.buttons["split"]
    assert (tool.key, tool.accessibleName()) == ("", "Split")
    assert "Key:" not in tool.toolTip()
    kept = {n for n in get_settings().shortcuts.shortcuts if n.startswith(NAME)}
    assert kept == {f"{NAME}:next", f"{NAME}:split"}  # what nobody changed is not kept: napari would warn of it
    dialog.findChild(ShortcutEditor)._reset_shortcuts()
    assert "Key: N." in push.toolTip()
    assert coerce_keybinding("N") in layer.keymap
    assert tool.key == "S"
    dialog.close()


def test_a_key_that_somebody_gave_to_napari_stays_naparis(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer()
    preferences.register()
    dialog, table, rows = table_of(viewer)
    row = next(r for text, r in rows.items() if "brush size by one" in text and text.startswith("Increase"))
    set_key(table, rows["Segmentation: Next object"], "Q")
    set_key(table, row, "N")
    chosen = get_settings().shortcuts
    chosen.shortcuts = {n: k for n, k in chosen.shortcuts.items() if n != f"{NAME}:next"}
    assert keys_of("next") == ()
    assert coerce_keybinding("N") in Labels.class_keymap
    dialog.close()


def test_layers_that_are_no_results_keep_their_keys(shown: Any) -> None:
    """Each key means there what napari's settings say, whatever was registered."""
    theirs = {n: ks for n, ks in get_settings().shortcuts.shortcuts.items() if not n.startswith(NAME)}
    for kind in (Image, Labels, Points, Shapes, Surface, Tracks, Vectors):
        heard = {str(k): action for k, action in kind.class_keymap.items()}
        for key in (*KEYS.values(), *STEP_KEY.values(), *SECOND_KEYS.values()):
            said = str(coerce_keybinding(key))
            wanted = [n.partition(":")[2] for n, ks in theirs.items() if said in {str(k) for k in ks}]
            assert said not in heard or heard[said].__name__ in wanted, (kind.__name__, said)


def test_no_key_shadows_one_of_naparis_on_a_result(corrected: Any) -> None:
    plain = corrected.viewer.add_labels(np.zeros((4, 4), int))
    handler = KeymapHandler()
    handler.keymap_providers = [plain, corrected.viewer]
    taken = {str(k) for k in handler.active_keymap}
    assert "M" in taken  # napari's own are looked at indeed
    mine = {str(k) for k in corrected.desk.result.layer.keymap}
    assert {str(coerce_keybinding(k)) for k in (*KEYS.values(), *STEP_KEY.values(), *SECOND_KEYS.values())} <= mine
    assert not mine & taken


def test_ctrl_enter_on_the_result_goes_on(corrected: Any) -> None:
    corrected.frame.turn_to(CORRECT)
    assert corrected.frame.footer.primary is corrected.edits.panel.next_button
    handler = KeymapHandler()
    handler.keymap_providers = [corrected.desk.result.layer, corrected.viewer]
    assert handler.press_key("Ctrl-Enter")
    assert corrected.edits.chosen


def test_napari_takes_no_keys_from_a_manifest_yet() -> None:
    """Once it does, keys belong into napari.yaml, and the action manager and this test go (see the decision on keys)."""
    from napari.plugins._npe2 import _npe2_manifest_to_actions

    about = {
        "name": "with-keys",
        "contributions": {
            "commands": [{"id": "with-keys.go", "title": "Go", "python_name": "math:floor"}],
            "keybindings": [
                {"command": "with-keys.go", "key": "ctrl+alt+j", **dict.fromkeys(("mac", "linux", "win", "when"))}
            ],
        },
    }
    actions, _ = _npe2_manifest_to_actions(PluginManifest(**about))
    assert [a.keybindings for a in actions] == [[]]
