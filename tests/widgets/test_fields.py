"""Forms and folds: what they are made of, and what a person and a screen reader find in them."""

from __future__ import annotations

from typing import Any

import pytest
from budget import stops
from magicgui.widgets import LogSlider, SpinBox
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_segplugin.core import InputError, Parameter
from napari_segplugin.widgets._parts import Fold, wrapped
from napari_segplugin.widgets.fields import field
from napari_segplugin.widgets.parameter_form import ParameterForm

pytestmark = pytest.mark.qt
LONG = (
    "A sentence that is as long as those that explain what is missing, which takes three lines or four at this width."
)
KINDS = (
    Parameter("live", True, "Live", "Whether it follows."),
    Parameter("method", "otsu", "Method", "How.", choices=("otsu", "by_hand")),
    Parameter("window", 51, "Window", "Side of the window.", low=3, high=501, step=2, unit="pixel"),
    Parameter("level", 0.005, "Level", "How bright.", low=0, high=1, step=0.001),
    Parameter("rounds", 4, "Rounds", "How often."),
)


def shown(qtbot: Any, widget: QWidget, width: int = 300) -> QWidget:
    """A widget in a column as wide as the dock."""
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.addWidget(widget)
    layout.addStretch(1)
    holder.setFixedSize(width, 400)
    qtbot.addWidget(holder)
    holder.show()
    qtbot.wait(30)
    return holder


# --- fields -----------------------------------------------------------------------------------------------------------


def test_a_form_names_explains_and_limits_each_setting(qtbot: Any) -> None:
    form = ParameterForm(KINDS)
    _holder = shown(qtbot, form)
    for p in KINDS:
        native = form.fields[p.name].native
        assert native.objectName() == f"setting_{p.name}"
        assert native.accessibleName() == p.title
        assert p.help in native.toolTip()
    assert all(w.accessibleName() for w in stops(form))
    window = form.fields["window"].native
    assert (window.minimum(), window.maximum(), window.singleStep(), window.text()) == (3, 501, 2, "51 px")
    assert form.fields["level"].native.text() == "0.005"
    assert "a whole number from 3 to 501" in window.toolTip()
    assert form.fields["method"].native.itemText(1) == "by hand"
    values = form.values()
    assert [type(values[p.name]) for p in KINDS] == [bool, str, int, float, int]


def test_tab_goes_through_a_form_from_top_to_bottom(qtbot: Any) -> None:
    form = ParameterForm(KINDS)
    holder = shown(qtbot, form)
    holder.activateWindow()
    met, now = [], form.fields["live"].native
    for _ in stops(form):
        met.append(now.objectName())
        now = now.nextInFocusChain()
        while not (now.focusPolicy() & Qt.FocusPolicy.TabFocus and now.focusProxy() is None and now.isVisible()):
            now = now.nextInFocusChain()
    wanted = ["setting_live", "setting_method", "slide_window", "setting_window", "slide_level", "setting_level"]
    assert met == [*wanted, "setting_rounds"]


def test_digits_count_when_they_are_all_typed(qtbot: Any) -> None:
    form = ParameterForm(KINDS)
    _holder = shown(qtbot, form)
    told: list[Any] = []
    form.changed.connect(lambda: told.append(form.values()["window"]))
    box = form.fields["window"].native
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "123")
    assert told == []
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert told == [123]


def test_what_is_not_accepted_changes_nothing(qtbot: Any) -> None:
    form = ParameterForm(KINDS)
    qtbot.addWidget(form)
    before = form.values()
    with pytest.raises(InputError, match="Window"):
        form.set_values({"live": False, "window": 1000})
    assert form.values() == before


def test_a_list_may_hold_numbers(qtbot: Any) -> None:
    made = field(Parameter("zoom", 1.0, "Zoom", "How large."), "zoom", (("off", 1.0), ("twice", 2.0)))
    qtbot.addWidget(made.native)
    made.native.setCurrentIndex(1)
    assert made.value == 2.0


def test_magicgui_cannot_yet_do_what_ours_does_for_it(qtbot: Any) -> None:
    """Once it can, our slider and the box without decimals go (see the decision on napari's habits)."""
    slider = LogSlider(min=1, max=1000, value=10)
    qtbot.addWidget(slider.native)
    box = slider.native.findChild(QAbstractSpinBox)
    assert box is not None
    assert float(box.text()) != 10  # it shows the place of the handle
    whole = SpinBox(value=0, min=0, max=9)
    qtbot.addWidget(whole.native)
    assert not hasattr(whole.native, "setSuffix")


# --- folds ------------------------------------------------------------------------------------------------------------


def filled(fold: Any, add: Any) -> QLabel:
    label = wrapped(LONG)
    for widget in (QCheckBox("One"), QCheckBox("Two"), label):
        add(widget)
    return label


def test_what_is_folded_away_is_no_stop_and_comes_whole(qtbot: Any) -> None:
    fold = Fold("More", "more", "What is rarely needed.")
    label = filled(fold, fold.rows.addWidget)
    late = QCheckBox("Late")
    late.hide()
    fold.rows.addWidget(late)
    _holder = shown(qtbot, fold)
    assert len(stops(fold)) == 1
    low = fold.height()
    fold.head.setFocus()
    qtbot.keyClick(fold.head, Qt.Key.Key_Space)
    assert len(stops(fold)) == 3
    late.show()
    qtbot.wait(30)
    assert label.height() >= label.heightForWidth(label.width())
    assert late.height() >= late.sizeHint().height()
    assert (fold.head.accessibleName(), fold.head.text()) == ("More", "▾ More")
    fold.head.click()
    qtbot.wait(30)
    assert (len(stops(fold)), fold.height(), fold.head.text()) == (1, low, "▸ More")


def test_superqt_alone_leaves_stops_in_what_is_folded_away(qtbot: Any) -> None:
    """Once it does not, `Fold` can be made simpler."""
    fold = QCollapsible("More")
    filled(fold, fold.addWidget)
    _holder = shown(qtbot, fold)
    assert len(stops(fold)) == 3
