"""Labels that came from elsewhere and lie on the image: to correct, or to learn from all of them."""

from __future__ import annotations

from qtpy.QtCore import Signal

from napari_segplugin.widgets._parts import Card, button, row, wrapped


class MasksCard(Card):
    """The offer; hidden while there is none.

    Signals
    -------
    correct_asked(), learn_asked()
    """

    correct_asked = Signal()
    learn_asked = Signal()

    def __init__(self) -> None:
        super().__init__("masks_card", "Labels that came from elsewhere")
        self.text = wrapped(name="masks_text")
        self.correct = button("Correct them", "masks_correct", "Take these labels as a result, to correct its objects.")
        self.learn = button("Learn from all", "masks_learn", "Take all of these objects as correct, and train on them.")
        self.correct.clicked.connect(lambda _=False: self.correct_asked.emit())
        self.learn.clicked.connect(lambda _=False: self.learn_asked.emit())
        self.rows.addWidget(self.text)
        self.rows.addWidget(row(self.correct, self.learn, stretch=(1, 1)))
        self.hide()

    def offer(self, name: str) -> None:
        """Offer a layer; none where the name is empty."""
        self.text.setText(f"<b>“{name}” lies on this image.</b> These labels came from elsewhere.")
        self.setVisible(bool(name))


__all__ = ["MasksCard"]
