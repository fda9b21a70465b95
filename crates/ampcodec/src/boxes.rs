//! Boxes: `(key length: u16be, key, value length: u16be, value)*` and then two zero bytes.
//!
//! [`BoxWriter`] writes one box with its keys sorted, as stock AMP does. [`Decoder`] finds boxes in
//! bytes that arrive in any segmentation: a box that lies whole in what was read is handed out
//! without a copy, and of one that does not, each byte is copied once.

use crate::BoxError;
use std::ops::Range;

/// The most bytes of a key. A larger length cannot be told from other protocols' bytes.
pub const MAX_KEY: usize = 255;
/// The most bytes of a value: its length is a u16.
pub const MAX_VALUE: usize = u16::MAX as usize;
/// Buffers that grew beyond this for one long box are given back after it.
pub(crate) const KEPT_BUFFER: usize = 256 * 1024;

/// Check a key that is to be written.
pub(crate) fn check_key(key: &[u8]) -> Result<(), BoxError> {
    match key.len() {
        0 => Err(BoxError::EmptyKey),
        size if size > MAX_KEY => Err(BoxError::KeyTooLong(size)),
        _ => Ok(()),
    }
}

/// Append a length; keys and values have been checked before.
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u16::try_from(length).expect("lengths are checked before they are written");
    out.extend_from_slice(&length.to_be_bytes());
}

/// Append a key and its value; both have been checked before.
pub(crate) fn put_field(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    put_length(out, key.len());
    out.extend_from_slice(key);
    put_length(out, value.len());
    out.extend_from_slice(value);
}

/// Writes one box at a time; its buffers are used again for the next.
#[derive(Debug, Default)]
pub struct BoxWriter {
    /// Room for the box; zeros are written into it once, not for each box.
    room: Vec<u8>,
    used: usize,
    /// Where the last key lies in it.
    last_key: Range<usize>,
    out_of_order: bool,
}

impl BoxWriter {
    /// Begin a box; what was written before is gone.
    pub fn clear(&mut self) {
        if self.room.len() > KEPT_BUFFER {
            self.room = Vec::new();
        }
        self.used = 0;
        self.last_key = 0..0;
        self.out_of_order = false;
    }

    /// Add a key and its value, in any order; the caller sees to it that no key comes twice.
    ///
    /// Errors: `EmptyKey`, `KeyTooLong`, `ValueTooLong`.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BoxError> {
        check_key(key)?;
        if value.len() > MAX_VALUE {
            return Err(BoxError::ValueTooLong(value.len()));
        }
        self.out_of_order |= self.room[self.last_key.clone()] >= *key;
        let start = self.used;
        self.last_key = start + 2..start + 2 + key.len();
        self.used = self.last_key.end + 2 + value.len();
        if self.room.len() < self.used + 2 {
            self.room.resize(2 * self.used + 64, 0);
        }
        let rest = write_counted(&mut self.room[start..], key);
        let rest = write_counted(rest, value);
        rest[..2].copy_from_slice(&[0, 0]);
        Ok(())
    }

    /// End the box and give its bytes, keys sorted.
    pub fn finish(&mut self) -> &[u8] {
        if self.out_of_order {
            self.sort();
        }
        match self.used {
            0 => &[0, 0],
            used => &self.room[..used + 2],
        }
    }

    /// Put the fields into the order of their keys.
    fn sort(&mut self) {
        let mut decoder = Decoder::new(Limits::NONE);
        let mut input = &self.room[..self.used + 2];
        let Ok(Some(raw)) = decoder.next_box(&mut input) else {
            unreachable!("what was written is a box");
        };
        let mut fields: Vec<_> = raw.fields().collect();
        fields.sort_unstable_by_key(|(key, _)| *key);
        let mut sorted = Vec::with_capacity(self.room.len());
        for (key, value) in fields {
            put_field(&mut sorted, key, value);
        }
        sorted.extend_from_slice(&[0, 0]);
        self.room = sorted;
    }
}

/// Write bytes behind their length; gives what of `out` is behind both.
fn write_counted<'a>(out: &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    #[allow(clippy::cast_possible_truncation)] // lengths are checked before they are written
    let length = (bytes.len() as u16).to_be_bytes();
    let (place, out) = out.split_at_mut(length.len());
    place.copy_from_slice(&length);
    let (place, out) = out.split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    out
}

/// Where a key and its value lie in a box.
#[derive(Clone, Copy, Debug)]
struct Field {
    start: usize,
    key: u8,
    value: u16,
}

impl Field {
    #[allow(clippy::cast_possible_truncation)] // both lengths are checked by every caller
    fn new(start: usize, key: usize, value: usize) -> Self {
        Self {
            start,
            key: key as u8,
            value: value as u16,
        }
    }

    fn value_start(self) -> usize {
        self.start + 4 + usize::from(self.key)
    }

    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start + 2..][..usize::from(self.key)]
    }

    fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.value_start()..][..usize::from(self.value)]
    }
}

/// One whole box, as it lies in what was received.
#[derive(Clone, Copy, Debug)]
pub struct RawBox<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
}

impl<'a> RawBox<'a> {
    /// How many keys there are, repeated ones counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether the box has no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Bytes of the box on the wire.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Keys and values in the order of their arrival. Of a repeated key the last value counts.
    #[must_use]
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.fields
            .iter()
            .map(move |field| (field.key(bytes), field.value(bytes)))
    }

    /// The value of a key; the last one where it is repeated.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&'a [u8]> {
        let field = self
            .fields
            .iter()
            .rev()
            .find(|field| field.key(self.bytes) == key)?;
        Some(field.value(self.bytes))
    }
}

/// What one box may have at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Keys, repeated ones counted.
    pub keys: usize,
    /// Bytes on the wire, with the two that end the box.
    pub bytes: usize,
}

impl Limits {
    /// For bytes whose number is known to be small: no limit but their own.
    pub const NONE: Self = Self {
        keys: usize::MAX,
        bytes: usize::MAX,
    };
}

/// Finds boxes in a stream of bytes; linear in the bytes for any segmentation.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// Bytes of a box whose end has not come; empty while boxes come whole.
    partial: Vec<u8>,
    /// What is known of the box that is being read.
    fields: Vec<Field>,
    /// Bytes of the box that `fields` describes.
    parsed: usize,
    /// Bytes of the box that must be there before more can be said of it.
    needed: usize,
    /// The box in `partial` was handed out.
    taken: bool,
    error: Option<BoxError>,
}

impl Decoder {
    /// Make a decoder for a new stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            partial: Vec::new(),
            fields: Vec::new(),
            parsed: 0,
            needed: 0,
            taken: false,
            error: None,
        }
    }

    /// Bytes of a box that was begun and has not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        if self.taken { 0 } else { self.partial.len() }
    }

    /// Why the stream cannot be read any further.
    #[must_use]
    pub fn error(&self) -> Option<BoxError> {
        self.error
    }

    /// Take the next box from `input`, which is cut down to what follows it.
    ///
    /// `None`: all of `input` was read, and no further box is complete. Call it until then.
    /// Errors: a rule of framing is broken (`KeyTooLong`, `TooManyKeys`, `BoxTooLong`); the stream
    /// cannot be read any further, and each later call gives the same error.
    pub fn next_box<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<RawBox<'a>>, BoxError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.taken {
            self.forget();
        }
        if !self.partial.is_empty() {
            return self.continue_box(input);
        }
        self.fields.clear();
        self.parsed = 0;
        let bytes = *input;
        let Some(size) = self.parse(bytes)? else {
            self.partial.extend_from_slice(bytes);
            *input = &[];
            return Ok(None);
        };
        *input = &bytes[size..];
        Ok(Some(RawBox {
            bytes: &bytes[..size],
            fields: &self.fields,
        }))
    }

    /// Go on with a box that began in an earlier read, copying as much as belongs to it.
    fn continue_box<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<RawBox<'a>>, BoxError> {
        loop {
            let wanted = self.needed - self.partial.len();
            let (taken, rest) = input.split_at(wanted.min(input.len()));
            self.partial.extend_from_slice(taken);
            *input = rest;
            if taken.len() < wanted {
                return Ok(None);
            }
            let partial = std::mem::take(&mut self.partial);
            let parsed = self.parse(&partial);
            self.partial = partial;
            if parsed?.is_some() {
                self.taken = true;
                return Ok(Some(RawBox {
                    bytes: &self.partial,
                    fields: &self.fields,
                }));
            }
        }
    }

    /// Describe the box at the start of `bytes` as far as it goes; its size when it ends in them.
    fn parse(&mut self, bytes: &[u8]) -> Result<Option<usize>, BoxError> {
        loop {
            let start = self.parsed;
            let Some(key) = length_at(bytes, start) else {
                self.needed = start + 2;
                return Ok(None);
            };
            if key == 0 {
                return Ok(Some(start + 2));
            }
            self.check(key, start)?;
            let Some(value) = length_at(bytes, start + 2 + key) else {
                self.needed = start + 4 + key;
                return Ok(None);
            };
            let end = start + 4 + key + value;
            if end + 2 > self.limits.bytes {
                return Err(self.fail(BoxError::BoxTooLong(self.limits.bytes)));
            }
            if end > bytes.len() {
                self.needed = end;
                return Ok(None);
            }
            self.fields.push(Field::new(start, key, value));
            self.parsed = end;
        }
    }

    /// Refuse a field by the length of its key, before any more of it is stored.
    fn check(&mut self, key: usize, start: usize) -> Result<(), BoxError> {
        if key > MAX_KEY {
            return Err(self.fail(BoxError::KeyTooLong(key)));
        }
        if self.fields.len() >= self.limits.keys {
            return Err(self.fail(BoxError::TooManyKeys(self.limits.keys)));
        }
        if start + 6 + key > self.limits.bytes {
            return Err(self.fail(BoxError::BoxTooLong(self.limits.bytes)));
        }
        Ok(())
    }

    fn fail(&mut self, error: BoxError) -> BoxError {
        self.error = Some(error);
        self.taken = true; // nothing is pending in a stream that is not read any further
        error
    }

    /// Make room for the next box.
    fn forget(&mut self) {
        self.taken = false;
        self.partial.clear();
        self.partial.shrink_to(KEPT_BUFFER);
    }
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let pair = bytes.get(at..at + 2)?;
    Some(usize::from(u16::from_be_bytes([pair[0], pair[1]])))
}
