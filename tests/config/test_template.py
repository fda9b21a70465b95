"""The commented file: it has every setting, and says what the classes say."""

import re
import tomllib

import pytest

from portal.config import Config, load, read_file
from portal.config.sections import Section
from portal.config.settings import list_settings, list_tables
from portal.config.template import WIDTH, make_template, read_comments

SETTING = re.compile(r"^#([a-z_]+) = ", re.MULTILINE)


@pytest.fixture(scope="module")
def template():
    return make_template()


def test_it_is_the_defaults(template, tmp_path):
    path = tmp_path / "portal.toml"
    path.write_text(template)
    assert load(read_file(str(path))) == Config()
    assert set(tomllib.loads(template)) == set(list_tables())


def test_with_every_setting_uncommented_it_is_the_defaults_too(template, tmp_path):
    path = tmp_path / "portal.toml"
    path.write_text(SETTING.sub(r"\1 = ", template))
    layer = read_file(str(path))
    assert layer.problems == ()
    # The secret has no place in a file.
    assert list(layer.settings) == [key for key in list_settings() if key != "amp.secret"]
    assert load(layer) == Config()


def test_every_setting_alone(template, tmp_path):
    """Uncommenting one line leaves the file right, wherever it is."""
    lines = template.splitlines()
    seen = 0
    for number, line in enumerate(lines):
        if SETTING.match(line):
            text = "\n".join([*lines[:number], line[1:], *lines[number + 1 :]])
            path = tmp_path / "portal.toml"
            path.write_text(text)
            assert load(read_file(str(path))) == Config(), line
            seen += 1
    assert seen == len(list_settings()) - 1


def test_every_setting_is_explained():
    for section in (Config, *list_tables().values()):
        comments = read_comments(section)
        for name in section.__struct_fields__:
            if name not in list_tables():
                assert any(comments[name]), f"{section.__name__}.{name} has no comment"


def test_the_secret_is_named_with_its_place(template):
    assert re.search(r"^# secret: .*\n?.*PORTAL_AMP_SECRET", template, re.MULTILINE)


def test_it_fits_on_a_screen(template):
    assert max(map(len, template.splitlines())) <= WIDTH
    assert template == "\n".join(line.rstrip() for line in template.splitlines()) + "\n"
    assert "\n\n\n\n" not in template


class Sample(Section, frozen=True, kw_only=True):
    """A table."""

    beside: int = 1  # a short word
    # Above it,
    # on two lines.
    above: int = 2
    # A line above
    both: tuple[str, ...] = ("a # b",)  # and one beside
    bare: int = 3


def test_comments_are_found_above_and_beside():
    assert read_comments(Sample) == {
        "beside": ("", "a short word"),
        "above": ("Above it, on two lines.", ""),
        "both": ("A line above", "and one beside"),
        "bare": ("", ""),
    }


def test_what_it_looks_like(template):
    assert (
        "\n[limits]\n#connections = 20_000                 # of players, all together\n" in template
    )
    assert template.startswith("# The configuration of a Portal: every setting")
    assert '\n#json = "auto"' in template
