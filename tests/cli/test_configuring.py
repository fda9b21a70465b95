"""The commands about the configuration: a file is written, and mistakes are named."""

import tomllib

import pytest


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- init


@pytest.mark.parametrize(("words", "name"), [([], "portal.toml"), (["game.toml"], "game.toml")])
def test_a_file_is_written(portal, place, words, name):
    result = portal("init", *words)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"{name} is written: every setting, with its default and what it is for.",
        f"Check it:  portal check --config {name}",
        f"Use it:    portal run --config {name}",
    ]
    assert "telnet" in tomllib.loads((place / name).read_text())
    assert portal("check", "--config", name).exit_code == 0


def test_a_file_that_is_there_stays(portal, place):
    (place / "portal.toml").write_text("mine")
    result = portal("init")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "portal.toml: file: is there already; --force writes over it\n"
    assert (place / "portal.toml").read_text() == "mine"
    assert portal("init", "--force").exit_code == 0
    assert (place / "portal.toml").read_text() != "mine"


def test_a_file_that_cannot_be_written(portal):
    result = portal("init", "none/portal.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    expected = "none/portal.toml: file: cannot be written: No such file or directory\n"
    assert result.stderr == expected


# ---- check


def test_all_is_well(portal, file):
    words = file("[telnet]\nport = 23")
    result = portal("check", *words)
    assert result == (0, f"{words[1]}: all is well.\n", "")


def test_all_is_well_without_a_file(portal, place):
    (place / "portal.toml").write_text("[telnet]\nprot = 1")
    result = portal("check")
    assert result.exit_code == 0
    assert result.stdout == (
        "All is well. No file was read: --config or PORTAL_CONFIG names one.\n"
    )


def test_every_mistake_is_named(portal, file, monkeypatch):
    words = file(
        """
        nmae = "Harbour"
        [telnet]
        port = 70000
        prot = 5
        [amp]
        secret = "xyzzy"
        host = "0.0.0.0"
        trusted_networks = ["ten"]
        [hub]
        unsent_hard_bytes = 1000
        [server]
        directory = "nowhere"
        """
    )
    monkeypatch.setenv("PORTAL_HTTP_PORT", "http")
    monkeypatch.setenv("PORTAL_LIMITS_HELD_LINE", "1")
    result = portal("check", *words)
    assert result.exit_code == 1
    assert result.stdout == "From the environment: PORTAL_HTTP_PORT (http.port)\n"
    assert result.stderr.splitlines() == [
        f"{words[1]}: nmae: there is no such setting; the nearest is name",
        f"{words[1]}: telnet.prot: there is no such setting; the nearest is telnet.port",
        f"{words[1]}: amp.secret: belongs into the environment, as PORTAL_AMP_SECRET",
        f"{words[1]}: telnet.port: expected 0 to 65535, got 70000",
        (f"{words[1]}: amp.trusted_networks: expected networks such as 10.0.0.0/8, or addresses,"
        ' got "ten"'),
        ("environment: PORTAL_LIMITS_HELD_LINE: there is no such setting;"
        " the nearest is PORTAL_LIMITS_HELD_LINES"),
        'environment: PORTAL_HTTP_PORT: expected a whole number, got "http"',
        (f"{words[1]}: hub.unsent_hard_bytes: expected at least 1048576, as hub.unsent_soft_bytes"
        " is, got 1000"),
        f"{words[1]}: server.directory: there is no directory nowhere",
    ]  # fmt: skip


def test_a_file_that_is_no_toml(portal, file):
    words = file("[telnet\nport = 1")
    result = portal("check", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{words[1]}: TOML: ")
    assert "line 1" in line


def test_the_file_that_the_environment_names(portal, file, monkeypatch):
    monkeypatch.setenv("PORTAL_CONFIG", file("")[1])
    assert portal("check").stdout.endswith("portal.toml: all is well.\n")
    monkeypatch.setenv("PORTAL_CONFIG", "none.toml")
    result = portal("check")
    assert result.exit_code == 1
    assert result.stderr == "none.toml: file: cannot be read: No such file or directory\n"


def test_what_comes_from_the_environment_is_said_without_its_value(portal, monkeypatch):
    monkeypatch.setenv("PORTAL_AMP_SECRET", "xyzzy")
    monkeypatch.setenv("PORTAL_TELNET_PORT", "23")
    monkeypatch.setenv("PORTAL_SERVICE_HOST", "10.0.0.1")
    result = portal("check")
    assert result.stdout.splitlines()[:-1] == [
        "From the environment: PORTAL_AMP_SECRET (amp.secret)",
        "From the environment: PORTAL_TELNET_PORT (telnet.port)",
    ]
    assert "xyzzy" not in result.stdout
