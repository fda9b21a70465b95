import base64
import hashlib
import re
from importlib import resources

import pytest

from portal.holding import Reason
from portal.wire.absence_page import (
    NOTICES,
    PAGE_HEADERS,
    Fate,
    make_absence_page,
)


def test_every_way_to_be_away_has_words():
    assert set(NOTICES) == {*(reason.name.lower() for reason in Reason), "connected"}


@pytest.mark.parametrize("state", NOTICES)
@pytest.mark.parametrize("fate", Fate)
def test_the_page(state, fate):
    notice = NOTICES[state]
    page = make_absence_page("Harbour", notice, fate).decode()
    assert f'<p role="status">{notice.text}</p>' in page
    assert "<title>Harbour</title>" in page
    assert f"<p>{fate}</p>" in page
    # What a form had sent is not sent again, not even without it.
    again = f'http-equiv="refresh" content="{notice.seconds}"' in page
    assert again is (fate is Fate.NOTHING_SENT)
    assert "<script" not in page


def test_a_name_is_no_markup():
    page = make_absence_page('<b>"A" & B</b>', NOTICES["lost"], Fate.NOTHING_SENT).decode()
    assert "<b>" not in page
    assert page.count("&lt;b&gt;&quot;A&quot; &amp; B&lt;/b&gt;") == 2


def test_the_style_is_the_one_that_the_browser_is_told_of():
    page = make_absence_page("Harbour", NOTICES["starting"], Fate.NOTHING_SENT).decode()
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in PAGE_HEADERS["Content-Security-Policy"]
    assert "script-src" not in PAGE_HEADERS["Content-Security-Policy"]
    assert PAGE_HEADERS["X-Content-Type-Options"] == "nosniff"


def test_its_colours_are_those_of_the_web_client():
    style = resources.files("portal").joinpath("web/style.css").read_text()
    page = make_absence_page("Harbour", NOTICES["starting"], Fate.NOTHING_SENT).decode()
    for colour in re.findall(r"#[0-9a-f]{6}", page):
        assert colour in style
