//! Game markup to ANSI, HTML, MXP and plain text.
//!
//! A text is cut into [`Pieces`]: text to show as it stands, changes of [`Style`], and links. One
//! renderer for each kind of player makes of them what that player's program understands.
//! New codes are new pieces, a new kind of player is a new renderer; neither touches the other.
//!
//! | code | means |
//! |---|---|
//! | `\|r \|g \|y \|b \|m \|c \|w \|x` | bright red, green, yellow, blue, magenta, cyan, white, dark grey |
//! | `\|R \|G \|Y \|B \|M \|C \|W \|X` | the same, dark: `\|W` is light grey, `\|X` black |
//! | `\|!R` ... `\|!X` | the same, as bright as before |
//! | `\|500` | red, green and blue of xterm's palette, 0 to 5 each |
//! | `\|=a` ... `\|=z` | greys of the palette, from black to white |
//! | `\|#ff0000`, `\|#f00` | red, green and blue |
//! | `\|[r`, `\|[R`, `\|[500`, `\|[=a`, `\|[#f00` | the same colours behind the text |
//! | `\|h \|H` | bright, not bright |
//! | `\|u \|U`, `\|i \|I`, `\|s \|S` | underlined, italic, struck through, and not |
//! | `\|* \|^` | inverse, blinking |
//! | `\|n` | back to normal |
//! | `\|/ \|- \|_ \|>` | line end, tab, space, four spaces |
//! | `\|lc` command `\|lt` text `\|le` | text that may be clicked, as if the command was typed |
//! | `\|lu` address `\|lt` text `\|le` | text that leads to a page |
//! | `\|\|`, `{{` | a `\|`, a `{` |
//!
//! What is no code stays as text. ANSI colours (`ESC[...m`) that a game wrote itself are
//! understood everywhere. A game may add codes of its own ([`Additions`]).

mod address;
mod code;
mod colour;
mod html;
mod link;
mod piece;
mod rules;
mod speech;
mod style;
mod terminal;

pub use colour::Colour;
pub use piece::{Piece, Pieces};
pub use rules::{Additions, LONGEST_MATCH, Refused};
pub use speech::Speech;
pub use style::{Change, Style};
pub use terminal::Abilities;

use rules::Rules;
use std::borrow::Cow;

/// The markup of one game. It never changes; all its methods take time in proportion to the text.
#[derive(Default)]
pub struct Markup {
    rules: Option<Box<Rules>>,
}

impl Markup {
    /// The usual codes with a game's additions; those that cannot be followed are handed back.
    #[must_use]
    pub fn new(additions: &Additions) -> (Self, Vec<Refused>) {
        let (rules, refused) = Rules::compile(additions);
        let rules = rules.map(Box::new);
        (Self { rules }, refused)
    }

    /// Cut a text into its pieces.
    #[must_use]
    pub fn pieces<'a>(&'a self, text: &'a str) -> Pieces<'a> {
        Pieces::new(text, self.rules.as_deref())
    }

    /// Turn markup into what a terminal shows; text without any is handed back as it is.
    ///
    /// Colours that the terminal has not become the nearest that it has. Colours that a text
    /// leaves on are reset at its end.
    #[must_use]
    pub fn to_terminal<'a>(&self, text: &'a str, abilities: Abilities) -> Cow<'a, str> {
        let plain = self.rules.is_none()
            && !piece::has_codes(text)
            && !(abilities.mxp && text.bytes().any(terminal::is_special));
        if plain {
            return Cow::Borrowed(text);
        }
        unless_same(
            text,
            terminal::render(self.pieces(text), abilities, text.len()),
        )
    }

    /// Take all markup and all ANSI colours away; text without any is handed back as it is.
    #[must_use]
    pub fn to_plain<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.to_terminal(text, Abilities::default())
    }

    /// Turn markup into HTML; text that needs no change is handed back as it is.
    ///
    /// Styled text stands in `<span class="underline bgcolor-001 color-009">`, the numbers being
    /// those of the xterm palette; other colours are in a `style`. Spans never nest and are all
    /// closed; so are links. Line ends are `<br>`, tabs four spaces, runs of spaces stay: show the
    /// result with `white-space: pre-wrap`. Without `styled` there are links but no spans.
    #[must_use]
    pub fn to_html<'a>(&self, text: &'a str, styled: bool) -> Cow<'a, str> {
        if html::changes_nothing(text, self.rules.as_deref()) {
            return Cow::Borrowed(text);
        }
        unless_same(text, html::render(self.pieces(text), styled, text.len()))
    }
}

/// Turn text that is no markup into HTML, in the form of `Markup::to_html`.
#[must_use]
pub fn text_to_html(text: &str) -> Cow<'_, str> {
    unless_same(text, html::render_plain(text))
}

fn unless_same(text: &str, rendered: String) -> Cow<'_, str> {
    if rendered == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(rendered)
    }
}
