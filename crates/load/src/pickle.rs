//! The pickles that a Server sends, written as Python's pickler writes them (protocol 5), and the
//! little that is read of those that it gets.

/// The letter of the synchronisation.
const PSYNC: &str = "\x03";
/// PROTO 5.
const HEADER: &[u8] = b"\x80\x05";
/// What a pickler appends to a list at once.
const BATCH: usize = 1000;
/// Stands in the sync data of a session, and in nothing else that a Portal tells about one.
const SYNC_KEY: &[u8] = b"protocol_key";

/// How a Server introduces itself: `(0, {"operation": PSYNC, "spid": ..., "info_dict": {...}})`.
pub fn hello(pid: u32) -> Vec<u8> {
    let mut body = Body::default();
    body.number(0);
    body.op(b"}\x94(");
    body.text("operation");
    body.text(PSYNC);
    body.text("spid");
    body.number(pid);
    body.text("info_dict");
    body.op(b"}\x94(");
    for (name, value) in [("servername", "stub"), ("version", "0")] {
        body.text(name);
        body.text(value);
    }
    body.op(b"uu");
    body.finish()
}

/// A text to one session, or to several in one message:
/// `(sessid or [sessid, ...], {"text": [[text], {"options": {}}]})`.
pub fn text(sessids: &[u32], text: &str) -> Vec<u8> {
    let mut body = Body::default();
    if let [sessid] = sessids {
        body.number(*sessid);
    } else {
        body.op(b"]\x94");
        for batch in sessids.chunks(BATCH) {
            body.op(b"(");
            for &sessid in batch {
                body.number(sessid);
            }
            body.op(b"e");
        }
    }
    body.op(b"}\x94");
    body.text("text");
    body.op(b"]\x94(]\x94");
    body.text(text);
    body.op(b"a}\x94");
    body.text("options");
    body.op(b"}\x94ses");
    body.finish()
}

/// The session of which a Portal's operation tells the sync data; None for any other payload.
pub fn announced(payload: &[u8]) -> Option<u32> {
    let body = payload.strip_prefix(HEADER)?;
    // FRAME and the length of it.
    let body = if body.first() == Some(&b'\x95') {
        body.get(9..)?
    } else {
        body
    };
    let number = match *body {
        [b'K', one, ..] => u32::from(one),
        [b'M', low, high, ..] => u32::from(u16::from_le_bytes([low, high])),
        [b'J', a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]),
        _ => return None,
    };
    let told = body.windows(SYNC_KEY.len()).any(|part| part == SYNC_KEY);
    (told && number > 0).then_some(number)
}

/// What stands in a frame, with the memo that `CPython` keeps of every object.
#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
}

impl Body {
    fn op(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn number(&mut self, number: u32) {
        let bytes = number.to_le_bytes();
        match number {
            0..=0xFF => self.op(&[b'K', bytes[0]]),
            0x100..=0xFFFF => self.op(&[b'M', bytes[0], bytes[1]]),
            _ => {
                self.op(b"J");
                self.op(&bytes);
            }
        }
    }

    fn text(&mut self, text: &str) {
        if let Ok(size) = u8::try_from(text.len()) {
            self.op(&[b'\x8c', size]);
        } else {
            let size = u32::try_from(text.len()).expect("the load's texts are short");
            self.op(b"X");
            self.op(&size.to_le_bytes());
        }
        self.op(text.as_bytes());
        self.op(b"\x94");
    }

    /// Ends the pair and the pickle.
    fn finish(mut self) -> Vec<u8> {
        self.op(b"\x86\x94.");
        let mut pickle = HEADER.to_vec();
        pickle.push(b'\x95');
        pickle.extend_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        pickle.extend_from_slice(&self.bytes);
        pickle
    }
}

#[cfg(test)]
mod tests {
    use ampcodec::payload::{Scanner, Verdict};

    use super::*;

    #[test]
    fn what_is_sent_is_plain() {
        let long = "x".repeat(300);
        for pickle in [
            hello(7),
            hello(70_000),
            text(&[1], "a"),
            text(&[300, 70_000], &long),
            text(&(1..=2500).collect::<Vec<_>>(), "a"),
        ] {
            let verdict = Scanner::default().scan(&pickle);
            assert!(matches!(verdict, Verdict::Plain), "{verdict:?}");
        }
    }

    /// `pickle.dumps((7, {"text": [["hi"], {"options": {}}]}), 5)` of `CPython` 3.11.
    #[test]
    fn a_text_is_written_as_cpython_writes_it() {
        let expected = b"\x80\x05\x95\x2a\0\0\0\0\0\0\0K\x07}\x94\x8c\x04text\x94]\x94(]\x94\
            \x8c\x02hi\x94a}\x94\x8c\x07options\x94}\x94ses\x86\x94.";
        assert_eq!(text(&[7], "hi"), expected);
    }

    #[test]
    fn sessions_are_found_in_what_tells_of_them() {
        let begin = b"\x80\x05\x95\0\0\0\0\0\0\0\0";
        let rest = b"}\x94\x8c\x0cprotocol_key\x94";
        for (number, expected) in [
            (&b"K\x07"[..], Some(7)),
            (b"M\x2c\x01", Some(300)),
            (b"J\x70\x11\x01\0", Some(70_000)),
            (b"K\0", None),
            (b"N", None),
        ] {
            let payload = [begin, number, rest].concat();
            assert_eq!(announced(&payload), expected, "{number:?}");
            let bare = [HEADER, number, rest].concat();
            assert_eq!(announced(&bare), expected, "{number:?}");
        }
        assert_eq!(announced(b"\x80\x05K\x07}."), None);
        assert_eq!(announced(b""), None);
    }
}
