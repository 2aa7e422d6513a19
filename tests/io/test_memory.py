"""Free memory is what the system says, and never more than what a container allows."""

import subprocess
import sys

import psutil
import pytest

from napari_segplugin.io import memory


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "none")
    return tmp_path


def test_without_a_container_it_is_what_the_system_has(groups, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("M", (), {"available": 123})())
    assert memory.free_host_memory() == 123


def test_it_is_near_what_the_system_has_now():
    most = psutil.virtual_memory().total
    assert 0 < memory.free_host_memory() <= most


def second_version(folder, most, used, kept=0):
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {kept}\nactive_file 7\n")


def first_version(folder, most, used, kept=0):
    (folder / "memory").mkdir()
    (folder / "memory" / "memory.limit_in_bytes").write_text(f"{most}\n")
    (folder / "memory" / "memory.usage_in_bytes").write_text(f"{used}\n")
    (folder / "memory" / "memory.stat").write_text(f"inactive_file 1\ntotal_inactive_file {kept}\n")


@pytest.mark.parametrize("write", [second_version, first_version])
def test_a_container_allows_less(groups, write):
    write(groups, 5000, 1000)
    assert memory.free_host_memory() == 4000


@pytest.mark.parametrize("write", [second_version, first_version])
def test_files_that_the_system_keeps_do_not_count_as_used(groups, write):
    write(groups, 5000, 4000, 2500)
    assert memory.free_host_memory() == 3500


def test_a_container_over_its_limit_has_nothing_left(groups):
    second_version(groups, 1000, 1500)
    assert memory.free_host_memory() == 0


@pytest.mark.parametrize("most", ["max", "9223372036854771712"])
def test_a_container_without_a_limit_changes_nothing(groups, monkeypatch, most):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("M", (), {"available": 123})())
    (second_version if most == "max" else first_version)(groups, most, 10)
    assert memory.free_host_memory() == 123


@pytest.mark.parametrize("controller", ["", "memory"])
def test_the_group_of_the_process_and_those_around_it_count(groups, monkeypatch, controller):
    own = groups / controller / "user" / "job"
    own.mkdir(parents=True)
    write = first_version if controller else second_version
    for folder, most in ((own.parent, 3000), (own, 9000)):
        write(folder, most, 1000)
        if controller:
            for file in (folder / "memory").iterdir():
                file.rename(folder / file.name)
    (groups / "own").write_text(f"9:cpu,cpuacct:/other\n4:{controller}:/user/job\n")
    monkeypatch.setattr(memory, "_OWN_GROUPS", groups / "own")
    assert memory.free_host_memory() == 2000


@pytest.mark.parametrize("room", [-5, 100, 600 * 2**20])
def test_a_limit_of_the_address_space_counts(groups, monkeypatch, room):
    monkeypatch.setattr(memory, "address_room", lambda: [room])
    assert memory.free_host_memory() == max(0, room)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone keeps memory by thread")
def test_freed_memory_of_a_thread_goes_back_to_the_system():
    """In a process of its own: the heap of this one holds what other tests left."""
    program = """
import threading, psutil
from napari_segplugin.io.memory import give_back_memory
resident = lambda: psutil.Process().memory_info().rss // 2**20
def work():
    rows = [b"x" * n for n in [60_000, 61_000] * 2_500]  # 300 MB in pieces too small for maps of their own
    kept.append(rows.pop())
kept, before = [], resident()
thread = threading.Thread(target=work); thread.start(); thread.join()
held = resident() - before
there = give_back_memory()
print(held, resident() - before, there)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    held, left, there = done.stdout.split()
    if there == "False":
        pytest.skip("another C library")
    assert int(held) > 40
    assert int(left) < 20, (held, left)
