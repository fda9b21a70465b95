//! Any bytes in any segmentation say the same, and what `tungstenite` as a server makes of them;
//! a state written down after any segment goes on. The first byte of the input is the size of the
//! segments, the second says whether the rest is a stream or parts of frames.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::{self, Cursor, Read, Write};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};
use wscodec::{Control, Decoder, Failure, MAX_CONTROL, OpCode, Sink};

const LIMIT: usize = 300;

#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    messages: Vec<(u8, Vec<u8>)>,
    failure: Option<Failure>,
}

impl Sink for Heard {
    fn text(&mut self, text: &str) {
        self.messages.push((1, text.as_bytes().to_vec()));
    }

    fn binary(&mut self, data: &[u8]) {
        self.messages.push((2, data.to_vec()));
    }

    fn control(&mut self, opcode: Control, payload: &[u8]) {
        let opcode = OpCode::Control(opcode).into();
        self.messages.push((opcode, payload.to_vec()));
    }

    fn failed(&mut self, failure: Failure) {
        assert_eq!(self.failure.replace(failure), None);
    }
}

impl Heard {
    fn is_closed(&self) -> bool {
        self.messages.last().is_some_and(|(opcode, _)| *opcode == 8)
    }
}

fn decode(stream: &[u8], size: usize, moved: bool) -> Heard {
    let mut decoder = Decoder::new(LIMIT);
    let mut heard = Heard::default();
    for segment in stream.chunks(size) {
        if moved {
            let state = decoder.state();
            decoder = Decoder::new(LIMIT);
            decoder.set_state(state).expect("a state of ours");
        }
        decoder.receive(segment, &mut heard);
        assert!(decoder.pending() <= LIMIT + MAX_CONTROL);
    }
    if heard.failure.is_some() || heard.is_closed() {
        assert_eq!(decoder.pending(), 0);
    }
    heard
}

/// The stream to read, and no matter what is written.
struct Wire<'a>(Cursor<&'a [u8]>);

impl Read for Wire<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `tungstenite` makes of it: its messages, and the close code of what it found wrong.
fn reference(stream: &[u8]) -> (Vec<(u8, Vec<u8>)>, Option<u16>) {
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let wire = Wire(Cursor::new(stream));
    let mut server = WebSocket::from_raw_socket(wire, Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        messages.push(match server.read() {
            Ok(Message::Text(text)) => (1, text.as_bytes().to_vec()),
            Ok(Message::Binary(data)) => (2, data.to_vec()),
            Ok(Message::Ping(payload)) => (9, payload.to_vec()),
            Ok(Message::Pong(payload)) => (10, payload.to_vec()),
            Ok(Message::Close(None)) => (8, vec![]),
            Ok(Message::Close(Some(frame))) => {
                let code = u16::from(frame.code).to_be_bytes();
                (8, [&code, frame.reason.as_bytes()].concat())
            }
            Ok(Message::Frame(_)) => unreachable!("it is never read"),
            Err(Error::Capacity(_)) => return (messages, Some(1009)),
            Err(Error::Utf8(_)) => return (messages, Some(1007)),
            Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ))
            | Err(Error::ConnectionClosed) => return (messages, None),
            Err(Error::Protocol(_)) => return (messages, Some(1002)),
            Err(error) => panic!("{error}"),
        });
    }
}

fn compare(heard: &Heard, stream: &[u8]) {
    let (mut messages, code) = reference(stream);
    match heard.failure {
        // It reads the reason first; it answers a wrong code, and calls its own the client's.
        Some(Failure::BadCloseCode) if code != Some(1007) => {
            let close = messages.pop();
            assert_eq!(close, Some((8, b"\x03\xeaProtocol violation".to_vec())));
        }
        // It knows no such rule, and reads on.
        Some(Failure::LengthNotMinimal | Failure::EmptyFragments) => {
            messages.truncate(heard.messages.len());
        }
        // It looks at a frame when all of it has come, and at its size before all else.
        Some(failure) => {
            let ours = u16::from(failure.code());
            let expected = [
                ours,
                1009,
                1007 * u16::from(failure == Failure::BadCloseCode),
            ];
            assert!(code.is_none_or(|theirs| expected.contains(&theirs)));
        }
        None => assert_eq!(code, None),
    }
    if messages.last() != heard.messages.last() && heard.is_closed() {
        // 1014 was registered after its table was made.
        assert_eq!(
            heard.messages.last().map(|(_, close)| &close[..2]),
            Some(&b"\x03\xf6"[..])
        );
        messages.pop();
        assert_eq!(heard.messages[..messages.len()], messages);
        return;
    }
    assert_eq!(heard.messages, messages);
}

/// Frames of parts: a first byte, a size, and the payload in clear.
fn frames(mut parts: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let [first, size, rest @ ..] = parts {
        let (payload, rest) = rest.split_at(usize::from(*size).min(rest.len()));
        let mask = [*size, 0x5a, *first, 0xff];
        let length = u8::try_from(payload.len()).expect("it was a byte");
        stream.push(*first);
        match length {
            0..126 => stream.push(0x80 | length),
            _ => stream.extend([0xfe, 0, length]),
        }
        stream.extend(mask);
        stream.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        parts = rest;
    }
    stream
}

fuzz_target!(|data: &[u8]| {
    let [size, kind, rest @ ..] = data else {
        return;
    };
    let stream = match kind {
        0..128 => frames(rest),
        _ => rest.to_vec(),
    };
    let whole = decode(&stream, stream.len().max(1), false);
    let size = usize::from(*size).max(1);
    assert_eq!(decode(&stream, size, false), whole);
    assert_eq!(decode(&stream, size, true), whole);
    compare(&whole, &stream);
});
