"""The colours of the dock, from those of a napari theme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtGui import QColor

if TYPE_CHECKING:
    from napari.utils.theme import Theme


@dataclass(frozen=True)
class Palette:
    """Colours as CSS writes them.

    Parameters
    ----------
    page, card, button, line : str
        Grounds, and the line between parts.
    text, muted, link : str
    accent, on_accent : str
        The highlighted button and its text.
    rim : str
        Around what is chosen.
    good, warn : str
    """

    page: str
    card: str
    button: str
    line: str
    text: str
    muted: str
    link: str
    accent: str
    on_accent: str
    rim: str
    good: str
    warn: str


def palette(theme: Theme) -> Palette:
    """The colours for a theme; each pair that is read has a contrast of 4.5 and more with napari's own two themes."""
    page, button, text = (_css(getattr(theme, key)) for key in ("background", "foreground", "text"))
    if is_dark(page):
        return Palette(
            page, mixed(page, button, 0.35), button, mixed(button, text, 0.15), text, "#b4b8bf", "#8ea2f0",
            "#465cc4", "#ffffff", "#8ea2f0", "#63c08a", "#e5b432",
        )  # fmt: skip
    return Palette(
        page, mixed(page, button, 0.35), button, mixed(button, text, 0.15), text, "#4b4c51", "#2f4bb3",
        "#2f4bb3", "#ffffff", "#2f4bb3", "#1c7c46", "#8a5a00",
    )  # fmt: skip


def is_dark(color: str) -> bool:
    """Whether a ground is dark."""
    return QColor(*_numbers(color)).lightnessF() < 0.5


def mixed(one: str, other: str, share: float) -> str:
    """A colour between two."""
    a, b = _numbers(one), _numbers(other)
    return "rgb({}, {}, {})".format(*(round(x + (y - x) * share) for x, y in zip(a, b, strict=True)))


def _numbers(color: str) -> tuple[int, int, int]:
    if color.startswith("rgb("):
        red, green, blue = (int(part) for part in color[4:-1].split(","))
        return red, green, blue
    named = QColor(color)
    return named.red(), named.green(), named.blue()


def _css(color: object) -> str:
    """A CSS colour from whatever a theme holds."""
    return str(color.as_rgb()) if hasattr(color, "as_rgb") else str(color)


def _small(theme: Theme) -> str:
    """Small type beside that of a theme."""
    size = str(getattr(theme, "font_size", "")) or "9pt"
    number = size.rstrip("ptx")
    return f"{0.85 * float(number):.1f}{size[len(number) :]}"


def style_sheet(theme: Theme) -> str:
    """Rules for the dock in the colours of a napari theme.

    Parameters
    ----------
    theme : napari.utils.theme.Theme
    """
    c = palette(theme)
    return f"""
    QAbstractSpinBox {{ min-width: 34px; }}
    QComboBox {{ min-width: 40px; }}
    QPushButton {{ min-width: 24px; min-height: 18px; }}
    QPushButton[primary="true"]:enabled {{ background-color: {c.accent}; color: {c.on_accent}; font-weight: bold; }}
    QPushButton[primary="true"]:enabled:hover {{ border: 1px solid {c.text}; }}
    QPushButton:focus, QToolButton:focus {{ border: 2px solid {c.text}; }}
    QPushButton:disabled {{ border: 1px dashed {c.button}; background: transparent; }}
    QPushButton[choice="true"] {{ border: 2px solid transparent; min-height: 18px; padding: 2px 4px; }}
    QPushButton[choice="true"]:checked {{
        border: 2px solid {c.rim}; background-color: {c.page}; color: {c.text}; font-weight: bold; }}
    QPushButton[sample="true"] {{ min-height: 44px; text-align: left; padding: 2px 10px; }}
    QPushButton[tall="true"] {{ min-height: 34px; }}
    QPushButton[link="true"] {{
        background: transparent; border: none; color: {c.link}; text-decoration: underline; padding: 2px; }}
    QPushButton[link="true"]:focus {{ border: 2px solid {c.text}; }}
    QToolButton[tool="true"] {{
        background-color: {c.button}; border: 2px solid transparent; border-radius: 3px; padding: 1px; }}
    QToolButton[tool="true"]:checked {{ border: 2px solid {c.rim}; background-color: {c.page}; font-weight: bold; }}
    QToolButton[tool="true"]:disabled {{ border: 1px dashed {c.button}; background: transparent; }}
    QToolButton[tab="true"] {{
        background: transparent; border: none; border-bottom: 3px solid transparent; padding: 5px 10px; }}
    QToolButton[tab="true"]:checked {{ border-bottom: 3px solid {c.rim}; font-weight: bold; }}
    QToolButton[tab="true"]:focus {{ border: 2px solid {c.text}; }}
    QToolButton[tab="true"]:disabled {{ color: {c.line}; }}
    QPushButton[header="true"] {{
        background: transparent; border: none; border-bottom: 1px solid {c.line}; border-radius: 0px; }}
    QPushButton[header="true"]:hover {{ background-color: {c.card}; }}
    QPushButton[header="true"]:checked {{ background-color: {c.card}; }}
    QPushButton[header="true"]:focus {{ border: 2px solid {c.text}; }}
    QLabel#header_name:disabled, QLabel#header_details:disabled {{ color: {c.line}; }}
    QFrame#tab_row {{ border: none; border-bottom: 1px solid {c.line}; }}
    QFrame#footer {{ background-color: {c.card}; border: none; border-top: 1px solid {c.line}; }}
    QFrame#footer QLabel, QWidget#row {{ background: transparent; }}
    QLabel[strong="true"] {{ font-weight: bold; }}
    QLabel#muted, QLabel[muted="true"] {{ color: {c.muted}; }}
    QLabel#header_name {{ font-weight: bold; }}
    QLabel#heading {{ font-weight: bold; }}
    QFrame[card="true"] {{ background-color: {c.card}; border: none; border-radius: 3px; }}
    QFrame[card="true"] QLabel {{ background: transparent; }}
    QFrame#suit_card, QFrame[good="true"] {{ border: none; border-left: 3px solid {c.good}; }}
    QFrame#suit_card[good="false"], QFrame[good="false"] {{ border: none; border-left: 3px solid {c.warn}; }}
    QLabel#header_details {{ font-size: {_small(theme)}; }}
    QLabel#big_number {{ font-size: 20pt; font-weight: bold; }}
    QProgressBar#thin {{ min-height: 6px; max-height: 6px; border: none; }}
    QFrame#step_line {{ background-color: {c.line}; min-height: 1px; max-height: 1px; }}
    """


__all__ = ["Palette", "is_dark", "mixed", "palette", "style_sheet"]
