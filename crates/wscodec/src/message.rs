//! A message that comes in pieces: kept between reads, bounded and checked while it grows.

use crate::decoder::Sink;
use crate::failure::Failure;
use crate::mask::unmask;
use std::str;

/// Fragments without a byte that one message may have. They need no memory and move nothing, so
/// that no other limit would ever stop them; writers that flush at odd moments make a few.
pub const MAX_EMPTY_FRAGMENTS: u8 = 64;

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
}

/// A partial message. It holds no memory while there is none.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) kind: Option<Kind>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) empty_fragments: u8,
    /// So many of the bytes are whole characters.
    checked: usize,
}

impl Message {
    /// Go on with bytes of an earlier life; fails where they are no beginning of a text.
    pub(crate) fn resume(
        kind: Option<Kind>,
        bytes: Vec<u8>,
        empty_fragments: u8,
    ) -> Result<Self, Failure> {
        let mut message = Self {
            kind,
            bytes,
            empty_fragments,
            checked: 0,
        };
        message.check()?;
        Ok(message)
    }

    /// Count a fragment that has no bytes and is not the last.
    pub(crate) fn count_empty(&mut self) -> Result<(), Failure> {
        if self.empty_fragments == MAX_EMPTY_FRAGMENTS {
            return Err(Failure::EmptyFragments);
        }
        self.empty_fragments += 1;
        Ok(())
    }

    /// Add masked bytes, which the caller has found to be within `limit` for the whole message.
    pub(crate) fn push(
        &mut self,
        masked: &[u8],
        mask: [u8; 4],
        limit: usize,
    ) -> Result<(), Failure> {
        let known = self.bytes.len();
        if self.bytes.capacity() - known < masked.len() {
            // Doubled like any vector, so that tiny fragments are not copied again and again;
            // but memory follows what came, not what was announced, and ends at the limit.
            let room = limit.saturating_sub(known);
            self.bytes.reserve_exact(masked.len().max(known.min(room)));
        }
        self.bytes.extend_from_slice(masked);
        unmask(&mut self.bytes[known..], mask);
        self.check()
    }

    /// Hand the message out; there is none then.
    pub(crate) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), Failure> {
        let message = std::mem::take(self);
        match message.kind {
            Some(Kind::Text) => text(&message.bytes, sink)?,
            _ => sink.binary(&message.bytes),
        }
        Ok(())
    }

    /// Check what is new of a text; a character may still be cut at the end.
    fn check(&mut self) -> Result<(), Failure> {
        if self.kind == Some(Kind::Text) {
            match str::from_utf8(&self.bytes[self.checked..]) {
                Ok(_) => self.checked = self.bytes.len(),
                Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
                Err(_) => return Err(Failure::InvalidText),
            }
        }
        Ok(())
    }
}

/// Hand out a whole text.
pub(crate) fn text(bytes: &[u8], sink: &mut impl Sink) -> Result<(), Failure> {
    sink.text(str::from_utf8(bytes).map_err(|_| Failure::InvalidText)?);
    Ok(())
}
