//! For terminals of 16 colours.

use crate::piece::{Piece, has_codes, pieces};
use crate::style::Change;
use std::borrow::Cow;

/// Turn markup into ANSI sequences; text without any is handed back as it is.
///
/// Bright colours are the dark ones with the bright attribute, which every terminal knows. For
/// bright backgrounds there is no such attribute: the dark ones stand in for them.
/// The colours are not reset at the end.
#[must_use]
pub fn to_ansi(text: &str) -> Cow<'_, str> {
    if !has_codes(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Change(change) => push_change(change, &mut out),
            Piece::Sgr(parameters) => {
                out.push_str("\x1b[");
                out.push_str(parameters);
                out.push('m');
            }
        }
    }
    Cow::Owned(out)
}

fn push_change(change: Change, out: &mut String) {
    match change {
        Change::Reset => out.push_str("\x1b[0m"),
        Change::Bright(bright) => push_bright(bright, out),
        Change::Foreground { colour, bright } => {
            push_bright(bright, out);
            push_colour('3', colour, out);
        }
        Change::Background { colour, .. } => push_colour('4', colour, out),
    }
}

fn push_bright(bright: bool, out: &mut String) {
    out.push_str(if bright { "\x1b[1m" } else { "\x1b[22m" });
}

fn push_colour(ground: char, colour: u8, out: &mut String) {
    out.push_str("\x1b[");
    out.push(ground);
    out.push(char::from(b'0' + colour));
    out.push('m');
}
