//! Game markup to ANSI, HTML and plain text.
//!
//! A text is cut into [`pieces`](piece): text to show as it stands, and changes of [`Style`]. One
//! renderer for each kind of player makes of them what that player's program understands.
//! New codes are new pieces, a new kind of player is a new renderer; neither touches the other.
//!
//! | code | means |
//! |---|---|
//! | `\|r \|g \|y \|b \|m \|c \|w \|x` | bright red, green, yellow, blue, magenta, cyan, white, dark grey |
//! | `\|R \|G \|Y \|B \|M \|C \|W \|X` | the same, dark: `\|W` is light grey, `\|X` black |
//! | `\|[r` ... `\|[X` | the same colours behind the text |
//! | `\|h \|H` | bright, not bright |
//! | `\|n` | back to normal |
//! | `\|/ \|- \|_` | line end, tab, space |
//! | `\|\|` | a `\|` |
//!
//! What is no code stays as text. ANSI colours (`ESC[...m`) that a game wrote itself are
//! understood everywhere; other control characters are left alone.

mod ansi;
mod html;
mod piece;
mod plain;
mod style;

pub use ansi::to_ansi;
pub use html::to_html;
pub use piece::{Piece, Pieces, pieces};
pub use plain::to_plain;
pub use style::{Change, Style};
