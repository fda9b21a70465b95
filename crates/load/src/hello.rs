//! How a Server introduces itself: the payload of its first call.

/// The letter of the synchronisation.
const PSYNC: &[u8] = b"\x03";

/// A pickle of `(0, {"operation": PSYNC, "spid": ..., "info_dict": {...}})`.
pub fn payload(pid: u32) -> Vec<u8> {
    let mut pickle = b"\x80\x02K\x00}(".to_vec();
    push_text(&mut pickle, b"operation");
    push_text(&mut pickle, PSYNC);
    push_text(&mut pickle, b"spid");
    pickle.push(b'J');
    pickle.extend_from_slice(&pid.to_le_bytes());
    push_text(&mut pickle, b"info_dict");
    pickle.extend_from_slice(b"}(");
    for (name, value) in [("servername", "stub"), ("version", "0")] {
        push_text(&mut pickle, name.as_bytes());
        push_text(&mut pickle, value.as_bytes());
    }
    pickle.extend_from_slice(b"uu\x86.");
    pickle
}

/// BINUNICODE.
fn push_text(pickle: &mut Vec<u8>, text: &[u8]) {
    let size = u32::try_from(text.len()).expect("the stub's words are short");
    pickle.push(b'X');
    pickle.extend_from_slice(&size.to_le_bytes());
    pickle.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use ampcodec::payload::{Scanner, Verdict};

    use super::*;

    #[test]
    fn it_is_a_plain_pickle() {
        let pickle = payload(7);
        assert!(pickle.starts_with(b"\x80\x02K\x00}(X\x09\0\0\0operationX\x01\0\0\0\x03"));
        assert!(matches!(Scanner::default().scan(&pickle), Verdict::Plain));
    }
}
