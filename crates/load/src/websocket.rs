//! The client's end of a websocket (RFC 6455), as far as a load needs it: the opening handshake,
//! whole messages out, whole frames in.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::player::holds;

/// Any sixteen bytes in base64 are a key; what the server makes of it is not looked at.
const KEY: &str = "bG9hZCBnZW5lcmF0b3IhIQ==";
/// A mask that is not zero, so that the server has to take it off.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// How an answer begins that opens the websocket.
const OPENED: &[u8] = b"HTTP/1.1 101 ";
const HEAD_END: &[u8] = b"\r\n\r\n";
/// Longer than the head of any answer.
const HEAD_BYTES: usize = 4096;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

/// Lengths that stand for a longer one behind them.
const WITH_16_BITS: u8 = 0x7e;
const WITH_64_BITS: u8 = 0x7f;

/// The request that opens a websocket.
pub fn request(target: SocketAddr, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {target}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// Whether this is the beginning of an answer that opens the websocket.
pub fn is_opened(answer: &[u8]) -> bool {
    answer.starts_with(OPENED)
}

/// Opens a websocket on a blocking stream; returns what came behind the answer.
pub fn open(stream: &mut TcpStream, target: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    stream.write_all(&request(target, path))?;
    let mut answer = Vec::new();
    let mut buffer = [0; HEAD_BYTES];
    loop {
        let length = stream.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..length]);
        if let Some(end) = answer.windows(4).position(|part| part == HEAD_END) {
            if !is_opened(&answer) {
                break;
            }
            return Ok(answer.split_off(end + HEAD_END.len()));
        }
        if length == 0 || answer.len() > HEAD_BYTES {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    Err(io::Error::other(format!(
        "no websocket was opened: {answer:?}"
    )))
}

/// A text message as a client sends it.
pub fn message(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | TEXT];
    match payload.len() {
        size @ 0..=125 => frame.push(0x80 | size.to_le_bytes()[0]),
        size => {
            let size = u16::try_from(size).expect("the load's messages are short");
            frame.push(0x80 | WITH_16_BITS);
            frame.extend_from_slice(&size.to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// Reads frames; keeps the beginning of one whose end has not come.
#[derive(Default)]
pub struct Frames {
    partial: Vec<u8>,
}

impl Frames {
    /// A reader of what comes after these bytes.
    pub fn after(bytes: Vec<u8>) -> Self {
        Self { partial: bytes }
    }

    /// Takes in what arrived; returns the number of messages that hold `text`.
    pub fn receive(&mut self, bytes: &[u8], text: &[u8]) -> io::Result<usize> {
        if self.partial.is_empty() {
            let (messages, rest) = count(bytes, text)?;
            self.partial.extend_from_slice(rest);
            return Ok(messages);
        }
        self.partial.extend_from_slice(bytes);
        let (messages, rest) = count(&self.partial, text)?;
        let done = self.partial.len() - rest.len();
        self.partial.drain(..done);
        Ok(messages)
    }

    /// Whether nothing of a frame is kept.
    #[cfg(test)]
    pub fn is_between(&self) -> bool {
        self.partial.is_empty()
    }
}

/// The messages that hold `text`, and what is left behind the last whole frame.
fn count<'a>(mut bytes: &'a [u8], text: &[u8]) -> io::Result<(usize, &'a [u8])> {
    let mut messages = 0;
    while let Some((opcode, payload, rest)) = frame(bytes) {
        bytes = rest;
        match opcode {
            TEXT | BINARY => messages += usize::from(holds(payload, text)),
            CLOSE => {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionReset,
                    format!("the server closed: {:?}", String::from_utf8_lossy(payload)),
                ));
            }
            _ => {} // a ping: runs are shorter than the time for a pong
        }
    }
    Ok((messages, bytes))
}

/// The first frame: its opcode and payload, and what stands behind it. A server masks nothing.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    let (size, rest) = match second {
        &WITH_16_BITS => {
            let (size, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*size)), rest)
        }
        &WITH_64_BITS => {
            let (size, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*size)).ok()?, rest)
        }
        size => (usize::from(*size), rest),
    };
    let (payload, rest) = rest.split_at_checked(size)?;
    Some((first & 0x0f, payload, rest))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A frame as a server sends it.
    fn sent(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(size @ 0..=125) => frame.push(size),
            _ if payload.len() < 65_536 => {
                let size = u16::try_from(payload.len()).expect("just compared");
                frame.push(126);
                frame.extend_from_slice(&size.to_be_bytes());
            }
            _ => {
                frame.push(127);
                frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        [frame, payload.to_vec()].concat()
    }

    #[test]
    fn messages_are_found_at_every_cut() {
        let stream = [
            sent(TEXT, b"[\"text\", [\"a line\"], {}]"),
            sent(9, b"ping"),
            sent(TEXT, b"other"),
            sent(BINARY, &[&[b'x'; 200][..], b"a line"].concat()),
        ]
        .concat();
        for cut in 0..=stream.len() {
            let (first, second) = stream.split_at(cut);
            let mut frames = Frames::default();
            let found = frames.receive(first, b"a line").expect("no close")
                + frames.receive(second, b"a line").expect("no close");
            assert_eq!(found, 2, "{cut}");
            assert!(frames.is_between(), "{cut}");
        }
    }

    #[test]
    fn a_long_frame_is_read() {
        let stream = sent(TEXT, &vec![b'x'; 70_000]);
        let found = Frames::after(stream[..5].to_vec()).receive(&stream[5..], b"xxx");
        assert_eq!(found.expect("no close"), 1);
    }

    #[test]
    fn a_close_is_an_error() {
        let error = Frames::default()
            .receive(&sent(CLOSE, b"\x03\xe8bye"), b"x")
            .expect_err("it closes");
        assert!(error.to_string().contains("bye"), "{error}");
    }

    #[test]
    fn a_message_is_masked() {
        for (size, head) in [(3, 6), (125, 6), (126, 8), (300, 8)] {
            let payload = vec![b'x'; size];
            let frame = message(&payload);
            assert_eq!(frame.len(), head + size);
            assert_eq!((frame[0], frame[1] & 0x80), (0x81, 0x80));
            assert_eq!(frame[head - 4..head], MASK);
            for (place, byte) in frame[head..].iter().enumerate() {
                assert_eq!(byte ^ MASK[place % 4], b'x');
            }
        }
    }

    /// A server that answers a handshake with these bytes.
    fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = listener.local_addr().expect("bound");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("connected");
            let mut asked = vec![0; request(target, "/").len()];
            stream.read_exact(&mut asked).expect("a request");
            stream.write_all(answer).expect("written");
        });
        target
    }

    #[test]
    fn a_websocket_is_opened() {
        let target = answering(b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\nbehind");
        let mut stream = TcpStream::connect(target).expect("listening");
        assert_eq!(open(&mut stream, target, "/").expect("a 101"), b"behind");
    }

    #[test]
    fn a_refusal_is_shown() {
        for answer in [&b"HTTP/1.1 403 Forbidden\r\n\r\n"[..], b"SSH-2.0\r\n"] {
            let target = answering(answer);
            let mut stream = TcpStream::connect(target).expect("listening");
            let error = open(&mut stream, target, "/").expect_err("refused");
            assert!(error.to_string().starts_with("no websocket was opened"));
        }
    }
}
