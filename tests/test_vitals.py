"""How this process is, as the kernel tells it."""

import os
import resource
from pathlib import Path

import pytest

from portal import vitals

MIB = 1024 * 1024


def test_memory():
    assert MIB < vitals.resident_bytes() < 100_000 * MIB


def test_descriptors():
    before = vitals.open_descriptors()
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        assert vitals.open_descriptors() == before + 1
    finally:
        os.close(descriptor)


def test_descriptors_where_the_kernel_does_not_tell_their_number(tmp_path, monkeypatch):
    """Before Linux 6.2 the folder has no size."""
    for name in ("0", "1", "2"):
        (tmp_path / "fd" / name).mkdir(parents=True)
    real = Path.stat
    monkeypatch.setattr(
        Path, "stat", lambda self, **_: os.stat_result((*real(self)[:6], 0, *real(self)[7:10]))
    )
    assert vitals.open_descriptors(tmp_path) == 3


@pytest.mark.parametrize(
    ("soft", "expected"), [(4096, 4096), (resource.RLIM_INFINITY, None)], ids=["some", "unlimited"]
)
def test_the_limit_of_descriptors(monkeypatch, soft, expected):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, resource.RLIM_INFINITY))
    assert vitals.descriptor_limit() == expected


def test_cpu_seconds_grow():
    before = vitals.cpu_seconds()
    while vitals.cpu_seconds() == before:
        pass
    assert vitals.cpu_seconds() > before > 0


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a": "max\n", "a/b": "1000\n"}, 1000),
        ("0::/a/b\n", {"a": "500\n", "a/b": "1000\n"}, 500),
        ("0::/a/b\n", {"a": "500\n", "a/b": "max\n"}, 500),
        ("4:memory:/a\n1:cpu:/\n", {"a": "500\n"}, None),
        ("4:memory:/c\n0::/a\n", {"a": "500\n", "c": "1\n"}, 500),
        ("", {}, None),
    ],
    ids=["root", "own", "parent's", "only parent's", "version 1", "both versions", "none"],
)
def test_the_limit_of_memory(tmp_path, groups, limits, expected):
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    proc.mkdir()
    (proc / "cgroup").write_text(groups)
    for folder, text in limits.items():
        (cgroups / folder).mkdir(parents=True, exist_ok=True)
        (cgroups / folder / "memory.max").write_text(text)
    assert vitals.memory_limit(proc, cgroups) == expected


def test_what_is_not_told(tmp_path):
    assert vitals.resident_bytes(tmp_path) is None
    assert vitals.open_descriptors(tmp_path) is None
    assert vitals.memory_limit(tmp_path) is None
    (tmp_path / "statm").write_text("")
    assert vitals.resident_bytes(tmp_path) is None
