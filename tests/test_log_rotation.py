"""When a log file is done, and what becomes of it."""

import os
from datetime import date

import pytest

from portal.log_rotation import Rotation, find_begin, set_aside

TODAY = date(2024, 5, 31)


@pytest.mark.parametrize(
    ("rotation", "size", "begun", "due"),
    [
        (Rotation(), 10**9, date(2000, 1, 1), False),
        (Rotation(max_bytes=100), 99, date(2000, 1, 1), False),
        (Rotation(max_bytes=100), 100, TODAY, True),
        (Rotation(days=7), 10**9, date(2024, 5, 25), False),
        (Rotation(days=7), 1, date(2024, 5, 24), True),
        (Rotation(days=7), 0, date(2024, 5, 1), False),
        (Rotation(max_bytes=100, days=7), 1, date(2024, 4, 30), True),
        (Rotation(days=1), 1, date(2024, 6, 1), False),
    ],
)
def test_when(rotation, size, begun, due):
    assert rotation.is_due(size, begun, TODAY) == due
    assert rotation.is_wanted == (rotation != Rotation())


@pytest.mark.parametrize(
    ("text", "begun"),
    [
        ('{"time":"2024-05-02T10:00:00Z","event":"x"}\n', date(2024, 5, 2)),
        ("|Portal| 2024-05-03 10:00:00 [..] Loaded.\n2024-01-01\n", date(2024, 5, 3)),
        ("no day\n2024-05-02\n", TODAY),
        ("2024-99-02\n", TODAY),
        ("2124-05-02\n", TODAY),
        ("", TODAY),
        (None, TODAY),
    ],
)
def test_the_day_of_the_begin(tmp_path, text, begun):
    path = tmp_path / "log"
    if text is not None:
        path.write_text(text)
    assert find_begin(str(path), TODAY) == begun


def test_names(tmp_path):
    path = tmp_path / "log"
    for _ in range(3):
        path.write_text("x")
        os.utime(path, (1_717_000_000, 1_717_000_000))  # 2024-05-29, wherever one is
        with path.open() as file:
            set_aside(str(path), file.fileno(), TODAY)
    names = {f"log.2024_05_29{each}" for each in ("", "__1", "__2")}
    assert {each.name for each in tmp_path.iterdir()} == names


def test_what_another_process_has_renamed_stays(tmp_path):
    path = tmp_path / "log"
    path.write_text("old")
    with path.open() as file:
        path.rename(tmp_path / "log.1")
        path.write_text("new")
        set_aside(str(path), file.fileno(), TODAY)
        assert path.read_text() == "new"
        path.unlink()
        with pytest.raises(FileNotFoundError):
            set_aside(str(path), file.fileno(), TODAY)
