"""What no file of the project may hold: a path of the machine it was written on."""

from pathlib import Path

BINARY = {".png", ".gz", ".so", ".bin"}


def test_no_path_of_this_machine(root, tracked):
    # A root as short as `/src` is a word like any other; a home of `/` says nothing.
    places = [f"{place}/" for place in (root, Path.home()) if len(str(place)) > 5]
    found = [
        f"{name}: {place}"
        for name in tracked
        if Path(name).suffix not in BINARY
        for place in places
        if place in (root / name).read_text(errors="replace")
    ]
    assert found == []


def test_text_files_end_with_a_newline(root, tracked):
    suffixes = {".py", ".pyi", ".rs", ".md", ".toml", ".yml", ".c", ".js", ".css", ".html"}
    texts = [root / name for name in tracked if Path(name).suffix in suffixes]
    ragged = [
        str(path) for path in texts if path.stat().st_size and path.read_bytes()[-1:] != b"\n"
    ]
    assert ragged == []
