"""Icons of the dock: a few strokes each, drawn in the colour of the text so that they suit every theme."""

from __future__ import annotations

from qtpy.QtCore import QByteArray, QRectF, QSize, Qt
from qtpy.QtGui import QIcon, QPainter, QPixmap
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtWidgets import QAbstractButton

SHAPES = {
    "select": "M6 3 L6 19 L10 15 L13 21 L15 20 L12.5 14.5 L18 14 Z",
    "add": "M12 7 V17 M7 12 H17 M12 3 A9 9 0 1 1 11.9 3",
    "paint": "M5 20 C5 16 8 16 9 15 M9 15 L18 4 L20 6 L11 17 C9 19 7 20 5 20",
    "erase": "M4 15 L12 6 L19 12 L12 19 H8 Z M8 10.5 L15.5 16.5",
    "outline": "M12 4 L20 10 L17 20 H7 L4 10 Z",
    "split": "M12 2 V22 M9 5 A7 7 0 0 0 9 19 M15 5 A7 7 0 0 1 15 19",
    "merge": "M9 6 A6 6 0 1 0 9 18 M15 6 A6 6 0 1 1 15 18 M9 6 A6 6 0 0 1 12 7.5 A6 6 0 0 1 15 6 "
    "M9 18 A6 6 0 0 0 12 16.5 A6 6 0 0 0 15 18",
    "delete": "M5 7 H19 M9 7 V4 H15 V7 M7 7 L8 20 H16 L17 7 M10.5 10 V17 M13.5 10 V17",
    "tidy": "M12 4 A8 8 0 1 1 11.9 4 M8.5 12 L11 14.5 L15.5 9.5",
    "grow": "M12 8 A4 4 0 1 1 11.9 8 M12 2 V5 M12 19 V22 M2 12 H5 M19 12 H22",
    "shrink": "M12 9 A3 3 0 1 1 11.9 9 M12 2 V6 M10 4 L12 6 L14 4 M12 22 V18 M10 20 L12 18 L14 20 M2 12 H6 M22 12 H18",
    "interpolate": "M5 5 H19 M5 12 H19 M5 19 H19 M8 8.5 H16 M8 15.5 H16",
    "fill": "M4 12 L12 4 L20 12 L12 20 Z M20 15 V19",
    "pick": "M14 6 L18 10 M16 8 L8 16 L5 19 L6 15 L14 7 M15 4 L20 9",
    "gear": "M12 9 A3 3 0 1 1 11.9 9 M12 3 V6 M12 18 V21 M3 12 H6 M18 12 H21 M5.6 5.6 L7.8 7.8 M16.2 16.2 L18.4 18.4 "
    "M5.6 18.4 L7.8 16.2 M16.2 7.8 L18.4 5.6",
    "down": "M6 9 L12 15 L18 9",
    "up": "M6 15 L12 9 L18 15",
    "right": "M9 5 L16 12 L9 19",
    "undo": "M8 5 L4 9 L8 13 M4 9 H14 A5 5 0 0 1 14 19 H9",
    "open": "M3 6 H9 L11 8 H21 V19 H3 Z",
    "whole": "M4 4 H20 V20 H4 Z",
    "visible": "M4 8 V4 H8 M16 4 H20 V8 M20 16 V20 H16 M8 20 H4 V16 M9 9 H15 V15 H9 Z",
    "plane": "M4 9 L12 5 L20 9 L12 13 Z M4 14 L12 18 L20 14",
    "file": "M6 3 H14 L18 7 V21 H6 Z M14 3 V7 H18",
    "regions": "M12 4 C18 4 21 9 18 13 C16 17 17 19 12 20 C6 20 3 15 5 11 C6 7 8 4 12 4",
    "folder": "M3 6 H9 L11 8 H21 V19 H3 Z",
    "masks": "M4 4 H14 V14 H4 Z M10 10 H20 V20 H10 Z",
    "nuclei": "M8 4 A4 4 0 1 1 7.9 4 M16 6 A3.5 3.5 0 1 1 15.9 6 M12 12 A4.5 4.5 0 1 1 11.9 12",
    "strokes": "M4 8 C8 4 10 10 14 7 M4 17 C9 20 11 12 20 15",
    "volume": "M12 3 L20 7.5 V16.5 L12 21 L4 16.5 V7.5 Z M4 7.5 L12 12 L20 7.5 M12 12 V21",
    "good": "M4 12 L10 18 L20 6",
    "warning": "M12 4 L21 20 H3 Z M12 10 V14.5 M12 17 V17.6",
}
"""Paths in a square of 24, by name."""
_SCALE = 3.0  # for screens with more than one pixel a point


def icon(name: str, color: str) -> QIcon:
    """An icon in a color.

    Parameters
    ----------
    name : str
        One of :data:`SHAPES`.
    color : str
        As in CSS.
    """
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="{SHAPES[name]}" fill="none" '
        f'stroke="{color}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/></svg>'
    )
    side = round(20 * _SCALE)
    pixmap = QPixmap(side, side)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, side, side))
    painter.end()
    return QIcon(pixmap)


def give(push: QAbstractButton, name: str, size: int = 16) -> None:
    """Note which icon a button has; :func:`color_icons` draws it in the colour of the theme."""
    push.setProperty("icon_name", name)
    push.setIconSize(QSize(size, size))


def color_icons(buttons: list[QAbstractButton], text: str, on_accent: str) -> None:
    """Draw the icons of buttons anew in the colours of a theme.

    Parameters
    ----------
    buttons : list of QAbstractButton
        Those without an icon of this module are left alone.
    text, on_accent : str
        CSS colours of texts, and of those on the highlighted button.
    """
    for push in buttons:
        if push.property("icon_name"):
            push.setProperty("icon_colors", [text, on_accent])
            redraw(push)


def redraw(push: QAbstractButton) -> None:
    """Draw the icon of a button once more, after it was highlighted or was so no longer."""
    name, colors = push.property("icon_name"), push.property("icon_colors")
    if name and colors:
        push.setIcon(icon(str(name), str(colors[bool(push.property("primary"))])))


__all__ = ["SHAPES", "color_icons", "give", "icon", "redraw"]
