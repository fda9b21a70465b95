//! zlib streams of one stored block (RFC 1950, RFC 1951 section 3.2.4): framing without deflating.
//!
//! `78 01`, a final block of type 0 with its length and the length's complement, the bytes as they
//! are, and their Adler-32. Every inflater accepts them, and writing one costs a copy and a sum.

use simd_adler32::adler32;

/// Bytes that a stored stream has more than its content: header 2, block 5, checksum 4.
pub const OVERHEAD: usize = 11;
/// The most content whose stream is still a value of a box.
pub const MAX_CONTENT: usize = u16::MAX as usize - OVERHEAD;

const HEADER: [u8; 3] = [0x78, 0x01, 0x01];

/// Append a stream of `content`, which is at most a block long.
pub fn put_stored(out: &mut Vec<u8>, content: &[u8]) {
    let length = u16::try_from(content.len()).expect("content is cut to what a block can hold");
    out.extend_from_slice(&HEADER);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(content);
    out.extend_from_slice(&adler32(&content).to_be_bytes());
}

/// The content of a stream as `put_stored` writes it; `None` for any other, which needs an inflater.
pub fn stored_content(stream: &[u8]) -> Option<&[u8]> {
    let [a, b, c, d, rest @ ..] = stream.strip_prefix(&HEADER)? else {
        return None;
    };
    let length = u16::from_le_bytes([*a, *b]);
    if u16::from_le_bytes([*c, *d]) != !length {
        return None;
    }
    let (content, rest) = rest.split_at_checked(usize::from(length))?;
    let sum = adler32(&content).to_be_bytes();
    rest.starts_with(&sum).then_some(content)
}
