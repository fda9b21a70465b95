//! For players who want no colours, and for those who listen.

use crate::piece::{Piece, has_codes, pieces};
use std::borrow::Cow;

/// Take all markup and all ANSI colours away; text without any is handed back as it is.
#[must_use]
pub fn to_plain(text: &str) -> Cow<'_, str> {
    if !has_codes(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        if let Piece::Text(text) = piece {
            out.push_str(text);
        }
    }
    Cow::Owned(out)
}
