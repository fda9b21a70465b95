//! What a stub Server hears and says: boxes out of a stream, calls and answers as bytes.

/// The name of the argument that carries a payload; further pieces of it have a number after it.
pub const PACKED_DATA: &[u8] = b"packed_data";

/// The letter of the synchronisation.
const PSYNC: &[u8] = b"\x03";

/// A key and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// The boxes of a stream that comes in pieces. What it hands out borrows from its buffer.
#[derive(Default)]
pub struct Boxes {
    buffer: Vec<u8>,
    read: usize,
}

impl Boxes {
    /// Adds what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The pairs of the next complete box.
    pub fn next(&mut self) -> Option<Vec<Pair<'_>>> {
        let mut rest = &self.buffer[self.read..];
        let mut pairs = Vec::with_capacity(4);
        loop {
            let key = take_sized(&mut rest)?;
            if key.is_empty() {
                break;
            }
            pairs.push((key, take_sized(&mut rest)?));
        }
        self.read = self.buffer.len() - rest.len();
        Some(pairs)
    }
}

fn take_sized<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (size, rest) = bytes.split_first_chunk::<2>()?;
    let (value, rest) = rest.split_at_checked(u16::from_be_bytes(*size).into())?;
    *bytes = rest;
    Some(value)
}

/// Appends a box; the pairs come sorted by key.
fn push_box<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = Pair<'a>>) {
    for (key, value) in pairs {
        push_sized(out, key);
        push_sized(out, value);
    }
    out.extend_from_slice(&[0, 0]);
}

fn push_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    let size = u16::try_from(bytes.len()).expect("what the stub sends came out of a box");
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends the bare answer to an ask.
pub fn push_answer(out: &mut Vec<u8>, ask: &[u8]) {
    push_box(out, [(&b"_answer"[..], ask)].into_iter());
}

/// Appends a call of a command with a `Compressed` argument, whose pieces come as they are on the
/// wire: whatever was received can be sent back without looking into it.
pub fn push_call<'a>(
    out: &mut Vec<u8>,
    ask: &'a [u8],
    command: &'a [u8],
    pieces: impl Iterator<Item = Pair<'a>>,
) {
    let head = [(&b"_ask"[..], ask), (&b"_command"[..], command)];
    push_box(out, head.into_iter().chain(pieces));
}

/// The payload of the first call on a link: a pickle of `(0, {"operation": PSYNC, "spid": ...,
/// "info_dict": {...}})`, in one zlib stream of a stored block.
pub fn hello(pid: u32) -> Vec<u8> {
    let mut pickle = b"\x80\x02K\x00}(".to_vec();
    push_text(&mut pickle, b"operation");
    push_text(&mut pickle, PSYNC);
    push_text(&mut pickle, b"spid");
    pickle.push(b'J');
    pickle.extend_from_slice(&pid.to_le_bytes());
    push_text(&mut pickle, b"info_dict");
    pickle.extend_from_slice(b"}(");
    for (name, value) in [
        ("servername", "stub"),
        ("version", "0"),
        ("amp", ""),
        ("info", ""),
    ] {
        push_text(&mut pickle, name.as_bytes());
        push_text(&mut pickle, value.as_bytes());
    }
    pickle.extend_from_slice(b"uu\x86.");
    stored(&pickle)
}

/// BINUNICODE.
fn push_text(pickle: &mut Vec<u8>, text: &[u8]) {
    let size = u32::try_from(text.len()).expect("the stub's words are short");
    pickle.push(b'X');
    pickle.extend_from_slice(&size.to_le_bytes());
    pickle.extend_from_slice(text);
}

/// A zlib stream of one stored block.
fn stored(data: &[u8]) -> Vec<u8> {
    let size = u16::try_from(data.len()).expect("the greeting is short");
    let mut out = vec![0x78, 0x01, 0x01];
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&(!size).to_le_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(&adler32(data).to_be_bytes());
    out
}

fn adler32(data: &[u8]) -> u32 {
    let (low, high) = data.iter().fold((1_u32, 0_u32), |(low, high), &byte| {
        let low = (low + u32::from(byte)) % 65521;
        (low, (high + low) % 65521)
    });
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_thirteen_bytes_and_its_tag() {
        let mut out = Vec::new();
        push_answer(&mut out, b"1");
        assert_eq!(out, b"\0\x07_answer\0\x011\0\0");
    }

    #[test]
    fn a_call_carries_its_pieces() {
        let mut out = Vec::new();
        push_call(
            &mut out,
            b"a",
            b"Do",
            [(&b"packed_data"[..], &b"xy"[..])].into_iter(),
        );
        assert_eq!(
            out,
            b"\0\x04_ask\0\x01a\0\x08_command\0\x02Do\0\x0bpacked_data\0\x02xy\0\0"
        );
    }

    #[test]
    fn boxes_come_whole_at_every_cut() {
        let mut stream = Vec::new();
        push_answer(&mut stream, b"1");
        push_call(
            &mut stream,
            b"2",
            b"Do",
            [(PACKED_DATA, &b""[..])].into_iter(),
        );
        for cut in 0..=stream.len() {
            let mut boxes = Boxes::default();
            let mut found = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                boxes.push(part);
                while let Some(pairs) = boxes.next() {
                    found.push(pairs.len());
                }
            }
            assert_eq!(found, [1, 3], "{cut}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_rfc_1950() {
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
        assert_eq!(stored(b"")[3..], [0, 0, 255, 255, 0, 0, 0, 1]);
    }

    #[test]
    fn the_greeting_is_a_pickle_of_a_pair() {
        let hello = hello(7);
        let pickle = &hello[7..hello.len() - 4];
        assert!(pickle.starts_with(b"\x80\x02K\x00}(X\x09\0\0\0operationX\x01\0\0\0\x03"));
        assert!(pickle.ends_with(b"uu\x86."));
    }
}
