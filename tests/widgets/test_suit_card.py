from __future__ import annotations

from types import SimpleNamespace

import pytest

from napari_segplugin.core import Note, TileSpec
from napari_segplugin.widgets.suit_card import SuitCard

pytestmark = pytest.mark.qt


def verdict(fits=False, tiles=None, title="", sentence="Objects are about 4 times larger than the model expects."):
    return SimpleNamespace(fits=fits, sentence=sentence, tiles=tiles, title=title, setting="zoom")


def test_the_card_says_one_sentence_with_a_sign_and_offers_one_button(qtbot):
    card = SuitCard()
    qtbot.addWidget(card)
    assert card.isHidden()
    card.show_verdict(verdict(tiles=TileSpec(zoom=0.25), title="Shrink for the model"))
    assert card.text.text().startswith("⚠ Objects are about 4 times larger")
    assert card.push.text() == card.push.accessibleName() == "Shrink for the model"
    with qtbot.waitSignal(card.helped) as told:
        card.push.click()
    assert told.args[0].zoom == 0.25
    card.show_verdict(verdict(fits=True, sentence="nuclei2d fits this image."))
    assert card.text.text() == "✓ nuclei2d fits this image."
    assert card.push.isHidden()
    card.show_verdict(verdict(fits=True, sentence=""))
    assert card.isHidden()


@pytest.mark.parametrize(
    ("tiles", "zoom", "invert"),
    [(TileSpec(zoom=0.25), 0.25, False), (TileSpec(zoom=4.0), 4.0, False), (TileSpec(invert=True), 1.0, True)],
)
def test_the_options_take_what_helps(qtbot, tiles, zoom, invert):
    from napari_segplugin.widgets.tile_options import TileOptions

    options = TileOptions()
    qtbot.addWidget(options)
    options.take(tiles)
    found = options.spec(2)
    assert (found.zoom, found.invert) == (zoom, invert)
    options.take(TileSpec(zoom=0.8))
    assert options.spec(2).zoom == 1.0
    options.take(TileSpec(zoom=0.0))
    assert options.spec(2).zoom == 0.0


def test_the_dock_looks_when_image_and_model_are_chosen_and_takes_the_help(with_image, engine, qtbot):
    engine.verdict = verdict(tiles=TileSpec(invert=True), title="Invert for the model")
    with_image.runs.estimate()
    card = with_image.runs.suit.card
    qtbot.waitUntil(lambda: not card.isHidden(), timeout=5000)
    engine.verdict = verdict(fits=True, sentence="It fits.")
    card.push.click()
    assert with_image.method_step.tile_options.inverts
    assert not any(name == "predict" for name, _ in engine.calls)
    qtbot.waitUntil(lambda: card.text.text() == "✓ It fits.", timeout=5000)
    assert [what for what in engine.calls if what[0] == "suits"][-1][1][2].invert


def test_a_note_of_contrast_offers_to_invert_and_run(with_image, engine, qtbot):
    with_image.runs.take(Note("95% of the image was found.", "invert"))
    push = with_image.messages.findChild(type(with_image.result_step.run_button), "invert_and_run")
    assert push is not None
    push.click()
    assert with_image.method_step.tile_options.inverts
    qtbot.waitUntil(lambda: any(name == "predict" for name, _ in engine.calls), timeout=5000)
    assert with_image.runs.suit.answers(Note("Nothing was found.")) == []
