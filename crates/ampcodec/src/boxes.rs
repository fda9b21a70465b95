//! Boxes: encode, and decode from any segmentation of the stream.
//!
//! A box is `(u16 key length, key, u16 value length, value)*` and ends with a key length of zero.

use crate::BoxError;

/// The longest key.
pub const MAX_KEY: usize = 255;
/// The longest value.
pub const MAX_VALUE: usize = 65_535;

/// Append one key with its value.
pub(crate) fn put_field(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    put_length(out, key.len());
    out.extend_from_slice(key);
    put_length(out, value.len());
    out.extend_from_slice(value);
}

/// Append a length that has been checked to fit.
#[allow(clippy::cast_possible_truncation)] // every caller has checked it
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&(length as u16).to_be_bytes());
}

pub(crate) fn check_key(key: &[u8]) -> Result<(), BoxError> {
    match key.len() {
        0 => Err(BoxError::EmptyKey),
        1..=MAX_KEY => Ok(()),
        size => Err(BoxError::KeyTooLong(size)),
    }
}

/// Write one box with its keys sorted; `fields` come in any order and are left sorted.
pub fn encode_box(fields: &mut [(&[u8], &[u8])]) -> Result<Vec<u8>, BoxError> {
    let mut size = 2;
    for (key, value) in fields.iter() {
        check_key(key)?;
        if value.len() > MAX_VALUE {
            return Err(BoxError::ValueTooLong(value.len()));
        }
        size += 4 + key.len() + value.len();
    }
    fields.sort_unstable_by(|a, b| a.0.cmp(b.0));
    let mut out = Vec::with_capacity(size);
    for (key, value) in fields.iter() {
        put_field(&mut out, key, value);
    }
    put_length(&mut out, 0);
    Ok(out)
}

/// Where a key and its value stand in the bytes of their box.
#[derive(Debug, Clone, Copy)]
struct Span {
    key: usize,
    key_end: usize,
    value: usize,
    value_end: usize,
}

/// The keys and values of one complete box, as slices of the bytes that were read.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Fields<'a> {
    /// Every key with its value, in the order of the wire; a key that is there twice comes twice.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + '_ {
        let bytes = self.bytes;
        let field = move |span: &Span| {
            (
                &bytes[span.key..span.key_end],
                &bytes[span.value..span.value_end],
            )
        };
        self.spans.iter().map(field)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether the box has no keys, which is legal framing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The value of a key; the last one where the key is there twice.
    #[must_use]
    pub fn get(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        self.iter()
            .filter(|(key, _)| *key == wanted)
            .map(|(_, value)| value)
            .last()
    }
}

/// How far the box at hand has been read; positions count from its first byte.
#[derive(Debug, Default)]
struct Progress {
    position: usize,
    spans: Vec<Span>,
    key: Option<(usize, usize)>,
}

impl Progress {
    fn clear(&mut self) {
        self.position = 0;
        self.spans.clear();
        self.key = None;
    }

    /// Read on in the bytes of the box; returns its length once it is complete.
    fn advance(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<usize>, BoxError> {
        loop {
            let Some(length) = read_length(bytes, self.position) else {
                return limits.check_size(bytes.len()).map(|()| None);
            };
            let start = self.position + 2;
            match self.key {
                None if length == 0 => return limits.check_size(start).map(|()| Some(start)),
                None if length > MAX_KEY => return Err(BoxError::KeyTooLong(length)),
                None if self.spans.len() == limits.max_keys => {
                    return Err(BoxError::TooManyKeys(limits.max_keys));
                }
                _ => {}
            }
            let end = start + length;
            limits.check_size(end)?;
            if end > bytes.len() {
                return Ok(None);
            }
            self.position = end;
            match self.key.take() {
                None => self.key = Some((start, end)),
                Some((key, key_end)) => {
                    self.spans.push(Span {
                        key,
                        key_end,
                        value: start,
                        value_end: end,
                    });
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    max_keys: usize,
    max_box: usize,
}

impl Limits {
    fn check_size(self, size: usize) -> Result<(), BoxError> {
        if size > self.max_box {
            Err(BoxError::BoxTooLong(self.max_box))
        } else {
            Ok(())
        }
    }
}

fn read_length(bytes: &[u8], position: usize) -> Option<usize> {
    let field = bytes.get(position..position + 2)?;
    Some(usize::from(u16::from_be_bytes([field[0], field[1]])))
}

/// Reads boxes from a stream in any segmentation; linear in its bytes.
///
/// A box that lies whole in one read is handed out without being copied. A partial one is kept, and
/// read on from where it was left. After an error nothing more is read.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    partial: Vec<u8>,
    progress: Progress,
    error: Option<BoxError>,
}

impl Decoder {
    /// Make a decoder of boxes of at most `max_keys` keys and `max_box` bytes.
    #[must_use]
    pub fn new(max_keys: usize, max_box: usize) -> Self {
        let limits = Limits { max_keys, max_box };
        Self {
            limits,
            partial: Vec::new(),
            progress: Progress::default(),
            error: None,
        }
    }

    /// The bytes of a box that was begun and has not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.partial.len()
    }

    /// The rule that the stream broke.
    #[must_use]
    pub fn error(&self) -> Option<BoxError> {
        self.error
    }

    /// Take bytes of the stream and hand out every box that they complete, in order.
    ///
    /// When the stream breaks a rule, what was complete before it is handed out, `error` is set,
    /// and all later bytes are ignored. An error of `emit` ends the call and is passed on.
    pub fn receive<E>(
        &mut self,
        data: &[u8],
        mut emit: impl FnMut(Fields<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.error.is_some() {
            return Ok(());
        }
        if self.partial.is_empty() {
            let used = self.drain(data, &mut emit)?;
            self.partial.extend_from_slice(&data[used..]);
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(data);
            let used = self.drain(&bytes, &mut emit)?;
            bytes.drain(..used);
            if !bytes.is_empty() {
                self.partial = bytes;
            }
        }
        if self.error.is_some() {
            self.partial = Vec::new();
        }
        Ok(())
    }

    /// Hand out the complete boxes of `bytes`; returns how many bytes they took.
    fn drain<E>(
        &mut self,
        bytes: &[u8],
        emit: &mut impl FnMut(Fields<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            match self.progress.advance(rest, self.limits) {
                Ok(None) => break,
                Ok(Some(size)) => {
                    let fields = Fields {
                        bytes: &rest[..size],
                        spans: &self.progress.spans,
                    };
                    let emitted = emit(fields);
                    self.progress.clear();
                    emitted?;
                    used += size;
                }
                Err(error) => {
                    self.error = Some(error);
                    return Ok(bytes.len());
                }
            }
        }
        Ok(used)
    }
}
