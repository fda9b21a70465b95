//! The parser: one pass over a text, handing out slices of it.

use crate::code::code;
use crate::link::{Kind, Links, MARK};
use crate::rules::{Found, Meaning, Rules};
use crate::style::Change;
use memchr::{memchr, memchr3};

pub(crate) const ESCAPE: u8 = 0x1b;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Shown as it stands.
    Text(&'a str),
    /// A markup code that changes how the following text looks.
    Change(Change),
    /// `ESC[` parameters `m`, written by the game itself; these are the parameters.
    Sgr(&'a str),
    /// Another sequence that begins with `ESC[`, the whole of it.
    Control(&'a str),
    /// What follows may be clicked, until `LinkEnd`: a command of the game. It is markup itself.
    Command(&'a str),
    /// The same, with the address of a page.
    Address(&'a str),
    /// The clickable part is over.
    LinkEnd,
}

/// The pieces of one text, in order; time grows with the length of the text only.
pub struct Pieces<'a> {
    text: &'a str,
    at: usize,
    rules: Option<&'a Rules>,
    /// The code behind the text that was handed out last.
    ready: Option<Piece<'a>>,
    /// What a rule of the game stands for, as far as it has not been handed out.
    given: &'a str,
    /// The next of the usual signs, and the next match of the rules.
    special: Option<usize>,
    found: Found,
    links: Links,
}

/// Whether a text has anything but text in it, for a game without rules of its own.
pub(crate) fn has_codes(text: &str) -> bool {
    memchr3(b'|', ESCAPE, b'{', text.as_bytes()).is_some()
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(text: &'a str, rules: Option<&'a Rules>) -> Self {
        Self {
            text,
            at: 0,
            rules,
            ready: None,
            given: "",
            special: None,
            found: Found::default(),
            links: Links::default(),
        }
    }

    /// Cut what stands within a link, where another link is text.
    pub(crate) fn without_links(text: &'a str, rules: Option<&'a Rules>) -> Self {
        Self {
            links: Links::none(),
            ..Self::new(text, rules)
        }
    }

    pub(crate) fn rules(&self) -> Option<&'a Rules> {
        self.rules
    }

    /// The next place from `from` on where a code may begin; `end` where there is none.
    fn candidate(&mut self, from: usize, end: usize) -> usize {
        let Some(rules) = self.rules else {
            return find_special(self.text, from, end);
        };
        // Where the rules meet first, this is not searched again and again.
        if self.special.is_none_or(|place| place < from) {
            self.special = Some(find_special(self.text, from, self.text.len()));
        }
        let place = self.special.unwrap_or(end).min(end);
        place.min(rules.find(self.text, from, end, &mut self.found))
    }

    /// The code at a place where one may begin, and its length.
    fn code(&mut self, at: usize) -> Option<(Piece<'a>, usize)> {
        let bytes = &self.text.as_bytes()[at..];
        let second = bytes.get(1).copied();
        match (bytes[0], second) {
            (b'|', Some(b'|')) => return Some((Piece::Text("|"), 2)),
            (b'{', Some(b'{')) => return Some((Piece::Text("{"), 2)),
            _ => {}
        }
        if let Some(rules) = self.rules
            && let Some((meaning, length)) = rules.at(self.text, at, &self.found)
        {
            return Some((self.give(meaning), length));
        }
        match (bytes[0], second?) {
            (b'|', b'l') => self.link(at),
            (b'|', _) if self.rules.is_none_or(Rules::with_default) => code(bytes),
            (b'|', b'#' | b'[') => hexadecimal_code(bytes),
            (ESCAPE, b'[') => sequence(&self.text[at..]),
            _ => None,
        }
    }

    fn link(&mut self, at: usize) -> Option<(Piece<'a>, usize)> {
        let (kind, label) = self.links.enter(self.text, at)?;
        let target = &self.text[at + MARK..label];
        let piece = match kind {
            Kind::Command => Piece::Command(target),
            Kind::Address => Piece::Address(target),
        };
        Some((piece, label + MARK - at))
    }

    /// The first piece of what a rule stands for; the others follow.
    fn give(&mut self, meaning: Meaning<'a>) -> Piece<'a> {
        match meaning {
            Meaning::Change(change) => Piece::Change(change),
            Meaning::Given(given) => {
                self.given = given;
                self.next_given()
            }
        }
    }

    /// What is left of that: text and sequences.
    fn next_given(&mut self) -> Piece<'a> {
        let (piece, length) = match memchr(ESCAPE, self.given.as_bytes()) {
            Some(0) => sequence(self.given).unwrap_or((Piece::Text(&self.given[..1]), 1)),
            Some(at) => (Piece::Text(&self.given[..at]), at),
            None => (Piece::Text(self.given), self.given.len()),
        };
        self.given = &self.given[length..];
        piece
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(piece) = self.ready.take() {
            return Some(piece);
        }
        if !self.given.is_empty() {
            return Some(self.next_given());
        }
        let begun = self.at;
        let end = self.links.label_end().unwrap_or(self.text.len());
        let mut place = self.candidate(begun, end);
        while place < end {
            let found = self.code(place);
            if let Some((piece, length)) = found.filter(|(_, length)| place + length <= end) {
                self.at = place + length;
                if place == begun {
                    return Some(piece);
                }
                self.ready = Some(piece);
                return Some(Piece::Text(&self.text[begun..place]));
            }
            // What begins no code belongs to the text.
            place = self.candidate(place + 1, end);
        }
        self.at = end;
        if begun < end {
            return Some(Piece::Text(&self.text[begun..end]));
        }
        self.links.leave().then(|| {
            self.at = end + MARK;
            Piece::LinkEnd
        })
    }
}

/// The first place between two others where one of the usual codes may begin; else the second.
fn find_special(text: &str, from: usize, end: usize) -> usize {
    let bytes = &text.as_bytes()[from..end];
    memchr3(b'|', ESCAPE, b'{', bytes).map_or(end, |at| from + at)
}

/// `|#rrggbb` and `|[#rrggbb`, which a game without the usual codes has as well.
fn hexadecimal_code(bytes: &[u8]) -> Option<(Piece<'static>, usize)> {
    let behind = bytes[1] == b'[';
    let digits = &bytes[if behind { 2 } else { 1 }..];
    (*digits.first()? == b'#').then(|| code(bytes))?
}

/// The sequence that a text begins with (`ESC[`, parameters, a letter), and its length.
fn sequence(text: &str) -> Option<(Piece<'_>, usize)> {
    let parameters = text.get(2..)?;
    let length = parameters
        .bytes()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':' | b'?'))?;
    match parameters.as_bytes()[length] {
        b'm' if !parameters[..length].contains('?') => {
            Some((Piece::Sgr(&parameters[..length]), length + 3))
        }
        b'@' | b'A'..=b'Z' | b'a'..=b'z' => Some((Piece::Control(&text[..length + 3]), length + 3)),
        _ => None,
    }
}
