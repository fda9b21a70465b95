//! `Compressed`: a value cut into pieces, each a zlib stream of its own, numbered in its key.
//!
//! The first piece stands under the argument's name, the others under `name.2`, `name.3` ... They
//! are assembled by number: on the wire `name.10` stands before `name.2`.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::BoxError;
use crate::boxes::{MAX_VALUE, check_key};

/// Where a value is cut, as the peers do it.
const CUT: usize = 65_535;
/// The most that fits into one value as a stored block: header 2, block header 5, checksum 4.
const STORED_CUT: usize = MAX_VALUE - STORED_OVERHEAD;
const STORED_OVERHEAD: usize = 11;
/// zlib's header for the lowest level, and the mark of a block that is stored and final.
const STORED_HEADER: [u8; 3] = [0x78, 0x01, 0x01];

/// Deflates pieces; its states are kept, for making one anew costs more than a short piece.
#[derive(Debug, Default)]
pub struct Deflater {
    states: [Option<Compress>; 10],
}

impl Deflater {
    /// Cut and deflate a value, at `level` 1 to 9 or as stored blocks at 0.
    ///
    /// The pieces stand one behind the other in `out`; returns where each ends. There is always at
    /// least one. A piece that deflates to more than a value holds is cut anew and stored.
    pub fn deflate(&mut self, value: &[u8], level: u32, out: &mut Vec<u8>) -> Vec<usize> {
        let mut ends = Vec::with_capacity(value.len() / STORED_CUT + 1);
        if level == 0 {
            store(value, out, &mut ends);
            return ends;
        }
        let mut rest = value;
        loop {
            let (piece, later) = rest.split_at(rest.len().min(CUT));
            let start = out.len();
            if self.deflate_piece(piece, level, out) {
                ends.push(out.len());
            } else {
                out.truncate(start);
                store(piece, out, &mut ends);
            }
            if later.is_empty() {
                return ends;
            }
            rest = later;
        }
    }

    /// Deflate one piece; false when it does not fit into a value.
    fn deflate_piece(&mut self, piece: &[u8], level: u32, out: &mut Vec<u8>) -> bool {
        let level = level.min(9);
        let make = || Compress::new(Compression::new(level), true);
        let state = self.states[level as usize].get_or_insert_with(make);
        state.reset();
        let limit = out.len() + MAX_VALUE;
        // Text shrinks and the worst case grows by little: this is nearly always enough at once.
        out.reserve(piece.len() + piece.len() / 1000 + 64);
        loop {
            let read = usize::try_from(state.total_in()).unwrap_or(usize::MAX);
            let rest = piece.get(read..).unwrap_or_default();
            match state.compress_vec(rest, out, FlushCompress::Finish) {
                Ok(Status::StreamEnd) => return out.len() <= limit,
                Ok(_) if out.len() < limit => out.reserve(1024),
                _ => return false,
            }
        }
    }
}

/// Write a value as stored blocks, each piece as long as a value allows.
fn store(value: &[u8], out: &mut Vec<u8>, ends: &mut Vec<usize>) {
    let mut rest = value;
    loop {
        let (piece, later) = rest.split_at(rest.len().min(STORED_CUT));
        store_piece(piece, out);
        ends.push(out.len());
        if later.is_empty() {
            return;
        }
        rest = later;
    }
}

#[allow(clippy::cast_possible_truncation)] // a piece is cut to fit
fn store_piece(piece: &[u8], out: &mut Vec<u8>) {
    let length = piece.len() as u16;
    out.reserve(piece.len() + STORED_OVERHEAD);
    out.extend_from_slice(&STORED_HEADER);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(piece);
    out.extend_from_slice(&simd_adler32::adler32(&piece).to_be_bytes());
}

/// The key of one piece; `number` counts from 1.
#[must_use]
pub fn piece_key(name: &[u8], number: usize) -> Vec<u8> {
    let mut key = name.to_vec();
    if number > 1 {
        key.push(b'.');
        key.extend_from_slice(number.to_string().as_bytes());
    }
    key
}

/// Check that the key of the last of `pieces` can be written.
pub fn check_name(name: &[u8], pieces: usize) -> Result<(), BoxError> {
    check_key(name)?;
    check_key(&piece_key(name, pieces))
}

/// The number in a piece's key, if it is one of `name`'s.
fn piece_number(name: &[u8], key: &[u8]) -> Option<usize> {
    let rest = key.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(1);
    }
    let digits = rest.strip_prefix(b".")?;
    if digits.first() == Some(&b'0') || digits.len() > 9 {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number > 1).then_some(number)
}

/// Inflates pieces; its state is kept.
#[derive(Debug)]
pub struct Inflater {
    state: Decompress,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            state: Decompress::new(true),
        }
    }
}

impl Inflater {
    /// Put the value of `name` together from the fields of a box, to at most `limit` bytes.
    ///
    /// Bytes behind a piece's stream are ignored. A key that is there twice counts as its last.
    pub fn join<'a>(
        &mut self,
        name: &[u8],
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        limit: usize,
    ) -> Result<Vec<u8>, BoxError> {
        let mut pieces: Vec<(usize, &[u8])> = Vec::new();
        for (key, value) in fields {
            if let Some(number) = piece_number(name, key) {
                pieces.push((number, value));
            }
        }
        pieces.sort_by_key(|(number, _)| *number);
        let mut out = Vec::new();
        let mut expected = 1;
        for (index, (number, value)) in pieces.iter().enumerate() {
            if pieces.get(index + 1).is_some_and(|next| next.0 == *number) {
                continue; // the same key again: the last one counts
            }
            if *number != expected {
                return Err(BoxError::MissingChunk(expected));
            }
            self.inflate(value, &mut out, limit)?;
            expected += 1;
        }
        if expected == 1 {
            Err(BoxError::MissingChunk(1))
        } else {
            Ok(out)
        }
    }

    fn inflate(&mut self, piece: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), BoxError> {
        if piece.is_empty() {
            return Ok(()); // the peers take a piece without bytes for a value without bytes
        }
        if let Some(stored) = read_stored(piece) {
            if out.len() + stored.len() > limit {
                return Err(BoxError::PayloadTooLarge(limit));
            }
            out.extend_from_slice(stored);
            return Ok(());
        }
        self.state.reset(true);
        loop {
            if out.len() > limit {
                return Err(BoxError::PayloadTooLarge(limit));
            }
            let read = usize::try_from(self.state.total_in()).unwrap_or(usize::MAX);
            let rest = piece.get(read..).unwrap_or_default();
            // One byte more than allowed is enough to know that it is too much.
            let room = (rest.len() * 4)
                .clamp(256, 65_536)
                .min(limit + 1 - out.len());
            out.reserve(room);
            let before = (self.state.total_in(), out.len());
            match self.state.decompress_vec(rest, out, FlushDecompress::None) {
                Ok(Status::StreamEnd) if out.len() <= limit => return Ok(()),
                Ok(Status::StreamEnd) => {}
                Ok(_) if before != (self.state.total_in(), out.len()) => {}
                _ => return Err(BoxError::BadDeflate),
            }
        }
    }
}

/// The bytes of a piece that is one stored block and whose checksum is right.
fn read_stored(piece: &[u8]) -> Option<&[u8]> {
    let header: &[u8; 2] = piece.first_chunk()?;
    let checked = u16::from_be_bytes(*header);
    if header[0] & 0x0f != 8
        || header[0] >> 4 > 7
        || header[1] & 0x20 != 0
        || !checked.is_multiple_of(31)
    {
        return None;
    }
    let block: &[u8; 5] = piece.get(2..7)?.first_chunk()?;
    let length = u16::from_le_bytes([block[1], block[2]]);
    if block[0] != 1 || !length != u16::from_le_bytes([block[3], block[4]]) {
        return None;
    }
    let end = 7 + usize::from(length);
    let stored = piece.get(7..end)?;
    let checksum: &[u8; 4] = piece.get(end..)?.first_chunk()?;
    (simd_adler32::adler32(&stored).to_be_bytes() == *checksum).then_some(stored)
}
