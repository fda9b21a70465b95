"""Nobody takes everything and does nothing."""

from portal.hub.protocol import NOBODY


def test_nobody_has_every_verb():
    assert NOBODY.receive_data(b"data") is None
    assert NOBODY.receive_eof() is None
    assert NOBODY.connection_lost(OSError()) is None
