//! The parser: one pass over a text, handing out slices of it.

use crate::style::Change;
use memchr::{memchr2, memchr2_iter};

const ESCAPE: u8 = 0x1b;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Shown as it stands.
    Text(&'a str),
    /// A markup code that changes how the following text looks.
    Change(Change),
    /// `ESC[` parameters `m`, written by the game itself; these are the parameters.
    Sgr(&'a str),
}

/// The pieces of one text, in order.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a str,
}

/// Cut a text into its pieces. Joined again they are the whole of it.
#[must_use]
pub fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text }
}

/// Whether a text has anything but text in it.
pub(crate) fn has_codes(text: &str) -> bool {
    memchr2(b'|', ESCAPE, text.as_bytes()).is_some()
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some((piece, length)) = code(self.rest) {
            self.rest = &self.rest[length..];
            return Some(piece);
        }
        // A `|` or ESC that begins no code belongs to the text.
        let end = memchr2_iter(b'|', ESCAPE, self.rest.as_bytes())
            .find(|at| code(&self.rest[*at..]).is_some())
            .unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(Piece::Text(text))
    }
}

/// The code that a text begins with, and its length.
fn code(text: &str) -> Option<(Piece<'_>, usize)> {
    let bytes = text.as_bytes();
    match (*bytes.first()?, *bytes.get(1)?) {
        (b'|', b'[') => {
            let (colour, bright) = colour(*bytes.get(2)?)?;
            Some((Piece::Change(Change::Background { colour, bright }), 3))
        }
        (b'|', letter) => Some((markup(letter)?, 2)),
        (ESCAPE, b'[') => {
            let parameters = &text[2..];
            let length = parameters
                .bytes()
                .position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
            let ends = parameters.as_bytes()[length] == b'm';
            ends.then(|| (Piece::Sgr(&parameters[..length]), length + 3))
        }
        _ => None,
    }
}

/// The meaning of `|` and a letter.
fn markup(letter: u8) -> Option<Piece<'static>> {
    Some(match letter {
        b'|' => Piece::Text("|"),
        b'/' => Piece::Text("\n"),
        b'-' => Piece::Text("\t"),
        b'_' => Piece::Text(" "),
        b'n' => Piece::Change(Change::Reset),
        b'h' => Piece::Change(Change::Bright(true)),
        b'H' => Piece::Change(Change::Bright(false)),
        _ => {
            let (colour, bright) = colour(letter)?;
            Piece::Change(Change::Foreground { colour, bright })
        }
    })
}

/// The number of a colour in the order of ANSI, and whether it is the bright one of the two.
fn colour(letter: u8) -> Option<(u8, bool)> {
    let number = b"xrgybmcw"
        .iter()
        .position(|each| *each == letter.to_ascii_lowercase())?;
    Some((u8::try_from(number).ok()?, letter.is_ascii_lowercase()))
}
