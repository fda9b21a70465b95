//! `Compressed`: a long value cut into pieces, each a zlib stream under a key of its own.
//!
//! The keys are `name`, `name.2`, `name.3` ... Stock cuts at 65535 bytes and loses the message when
//! a piece grows over that in deflating. [`Deflater`] cuts at the same places and writes such a
//! piece as two stored streams instead. [`Inflater`] takes pieces of any size and by number, never
//! by arrival (on the wire `name.10` stands before `name.2`), up to a cap over all of them.

use crate::BoxError;
use crate::boxes::{KEPT_BUFFER, MAX_KEY, MAX_VALUE, check_key};
use crate::stored::{MAX_CONTENT, OVERHEAD, put_stored, stored_content};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::ops::Range;

/// Room beyond the content that deflating may take before it is given up for stored blocks.
const GROWTH: usize = 64;
/// The least that the room for inflated bytes grows by.
const LEAST_ROOM: usize = 1024;

/// A piece of a value: where its stream comes from.
#[derive(Clone, Debug)]
enum Piece {
    /// A range of the value itself, to be written as a stored stream.
    Stored(Range<usize>),
    /// A range of the deflater's output.
    Deflated(Range<usize>),
}

/// Cuts and deflates; its state, 300 KB of it, is used again for the next value.
#[derive(Debug, Default)]
pub struct Deflater {
    state: Option<(u8, Compress)>,
    /// Room for deflated pieces; zeros are written into it once, not for each value.
    output: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Deflater {
    /// Cut `value` and deflate its pieces. Level 0 stores them, 1 to 9 are zlib's, more count as 9.
    pub fn deflate<'a>(&'a mut self, value: &'a [u8], level: u8) -> Pieces<'a> {
        self.pieces.clear();
        if level == 0 {
            self.store(0..value.len());
        } else {
            self.deflate_pieces(value, level.min(9));
        }
        Pieces {
            value,
            output: &self.output,
            all: &self.pieces,
        }
    }

    fn deflate_pieces(&mut self, value: &[u8], level: u8) {
        self.output.truncate(KEPT_BUFFER);
        self.output.shrink_to(KEPT_BUFFER);
        let mut used = 0;
        for start in (0..value.len().max(1)).step_by(MAX_VALUE) {
            let piece = start..value.len().min(start + MAX_VALUE);
            match self.deflate_piece(&value[piece.clone()], used, level) {
                Some(size) => {
                    self.pieces.push(Piece::Deflated(used..used + size));
                    used += size;
                }
                None => self.store(piece),
            }
        }
    }

    /// Deflate one piece to `used`; `None` when the result would be longer than a value may be.
    fn deflate_piece(&mut self, content: &[u8], used: usize, level: u8) -> Option<usize> {
        let room = (content.len() + content.len() / 8 + GROWTH).min(MAX_VALUE);
        if self.output.len() < used + room {
            self.output.resize(used + room, 0);
        }
        let state = ready_state(&mut self.state, level);
        let output = &mut self.output[used..used + room];
        match state.compress(content, output, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => usize::try_from(state.total_out()).ok(),
            _ => None,
        }
    }

    /// Cut a range of the value into stored pieces; at least one, also of nothing.
    fn store(&mut self, range: Range<usize>) {
        for start in range.clone().step_by(MAX_CONTENT) {
            self.pieces
                .push(Piece::Stored(start..range.end.min(start + MAX_CONTENT)));
        }
        if range.is_empty() {
            self.pieces.push(Piece::Stored(range));
        }
    }
}

/// The deflate state, ready for a new stream; made anew only when the level is another.
fn ready_state(state: &mut Option<(u8, Compress)>, level: u8) -> &mut Compress {
    if state.as_ref().is_none_or(|(known, _)| *known != level) {
        *state = None;
    }
    let (_, compress) = state.get_or_insert_with(|| {
        (
            level,
            Compress::new(Compression::new(u32::from(level)), true),
        )
    });
    compress.reset();
    compress
}

/// The pieces of one value, in the order of their numbers.
#[derive(Clone, Copy, Debug)]
pub struct Pieces<'a> {
    value: &'a [u8],
    output: &'a [u8],
    all: &'a [Piece],
}

impl Pieces<'_> {
    /// How many there are; never none.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Bytes of the stream of one of them, the first being 0.
    #[must_use]
    pub fn size(&self, index: usize) -> usize {
        match &self.all[index] {
            Piece::Stored(range) => range.len() + OVERHEAD,
            Piece::Deflated(range) => range.len(),
        }
    }

    /// Append the stream of one of them.
    pub fn put(&self, index: usize, out: &mut Vec<u8>) {
        match &self.all[index] {
            Piece::Stored(range) => put_stored(out, &self.value[range.clone()]),
            Piece::Deflated(range) => out.extend_from_slice(&self.output[range.clone()]),
        }
    }
}

/// Append the key of a piece: `name` for the first, `name.2` for the second.
pub fn put_key(name: &[u8], index: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    if index > 0 {
        out.push(b'.');
        out.extend_from_slice((index + 1).to_string().as_bytes());
    }
}

/// Check that every piece's key can be written.
///
/// Errors: `EmptyKey`; `KeyTooLong` for the key of the last piece, which is the longest.
pub fn check_name(name: &[u8], count: usize) -> Result<(), BoxError> {
    check_key(name)?;
    let longest = name.len()
        + if count > 1 {
            1 + count.to_string().len()
        } else {
            0
        };
    if longest > MAX_KEY {
        Err(BoxError::KeyTooLong(longest))
    } else {
        Ok(())
    }
}

/// The streams of one value, put in order by their numbers.
#[derive(Debug)]
pub struct Chunks<'a> {
    first: &'a [u8],
    /// Those with a number, from 2 on; not allocated for a value of one piece.
    others: Vec<&'a [u8]>,
}

impl<'a> Chunks<'a> {
    /// Collect the pieces of the value `name` from the fields of a box, in any order.
    ///
    /// A repeated key counts with its last value. Keys that are no numbers as `put_key` writes them
    /// belong to someone else.
    /// Errors: `MissingChunk` when the first is missing, or one with a lower number than another.
    pub fn collect(
        fields: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
        name: &[u8],
    ) -> Result<Self, BoxError> {
        let most = fields.len();
        let mut first = None;
        let mut numbered: Vec<Option<&[u8]>> = Vec::new();
        for (key, value) in fields {
            match key.strip_prefix(name) {
                Some([]) => first = Some(value),
                Some([b'.', digits @ ..]) => {
                    let Some(number) = piece_number(digits) else {
                        continue;
                    };
                    if number > most {
                        return Err(BoxError::MissingChunk); // fewer fields than numbers: a gap
                    }
                    if numbered.len() < number - 1 {
                        numbered.resize(number - 1, None);
                    }
                    numbered[number - 2] = Some(value);
                }
                _ => {}
            }
        }
        let first = first.ok_or(BoxError::MissingChunk)?;
        let others: Option<Vec<_>> = numbered.into_iter().collect();
        Ok(Self {
            first,
            others: others.ok_or(BoxError::MissingChunk)?,
        })
    }

    /// Bytes of all streams together.
    #[must_use]
    pub fn size(&self) -> usize {
        self.first.len() + self.others.iter().map(|stream| stream.len()).sum::<usize>()
    }
}

/// The number in a key's tail: 2 and more, without leading zeros.
fn piece_number(digits: &[u8]) -> Option<usize> {
    if !matches!(digits.first(), Some(b'1'..=b'9')) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_usize, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    });
    (number > 1).then_some(number)
}

/// Inflates; its state and its output are used again for the next value.
#[derive(Debug, Default)]
pub struct Inflater {
    state: Option<Decompress>,
    /// Room for inflated bytes; zeros are written into it once, not for each value.
    output: Vec<u8>,
    used: usize,
}

impl Inflater {
    /// Inflate the pieces and put them together; not a byte more than `limit` is kept.
    ///
    /// What follows a stream in its piece is ignored, as stock does. A value of one stored piece
    /// is not copied at all.
    /// Errors: `BadDeflate`, also for a preset dictionary and for gzip; `PayloadTooLarge`.
    pub fn inflate<'a>(
        &'a mut self,
        chunks: &Chunks<'a>,
        limit: usize,
    ) -> Result<&'a [u8], BoxError> {
        if let (Some(content), true) = (stored_content(chunks.first), chunks.others.is_empty()) {
            return if content.len() > limit {
                Err(BoxError::PayloadTooLarge(limit))
            } else {
                Ok(content)
            };
        }
        self.used = 0;
        self.output.truncate(KEPT_BUFFER);
        self.output.shrink_to(KEPT_BUFFER);
        for stream in std::iter::once(&chunks.first).chain(&chunks.others) {
            self.inflate_stream(stream, limit)?;
        }
        Ok(&self.output[..self.used])
    }

    fn inflate_stream(&mut self, stream: &[u8], limit: usize) -> Result<(), BoxError> {
        if let Some(content) = stored_content(stream) {
            return self.append(content, limit);
        }
        let mut state = self.state.take().unwrap_or_else(|| Decompress::new(true));
        state.reset(true);
        let result = self.run(&mut state, stream, limit);
        self.state = Some(state);
        result
    }

    fn append(&mut self, content: &[u8], limit: usize) -> Result<(), BoxError> {
        if content.len() > limit - self.used {
            return Err(BoxError::PayloadTooLarge(limit));
        }
        self.make_room(content.len(), limit);
        self.output[self.used..][..content.len()].copy_from_slice(content);
        self.used += content.len();
        Ok(())
    }

    fn run(
        &mut self,
        state: &mut Decompress,
        mut stream: &[u8],
        limit: usize,
    ) -> Result<(), BoxError> {
        loop {
            // One byte beyond the limit tells a value that ends there from one that goes on.
            self.make_room(LEAST_ROOM.max(stream.len()), limit.saturating_add(1));
            let (read, written) = (state.total_in(), state.total_out());
            let status = state
                .decompress(stream, &mut self.output[self.used..], FlushDecompress::None)
                .map_err(|_| BoxError::BadDeflate)?;
            stream = &stream[difference(state.total_in(), read)..];
            self.used += difference(state.total_out(), written);
            if self.used > limit {
                return Err(BoxError::PayloadTooLarge(limit));
            }
            if status == Status::StreamEnd {
                return Ok(());
            }
            if self.used < self.output.len() {
                return Err(BoxError::BadDeflate); // there was room, so it wanted more input
            }
        }
    }

    /// See to it that the output has room for `size` bytes more, or as many as `limit` lets it have.
    fn make_room(&mut self, size: usize, limit: usize) {
        let wanted = self.used.saturating_add(size);
        if self.output.len() < wanted {
            let doubled = self.output.len().saturating_mul(2);
            self.output
                .resize(wanted.max(doubled).min(limit).max(self.output.len()), 0);
        }
    }
}

fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after - before).expect("no more than a slice's length")
}
