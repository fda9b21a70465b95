//! A Server that answers every message at once and sends its payload back to the player.
//!
//! `(sessid, {"text": [[line], {...}]})` means the same in both directions, so the payload goes
//! back as it came, without a look inside. What one read brings is answered by one write.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process;

use ampcodec::BoxError;
use ampcodec::boxes::{BoxWriter, Decoder, Limits, RawBox};
use ampcodec::message::{ASK, COMMAND, Encoder, Header, put_answer};

use crate::options::Options;
use crate::{pickle, print_line};

/// What is read at once: a tick of a busy Portal fits.
pub const READ_BYTES: usize = 256 * 1024;
/// The argument that carries a payload; its further pieces have a number after the name.
pub const PACKED_DATA: &[u8] = b"packed_data";
/// Bounds of a box: those of a Portal.
pub const LIMITS: Limits = Limits {
    keys: 512,
    bytes: 24 << 20,
};

/// Dials in, introduces itself, says so, and serves until the Portal closes.
pub fn run(options: &Options) -> io::Result<()> {
    let mut stream = TcpStream::connect(options.target)?;
    stream.set_nodelay(true)?;
    let mut stub = Stub::new();
    stream.write_all(&stub.hello().map_err(broken)?)?;
    print_line("{\"dialled\": true}")?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                stream.write_all(stub.receive(&buffer[..length]).map_err(broken)?)?;
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// What a codec refuses, as an error of input.
pub fn broken(error: BoxError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.name())
}

/// The bytes in and out, without the socket.
struct Stub {
    decoder: Decoder,
    replies: Replies,
}

impl Stub {
    fn new() -> Self {
        Self {
            decoder: Decoder::new(LIMITS),
            replies: Replies::default(),
        }
    }

    /// The first call on the link.
    fn hello(&mut self) -> Result<Vec<u8>, BoxError> {
        self.replies.asked += 1;
        let header = Header {
            command: b"AdminServer2Portal",
            key: PACKED_DATA,
            ask: Some(self.replies.asked),
        };
        let mut out = Vec::new();
        Encoder::default().encode(&mut out, &header, &pickle::hello(process::id()), 0)?;
        Ok(out)
    }

    /// Takes in what arrived; returns what is to be sent for it.
    fn receive(&mut self, mut bytes: &[u8]) -> Result<&[u8], BoxError> {
        self.replies.out.clear();
        while let Some(raw) = self.decoder.next_box(&mut bytes)? {
            self.replies.add(raw)?;
        }
        Ok(&self.replies.out)
    }
}

/// What goes back for one read.
#[derive(Default)]
struct Replies {
    out: Vec<u8>,
    asked: u64,
    writer: BoxWriter,
}

impl Replies {
    /// Answers a call, and sends a message back; an answer to what was asked here needs nothing.
    fn add(&mut self, raw: RawBox<'_>) -> Result<(), BoxError> {
        let (Some(ask), Some(command)) = (raw.get(ASK), raw.get(COMMAND)) else {
            return Ok(());
        };
        put_answer(&mut self.out, ask)?;
        if command == b"MsgPortal2Server" {
            self.asked += 1;
            let tag = format!("{:x}", self.asked);
            self.writer.clear();
            self.writer.push(ASK, tag.as_bytes())?;
            self.writer.push(COMMAND, b"MsgServer2Portal")?;
            for (key, value) in raw.fields().filter(|(key, _)| key.starts_with(PACKED_DATA)) {
                self.writer.push(key, value)?;
            }
            self.out.extend_from_slice(self.writer.finish());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    /// The pairs of every box in a stream.
    fn boxes(mut stream: &[u8]) -> Vec<Pairs> {
        let mut found = Vec::new();
        let mut decoder = Decoder::new(LIMITS);
        while let Some(raw) = decoder.next_box(&mut stream).expect("sound boxes") {
            let pairs = raw
                .fields()
                .map(|(key, value)| (key.to_vec(), value.to_vec()));
            found.push(pairs.collect());
        }
        found
    }

    fn written(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut writer = BoxWriter::default();
        for (key, value) in pairs {
            writer.push(key, value).expect("a small box");
        }
        writer.finish().to_vec()
    }

    fn pair(key: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
        (key.as_bytes().to_vec(), value.as_bytes().to_vec())
    }

    fn call(ask: &[u8], command: &[u8], pieces: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut pairs = pieces.to_vec();
        pairs.extend([(&b"_ask"[..], ask), (b"_command", command)]);
        written(&pairs)
    }

    #[test]
    fn it_introduces_itself_first() {
        let [hello] = &boxes(&Stub::new().hello().expect("a small box"))[..] else {
            panic!("one box")
        };
        assert_eq!(
            hello[..2],
            [pair("_ask", "1"), pair("_command", "AdminServer2Portal")]
        );
    }

    #[test]
    fn a_message_is_answered_and_sent_back() {
        let pieces = [(PACKED_DATA, &b"one"[..]), (b"packed_data.2", b"two")];
        let stream = call(b"f", b"MsgPortal2Server", &pieces);
        let replies = boxes(Stub::new().receive(&stream).expect("a whole box"));
        assert_eq!(
            replies,
            [
                vec![pair("_answer", "f")],
                vec![
                    pair("_ask", "1"),
                    pair("_command", "MsgServer2Portal"),
                    pair("packed_data", "one"),
                    pair("packed_data.2", "two"),
                ],
            ]
        );
    }

    #[test]
    fn an_order_is_answered_and_an_answer_is_not() {
        let mut stub = Stub::new();
        let mut stream = written(&[(b"_answer", b"1")]);
        stream.extend(call(b"2", b"AdminPortal2Server", &[]));
        assert_eq!(
            boxes(stub.receive(&stream).expect("whole boxes")),
            [[pair("_answer", "2")]]
        );
        assert_eq!(stub.receive(b"").expect("nothing"), b"");
    }

    #[test]
    fn what_is_no_amp_is_an_error() {
        assert_eq!(
            Stub::new()
                .receive(b"GET / HTTP/1.1\r\n")
                .map_err(BoxError::name),
            Err("KeyTooLong")
        );
    }
}
