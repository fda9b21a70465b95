//! For browsers: spans with classes, and nothing of the text taken for HTML.

use crate::piece::{Piece, pieces};
use crate::style::Style;
use std::borrow::Cow;

/// Turn markup into HTML; text without any, and without `< > & " '`, is handed back as it is.
///
/// Coloured text stands in `<span class="color-009 bgcolor-001">`, the numbers being those of the
/// xterm palette. Spans never nest and are all closed. Line ends, tabs and runs of spaces stay
/// as they are: show the result with `white-space: pre-wrap`.
#[must_use]
pub fn to_html(text: &str) -> Cow<'_, str> {
    if !text
        .bytes()
        .any(|byte| byte == b'|' || byte == b'\x1b' || entity(byte).is_some())
    {
        return Cow::Borrowed(text);
    }
    let mut page = Page::default();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => page.push(text),
            Piece::Change(change) => page.style.apply(change),
            Piece::Sgr(parameters) => page.style.apply_sgr(parameters),
        }
    }
    page.close();
    Cow::Owned(page.out)
}

/// HTML in the making. A span is begun only when there is text to put into it.
#[derive(Default)]
struct Page {
    out: String,
    style: Style,
    shown: Style,
}

impl Page {
    fn push(&mut self, text: &str) {
        if self.style != self.shown {
            self.close();
            self.open();
        }
        let mut copied = 0;
        for (at, byte) in text.bytes().enumerate() {
            if let Some(entity) = entity(byte) {
                self.out.push_str(&text[copied..at]);
                self.out.push_str(entity);
                copied = at + 1;
            }
        }
        self.out.push_str(&text[copied..]);
    }

    fn open(&mut self) {
        self.shown = self.style;
        if self.shown == Style::default() {
            return;
        }
        let grounds = [
            ("color-", self.shown.seen_foreground()),
            ("bgcolor-", self.shown.background),
        ];
        let mut before = "<span class=\"";
        for (name, colour) in grounds {
            if let Some(colour) = colour {
                self.out.push_str(before);
                self.out.push_str(name);
                self.out
                    .extend([colour / 100, colour / 10 % 10, colour % 10].map(digit));
                before = " ";
            }
        }
        self.out.push_str("\">");
    }

    fn close(&mut self) {
        if self.shown != Style::default() {
            self.out.push_str("</span>");
            self.shown = Style::default();
        }
    }
}

fn digit(number: u8) -> char {
    char::from(b'0' + number)
}

/// What stands in HTML for a character that has a meaning there.
fn entity(byte: u8) -> Option<&'static str> {
    match byte {
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'&' => Some("&amp;"),
        b'"' => Some("&quot;"),
        b'\'' => Some("&#x27;"),
        _ => None,
    }
}
