//! The crate and `tungstenite`'s own ends of a connection understand each other.

mod peer;

use peer::{Items, Said};
use proptest::prelude::*;
use std::io::{self, Read, Write};
use tungstenite::protocol::{CloseFrame, Role, WebSocket};
use tungstenite::{Error, Message};
use wscodec::{CloseCode, Control, Data, Decoder, OpCode, frame_size, write_frame};

/// Both directions of a connection, in memory.
#[derive(Debug, Default)]
struct Wire {
    incoming: io::Cursor<Vec<u8>>,
    outgoing: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.incoming.read(out)
    }
}

impl Write for Wire {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.outgoing.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any::<String>().prop_map(Message::text),
        prop::collection::vec(any::<u8>(), 0..70_000).prop_map(Message::binary),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(|data| Message::Ping(data.into())),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(|data| Message::Pong(data.into())),
    ]
}

fn close() -> impl Strategy<Value = Option<CloseFrame>> {
    let frame = (
        prop::sample::select(vec![1000, 1001, 1011, 3000, 4999]),
        "[a-zé€]{0,40}",
    );
    prop::option::of(frame.prop_map(|(code, reason): (u16, String)| CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    }))
}

fn said(message: &Message) -> Said {
    match message {
        Message::Text(text) => Said::Text(text.to_string()),
        Message::Binary(data) => Said::Binary(data.to_vec()),
        Message::Ping(data) => Said::Control(9, data.to_vec()),
        Message::Pong(data) => Said::Control(10, data.to_vec()),
        Message::Close(None) => Said::Control(8, vec![]),
        Message::Close(Some(frame)) => {
            let code = u16::from(frame.code).to_be_bytes();
            Said::Control(8, [&code, frame.reason.as_bytes()].concat())
        }
        Message::Frame(_) => unreachable!("it is never read"),
    }
}

fn write(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; frame_size(payload.len())];
    write_frame(opcode, payload, &mut out);
    out
}

/// What this crate writes for a message.
fn written(said: &Said) -> Vec<u8> {
    match said {
        Said::Text(text) => write(OpCode::Data(Data::Text), text.as_bytes()),
        Said::Binary(data) => write(OpCode::Data(Data::Binary), data),
        Said::Control(opcode, payload) => write(OpCode::from(*opcode), payload),
        Said::Failed(_) => unreachable!("it is never written"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn its_client_is_understood(
        messages in prop::collection::vec(message(), 0..6),
        close in close(),
        size in 1usize..200,
    ) {
        let mut client = WebSocket::from_raw_socket(Wire::default(), Role::Client, None);
        for message in &messages {
            client.send(message.clone()).expect("it is open");
        }
        client.close(close.clone()).expect("it is open");
        let mut expected: Vec<Said> = messages.iter().map(said).collect();
        expected.push(said(&Message::Close(close)));
        let bytes = &client.get_ref().outgoing;
        for size in [size, bytes.len()] {
            let mut decoder = Decoder::new(1 << 17);
            let mut items = Items::default();
            for piece in bytes.chunks(size) {
                decoder.receive(piece, &mut items);
            }
            prop_assert_eq!(&items.0, &expected);
            prop_assert_eq!(decoder.pending(), 0);
        }
    }

    #[test]
    fn its_client_understands(
        messages in prop::collection::vec(message(), 0..6),
        close in close(),
    ) {
        let expected: Vec<Message> =
            messages.into_iter().chain([Message::Close(close)]).collect();
        let bytes = expected.iter().flat_map(|message| written(&said(message))).collect();
        let wire = Wire { incoming: io::Cursor::new(bytes), outgoing: vec![] };
        let mut client = WebSocket::from_raw_socket(wire, Role::Client, None);
        for message in expected {
            prop_assert_eq!(client.read().expect("it is open"), message);
        }
        prop_assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    }
}

#[test]
fn a_frame_has_the_size_that_is_told() {
    for (payload, size) in [
        (0, 2),
        (125, 127),
        (126, 130),
        (65_535, 65_539),
        (65_536, 65_546),
    ] {
        assert_eq!(frame_size(payload), size);
        let bytes = write(OpCode::Control(Control::Pong), &vec![7; payload]);
        assert_eq!((bytes[0], bytes.len()), (0x8a, size));
    }
}
