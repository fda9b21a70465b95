//! The line that a player is typing: kept between reads, edited, and bounded while it grows.

use crate::command::{BACKSPACE, DELETE, NUL};
use crate::decoder::{Overflow, Sink};
use memchr::memchr3;

/// A partial line. It holds no memory while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) bytes: Vec<u8>,
    /// The line grew too long: everything up to its end is thrown away unseen.
    pub(crate) discarding: bool,
}

impl Line {
    /// Add what the player typed; none of it ends the line.
    pub(crate) fn push(&mut self, text: &[u8], limit: usize, sink: &mut impl Sink) {
        if memchr3(NUL, BACKSPACE, DELETE, text).is_none() {
            self.append(text, limit, sink);
            return;
        }
        for byte in text {
            match *byte {
                NUL if self.bytes.is_empty() && !self.discarding => sink.keepalive(),
                NUL => {}
                BACKSPACE | DELETE => self.erase_character(),
                _ => self.append(std::slice::from_ref(byte), limit, sink),
            }
        }
    }

    /// Add the last of the line, hand the line out and begin the next one.
    pub(crate) fn end(&mut self, text: &[u8], limit: usize, sink: &mut impl Sink) {
        let whole = self.bytes.is_empty() && !self.discarding && text.len() <= limit;
        if whole && memchr3(NUL, BACKSPACE, DELETE, text).is_none() {
            sink.line(text);
            return;
        }
        self.push(text, limit, sink);
        let bytes = std::mem::take(&mut self.bytes);
        if !std::mem::take(&mut self.discarding) {
            sink.line(&bytes);
        }
    }

    /// Add bytes that are data whatever they are.
    pub(crate) fn append(&mut self, bytes: &[u8], limit: usize, sink: &mut impl Sink) {
        if self.discarding {
            return;
        }
        if self.bytes.len() + bytes.len() <= limit {
            self.bytes.extend_from_slice(bytes);
            return;
        }
        self.bytes = Vec::new();
        self.discarding = true;
        sink.overflow(Overflow::Line, limit + 1);
    }

    /// Take back the last character, all bytes of it where it is UTF-8.
    ///
    /// Bytes that are no UTF-8 (another encoding) are taken back one by one.
    pub(crate) fn erase_character(&mut self) {
        let length = self.bytes.len();
        let wide = (2..=4.min(length)).find(|width| {
            std::str::from_utf8(&self.bytes[length - width..])
                .is_ok_and(|tail| tail.chars().count() == 1)
        });
        self.bytes.truncate(length - wide.unwrap_or(1.min(length)));
    }

    /// Take back everything; a line that grew too long stays thrown away.
    pub(crate) fn erase(&mut self) {
        self.bytes = Vec::new();
    }
}
