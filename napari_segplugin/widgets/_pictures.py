"""Two pictures side by side that shrink with the dock and open larger under the mouse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_segplugin.widgets._parts import describe


class Picture(QWidget):
    """A picture that keeps its proportions at any width. A click shows it at twice the size in a window of its own."""

    def __init__(self, title: str, name: str) -> None:
        super().__init__()
        self.pixmap: QPixmap | None = None
        self._large: QLabel | None = None
        self._title = title
        describe(self, name, title, "Click to enlarge.")
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumWidth(40)

    def set_array(self, array: np.ndarray | None) -> None:
        """Show a picture (Y, X, 3) of uint8, or nothing."""
        if array is None:
            self.pixmap = None
        else:
            data = np.ascontiguousarray(array)
            image = QImage(data.tobytes(), data.shape[1], data.shape[0], 3 * data.shape[1], QImage.Format.Format_RGB888)
            self.pixmap = QPixmap.fromImage(image)
        self.updateGeometry()
        self.update()

    def heightForWidth(self, width: int) -> int:
        """As the proportions want it, but no taller than two thirds of the width, so that the page needs no scrolling."""
        if self.pixmap is None:
            return 0
        return min(2 * width // 3, int(width * self.pixmap.height()) // max(1, int(self.pixmap.width())))

    def sizeHint(self) -> QSize:
        """About half a dock."""
        return QSize(140, self.heightForWidth(140))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw it into the middle."""
        if self.pixmap is None:
            return
        modes = (Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
        ratio = self.devicePixelRatioF()
        fit = self.pixmap.scaled(self.size() * ratio, *modes)
        fit.setDevicePixelRatio(ratio)
        painter = QPainter(self)
        size = fit.deviceIndependentSize()
        painter.drawPixmap(int((self.width() - size.width()) / 2), int((self.height() - size.height()) / 2), fit)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Open it larger."""
        if self.pixmap is None:
            return
        self._large = QLabel()
        self._large.setWindowTitle(self._title)
        self._large.setPixmap(self.pixmap.scaled(900, 900, Qt.AspectRatioMode.KeepAspectRatio))
        self._large.show()


class PicturePair(QWidget):
    """Two pictures of one thing, each under its title."""

    def __init__(self, name: str, titles: tuple[str, str]) -> None:
        super().__init__()
        self.setObjectName(name)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.parts: list[Picture] = []
        for title in titles:
            column = QVBoxLayout()
            column.setSpacing(2)
            part = Picture(title, f"{name}_{title.lower()}")
            column.addWidget(QLabel(title))
            column.addWidget(part)
            layout.addLayout(column, 1)
            self.parts.append(part)
        self.hide()

    def show_pictures(self, pictures: Sequence[np.ndarray]) -> None:
        """Show two pictures (Y, X, 3) of uint8; anything else hides the pair."""
        for i, part in enumerate(self.parts):
            part.set_array(pictures[i] if len(pictures) == len(self.parts) else None)
        self.setVisible(len(pictures) == len(self.parts))


__all__ = ["Picture", "PicturePair"]
