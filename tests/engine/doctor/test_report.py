"""The report of the doctor: what stops comes first, and nothing private is in it."""

import getpass
import platform

import pytest

from napari_segplugin.engine.doctor import report as module
from napari_segplugin.engine.doctor.report import DoctorReport, Finding, Level, clean, without_private_words


@pytest.fixture
def somebody(monkeypatch):
    """A person and a computer with names of their own."""
    monkeypatch.setattr(getpass, "getuser", lambda: "mmiller")
    monkeypatch.setattr(platform, "node", lambda: "ward7.clinic.example")
    monkeypatch.setattr(module.socket, "gethostname", lambda: "ward7")
    monkeypatch.setenv("HOME", "/home/mmiller")
    monkeypatch.setenv("USERPROFILE", "C:\\Users\\Max Miller")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("no file '/home/mmiller/.cache/x'", "no file '~/.cache/x'"),
        ("in /home/mmiller", "in ~"),
        ("C:\\Users\\Max Miller\\work\\a.dll is missing", "~\\work\\a.dll is missing"),
        ("c:/users/max miller/a.dll", "~/a.dll"),
        ("/home/mmiller-2/patients/jones/a.so failed", "…/a.so failed"),
        ("OSError:/data/jones family/lib/a.so: no", "OSError:…/a.so: no"),
        ("file:///data/jones/a.so", "…/a.so"),
        ("(D:\\patients\\jones\\a.dll)", "(…/a.dll)"),
        ("\\\\server\\jones\\a.dll", "…/a.dll"),
        ("by MMiller on WARD7, ward7.clinic.example", "by USER on COMPUTER, COMPUTER"),
        ("see https://download.pytorch.org/whl/ or pytorch.org/get-started", None),
        ("pip install x, and/or 1/2 of it", None),
    ],
)
def test_private_words_are_taken_out(somebody, text, wanted):
    assert clean(text) == (text if wanted is None else wanted)


@pytest.mark.parametrize("name", ["root", "napari", "mi"])
def test_a_name_that_is_an_ordinary_word_tears_no_holes(somebody, monkeypatch, name):
    monkeypatch.setattr(getpass, "getuser", lambda: name)
    assert clean(f"{name} 0.9") == f"{name} 0.9"


def test_a_user_without_a_name_is_no_trouble(somebody, monkeypatch):
    def nobody():
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert clean("at ward7") == "at COMPUTER"


def test_values_and_problems_are_cleaned(somebody):
    found = Finding("x", "for mmiller", Level.WARNING, "It lies in /srv/jones/x.")
    assert without_private_words([found]) == (Finding("x", "for USER", Level.WARNING, "It lies in …/x."),)


def test_what_stops_comes_first_and_everything_is_listed():
    rows = (
        Finding("python", "3.13"),
        Finding("disk", "0.1 GB", Level.WARNING, "The disk is full."),
        Finding("torch", "broken", Level.STOP, "Torch is broken."),
        Finding("Qt", "none", Level.NOTE, "There is no window."),
    )
    report = DoctorReport(rows)
    assert (report.works, report.problems) == (False, ("Torch is broken.", "The disk is full."))
    lines = report.text().splitlines()
    assert lines[:3] == ["Something stops the program from working.", "- Torch is broken.", "- The disk is full."]
    assert lines[4:8] == ["  python  3.13", "! disk    0.1 GB", "X torch   broken", "· Qt      none"]
    assert lines[-1] == "· There is no window."
    assert report.to_json()["findings"][2]["level"] == "stop"
    assert DoctorReport(rows[:2]).works
    assert DoctorReport(rows[:1]).text().startswith("No problem was found.")
    assert DoctorReport(rows[:2]).text().startswith("These problems were found.\n- The disk is full.\n")
