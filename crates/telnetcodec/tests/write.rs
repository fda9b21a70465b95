//! What goes out to a telnet peer.

use std::borrow::Cow;
use telnetcodec::{escape, text};

#[test]
fn data_is_escaped() {
    for (data, expected) in [
        (&b""[..], &b""[..]),
        (b"\xff", b"\xff\xff"),
        (b"a\xff\xffb\r\n", b"a\xff\xff\xff\xffb\r\n"),
    ] {
        assert_eq!(escape(data), expected);
    }
}

#[test]
fn text_has_telnet_line_ends() {
    for (data, expected) in [
        (&b"look"[..], &b"look"[..]),
        (b"a\nb\r\nc", b"a\r\nb\r\nc"),
        (b"\n", b"\r\n"),
        (b"\n\n", b"\r\n\r\n"),
        (b"a\rb", b"a\r\0b"),
        (b"a\r", b"a\r\0"),
        (b"\r\r\n", b"\r\0\r\n"),
        (b"\xff\n", b"\xff\xff\r\n"),
    ] {
        assert_eq!(text(data), expected);
    }
}

#[test]
fn nothing_is_copied_where_nothing_is_to_do() {
    assert!(matches!(escape(b"a\nb"), Cow::Borrowed(_)));
    assert!(matches!(text(b"ab"), Cow::Borrowed(_)));
}
