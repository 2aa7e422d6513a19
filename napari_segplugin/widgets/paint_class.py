"""The class of what is painted and marked next: one list, shown as soon as there is more than one class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, InputError, Task, labels_in
from napari_segplugin.core.words import voxels
from napari_segplugin.viewer.brush import MODES, hidden_axes, object_under
from napari_segplugin.viewer.corrections import OBJECTS, check_classes, class_names, is_object, name_classes, paints_on
from napari_segplugin.viewer.history import EditStep
from napari_segplugin.widgets._parts import button, combo, fill_combo, labelled, row

if TYPE_CHECKING:
    from napari.utils.events import Event

    from napari_segplugin.viewer.desk import Desk

NEW_OBJECT = -1
"""What the button for another object asks for, where others ask for a paint value."""
_TIP = "The class of the next object, point or box. What is already painted keeps its class."


def offered(classes: ClassTable, task: Task) -> list[str]:
    """Names of the classes that an object, a point or a box can have."""
    things = classes.thing_ids if task is not Task.SEMANTIC else ()
    return [c.name for c in classes if c.id and (not things or c.id in things)]


class PaintClass(QWidget):
    """The list, and a button that appears when another class is chosen: to change the last object, too.

    Signals
    -------
    chosen(str) : a person chose a class
    change_asked(int) : the number of a painted object that is to get the class, too
    """

    chosen = Signal(str)
    change_asked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self.choice = combo("paint_class", "Class of the next object", _TIP)
        self.choice.activated.connect(lambda _: self.chosen.emit(self.name))
        self.change = button(
            "",
            "reclass",
            "Also give this class to the object that you painted last. Undo with Ctrl+Z.",
            lambda: self.change_asked.emit(self._number),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(labelled("Next is", self.choice), self.change, stretch=(1, 0)))
        self.offer(0)
        self.hide()

    @property
    def name(self) -> str:
        """The chosen class; empty where there is none, or the object in the brush has none."""
        return str(self.choice.currentData() or "")

    def set_classes(self, classes: ClassTable | None, task: Task) -> None:
        """Offer the classes of a table; there is nothing to choose where there is only one."""
        names = [] if classes is None else offered(classes, task)
        if names != [self.choice.itemData(i) for i in range(self.choice.count())]:
            fill_combo(self.choice, [(n, n) for n in names])
        self.setVisible(len(names) > 1)

    def offer(self, number: int) -> None:
        """Offer to change a painted object; 0 takes the offer away."""
        self._number = number
        self.change.setText(f"Object {number} too")
        self.change.setVisible(number > 0)

    def show_class(self, name: str) -> None:
        """Choose a class without telling anybody; an empty or unknown name chooses none."""
        self.choice.setCurrentIndex(self.choice.findData(name))


class PaintClassControl:
    """Keeps the class of every object that is painted; one that was painted never changes it by itself.

    The class belongs to the number, and no number is used twice, so that it survives undo and redo.

    Parameters
    ----------
    desk : Desk
    row : PaintClass
        Where the class is chosen.
    paints : QWidget
        Holds the buttons of what can be painted.
    mark_as : callable
        Takes the class of the next points and boxes.
    """

    def __init__(self, desk: Desk, row: PaintClass, paints: QWidget, mark_as: Callable[[str], object]) -> None:
        self._desk, self.row, self._paints, self._mark_as = desk, row, paints, mark_as
        self.row.chosen.connect(self.choose)
        self.row.change_asked.connect(self.change)

    def follow(self, layer: Labels, paint: np.ndarray | None = None) -> None:
        """Note the class of what is painted on a corrections layer from now on.

        Parameters
        ----------
        layer : napari.layers.Labels
        paint : ndarray, optional
            What it begins with; an empty one is not looked through.
        """
        self._desk.strokes(layer).highest = 0
        if paint is not None:
            self.leave_open(layer, paint)
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(lambda event: self.leave_open(event.source, np.asarray(event.source.data)))
        layer.events.selected_label.connect(self._on_brush)
        # napari paints in a callback of the same list: who is first decides before it does
        layer.mouse_drag_callbacks.insert(0, self._on_press)

    def leave_open(self, layer: Labels, paint: np.ndarray) -> None:
        """Objects that nobody gave a class, here or on another day, do not get the one that is chosen now."""
        if paints_on(layer) == OBJECTS:
            known, found = class_names(layer), [n for n in labels_in(paint).tolist() if is_object(n)]
            work = self._desk.strokes(layer)
            work.highest = max([*found, work.highest])
            name_classes(layer, {n: "" for n in found if n not in known})

    def next_number(self, layer: Labels) -> int:
        """A number that no object has or had."""
        named = (n for n in class_names(layer) if is_object(n))
        work = self._desk.strokes(layer)
        counted = (n for n in work.counts if is_object(n))
        return max([work.highest, *named, *counted]) + 1

    def choose(self, name: str) -> None:
        """Paint and mark the next objects as a class."""
        desk = self._desk
        self._mark_as(name)
        layer, choice = desk.paint, desk.choice()
        if layer is None or choice is None:
            return
        if paints_on(layer) != OBJECTS:
            layer.selected_label = next(c.id for c in choice.spec.classes if c.name == name)
            return
        number, names = int(layer.selected_label), class_names(layer)
        painted = is_object(number) and number in desk.strokes(layer).counts
        if painted and not names.get(number):
            name_classes(layer, {number: name})
            desk.refresh()
        elif not is_object(number) or names.get(number, name) != name:
            self._begin(layer, name)
            self.row.offer(number if painted else 0)

    def _begin(self, layer: Labels, name: str) -> None:
        """Take a fresh number into the brush."""
        layer.selected_label = self.next_number(layer)
        layer.mode = "paint" if layer.mode == "erase" else layer.mode
        self.row.show_class(name)
        push = self._paints.findChild(QPushButton, f"paint_{NEW_OBJECT}")
        if push is not None:
            push.setChecked(True)

    def change(self, number: int) -> None:
        """Give a painted object the class that is chosen, as one step that can be undone: it gets another number."""
        layer, name = self._desk.paint, self.row.name
        where = () if layer is None else np.nonzero(np.asarray(layer.data) == number)
        if layer is not None and len(where[0]):
            fresh = self.next_number(layer)
            name_classes(layer, {fresh: name})
            layer.data_setitem(where, fresh)
            self._begin(layer, name)
        self.row.offer(0)

    def rename(self, layer: Labels, old: str, new: str) -> None:
        """A person renamed a class."""
        name_classes(layer, {n: new for n, name in class_names(layer).items() if name == old})

    # --- following the layer --------------------------------------------------------------------------------------

    def _on_press(self, layer: Labels, event: Event) -> None:
        """A stroke that starts on an object adds to it; one that starts elsewhere is another object, as on a result."""
        number = int(layer.selected_label)
        drawing = event.button == 1 and str(layer.mode) in MODES.values()
        if not drawing or paints_on(layer) != OBJECTS or not is_object(number):
            return
        space = [a for a in hidden_axes(layer, event) if layer.ndim - a <= 3]
        under = object_under(layer.data, np.asarray(layer.world_to_data(event.position), float), space, number)
        if is_object(under):
            layer.selected_label = under
        elif number <= self._desk.strokes(layer).highest:  # it was painted already
            self._begin(layer, self.row.name)

    def _on_paint(self, event: Event) -> None:
        layer: Labels = event.source
        self.row.offer(0)
        if paints_on(layer) != OBJECTS:
            self._note_names(layer, EditStep(list(event.value)))
            return
        known, fresh, work = class_names(layer), dict[int, str](), self._desk.strokes(layer)
        for delta in EditStep(list(event.value)).deltas():
            for number in np.unique(np.asarray(delta.new)).tolist():
                if is_object(number):
                    work.highest = max(work.highest, number)
                name = "" if number in known else self._name_of(int(number))
                if name:
                    fresh[int(number)] = name
        if fresh:
            name_classes(layer, fresh)

    def _note_names(self, layer: Labels, step: EditStep) -> None:
        """Remember what the classes of strokes are called: another day knows only their numbers."""
        choice = self._desk.choice()
        if choice is None or choice.spec.task is not Task.SEMANTIC:
            return
        table, known = choice.spec.classes, class_names(layer)
        numbers = {int(n) for delta in step.deltas() for n in np.unique(np.asarray(delta.new)).tolist()}
        names = {n: table[n].name for n in numbers if 0 < n < len(table) and n not in known}
        if names:
            name_classes(layer, names)
        try:
            check_classes(layer, table, numbers)
        except InputError as error:  # what is painted now would be of two classes
            self._desk.fail(error)

    def _name_of(self, number: int) -> str:
        """The class of a number that is painted for the first time."""
        if number in (0, BACKGROUND_PAINT):
            return ""
        if is_object(number):
            return self.row.name
        choice = self._desk.choice()
        at = BACKGROUND_PAINT - number
        return choice.spec.classes[at].name if choice is not None and at < len(choice.spec.classes) else ""

    def _on_brush(self, event: Event) -> None:
        """Show the class of the number in the brush."""
        layer, choice = event.source, self._desk.choice()
        number = int(layer.selected_label)
        with suppress(RuntimeError):
            self.row.offer(0)
            if paints_on(layer) != OBJECTS:
                if choice is not None and 0 < number < len(choice.spec.classes):
                    self.row.show_class(choice.spec.classes[number].name)
            elif is_object(number) and number in (names := class_names(layer)):
                self.row.show_class(names[number])


def by_class(
    names: Mapping[int, str], counts: Mapping[int, tuple[int, int]], several: bool = True, ndim: int = 2
) -> list[str]:
    """What was painted of each class: a line for objects, where there are several classes, and one for each area.

    Examples
    --------
    >>> by_class({1: "cell", 2: "debris", 3: "cell", 65533: "tissue"}, {n: (1, 9) for n in (1, 2, 3, 4, 65533)})
    ['of these: 2 cell, 1 debris, 1 without a class', 'tissue: 1 stroke, 9 pixels']
    """
    objects = Counter(names.get(n) or "without a class" for n in counts if is_object(n))
    found = ", ".join(f"{k:,} {name}" for name, k in sorted(objects.items(), key=_unnamed_last))
    lines = [f"of these: {found}"] if several and objects else []
    for n, (strokes, size) in counts.items():
        if n in names and not is_object(n):
            lines.append(f"{names[n]}: {strokes} stroke{'s' * (strokes != 1)}, {voxels(size, ndim)}")
    return lines


def _unnamed_last(entry: tuple[str, int]) -> tuple[bool, str]:
    return entry[0] == "without a class", entry[0]


__all__ = ["NEW_OBJECT", "PaintClass", "PaintClassControl", "by_class", "offered"]
