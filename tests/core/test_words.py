"""Names that people typed, made harmless."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segplugin.core.words import csv_cell, csv_text, plain_name


@given(st.text())
def test_a_plain_name_is_one_part_of_a_path(name):
    found = plain_name(name)
    assert found
    assert not set(found) & set('/\\:*?"<>|\0\r\n\t')
    assert found.strip("._ ") == found
    assert len(found) <= 100


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n＝a1. e")))
def test_a_cell_gives_its_text_back(text):
    assert csv_text(csv_cell(text)) == text


@given(st.text(alphabet=st.sampled_from("'=+-@\t\rA1(")))
def test_no_cell_begins_like_a_formula(text):
    cell = csv_cell(text)
    if cell[:1] in set("=+-@\t\r"):
        float(cell)  # a number is what it says


@pytest.mark.parametrize("text", ["-1", "+2.5e-3", "-.5", "1", "-inf", "0"])
def test_numbers_stay_as_they_are(text):
    assert csv_cell(text) == text


def test_a_line_break_in_a_cell_survives_the_file():
    out = io.StringIO()
    csv.writer(out).writerow([csv_cell("\n=cmd|' /C calc'!A0"), csv_cell("=1,2")])
    (row,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert [csv_text(cell) for cell in row] == ["\n=cmd|' /C calc'!A0", "=1,2"]
