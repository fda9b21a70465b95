//! Links: `|lc command |lt text |le` and `|lu address |lt text |le`.

use memchr::memchr_iter;

/// The bytes of `|lc`, `|lu`, `|lt` and `|le`.
pub(crate) const MARK: usize = 3;

const NOWHERE: usize = usize::MAX;

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Command,
    Address,
}

/// Where a text is inside of links. The next `|lt` and `|le` are remembered, so that a text of
/// nothing but `|lc` is not searched again and again.
#[derive(Default)]
pub(crate) struct Links {
    off: bool,
    label_end: Option<usize>,
    next_label: usize,
    next_end: usize,
}

impl Links {
    /// For texts in which links mean nothing.
    pub(crate) fn none() -> Self {
        Self {
            off: true,
            ..Self::default()
        }
    }

    /// Enter the link that begins at a place, if a whole one does: its kind, and where its `|lt`
    /// stands. Links within links are text.
    pub(crate) fn enter(&mut self, text: &str, at: usize) -> Option<(Kind, usize)> {
        let kind = match text.as_bytes().get(at + 2)? {
            b'c' => Kind::Command,
            b'u' => Kind::Address,
            _ => return None,
        };
        if self.off || self.label_end.is_some() {
            return None;
        }
        let bytes = text.as_bytes();
        let label = find(bytes, at + MARK, b't', &mut self.next_label)?;
        let end = find(bytes, label + MARK, b'e', &mut self.next_end)?;
        self.label_end = Some(end);
        Some((kind, label))
    }

    /// Where the text that may be clicked ends, within a link.
    pub(crate) fn label_end(&self) -> Option<usize> {
        self.label_end
    }

    /// Leave the link; returns whether there was one.
    pub(crate) fn leave(&mut self) -> bool {
        self.label_end.take().is_some()
    }
}

/// Find the first `|l` with a letter from a place on; `known` is where the last search ended.
fn find(bytes: &[u8], from: usize, letter: u8, known: &mut usize) -> Option<usize> {
    if *known < from {
        *known = search(bytes, from, letter).unwrap_or(NOWHERE);
    }
    (*known != NOWHERE).then_some(*known)
}

fn search(bytes: &[u8], from: usize, letter: u8) -> Option<usize> {
    let mut escaped = NOWHERE;
    for at in memchr_iter(b'|', &bytes[from..]).map(|at| from + at) {
        if at == escaped {
            continue;
        }
        match bytes.get(at + 1..at + MARK) {
            Some([b'|', _]) => escaped = at + 1,
            Some(&[b'l', found]) if found == letter => return Some(at),
            _ => {}
        }
    }
    None
}
