//! A Server that answers every message at once and sends its payload back to the player.
//!
//! `(sessid, {"text": [[line], {...}]})` means the same in both directions, so the payload goes
//! back as it came, without a look inside. What one read brings is answered by one write.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process;

use crate::amp::{self, Boxes};
use crate::options::Options;
use crate::print_line;

/// What is read at once: a tick of a busy Portal fits.
const READ_BYTES: usize = 256 * 1024;

/// Dials in, introduces itself, says so, and serves until the Portal closes.
pub fn run(options: &Options) -> io::Result<()> {
    let stream = TcpStream::connect(options.target)?;
    stream.set_nodelay(true)?;
    let mut stub = Stub::default();
    (&stream).write_all(&stub.hello())?;
    print_line("{\"dialled\": true}")?;
    serve(&stream, &mut stub)
}

fn serve(mut stream: &TcpStream, stub: &mut Stub) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let length = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.write_all(stub.receive(&buffer[..length]))?;
    }
}

/// The bytes in and out, without the socket.
#[derive(Default)]
struct Stub {
    boxes: Boxes,
    out: Vec<u8>,
    asked: u64,
}

impl Stub {
    /// The first call on the link.
    fn hello(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let payload = amp::hello(process::id());
        let ask = self.next_ask();
        let piece = [(amp::PACKED_DATA, &payload[..])];
        amp::push_call(
            &mut out,
            ask.as_bytes(),
            b"AdminServer2Portal",
            piece.into_iter(),
        );
        out
    }

    fn next_ask(&mut self) -> String {
        self.asked += 1;
        format!("{:x}", self.asked)
    }

    /// Takes in what arrived; returns what is to be sent for it.
    fn receive(&mut self, bytes: &[u8]) -> &[u8] {
        self.out.clear();
        self.boxes.push(bytes);
        while let Some(pairs) = self.boxes.next() {
            let value = |name: &[u8]| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1);
            let (Some(ask), Some(command)) = (value(b"_ask"), value(b"_command")) else {
                // An answer to what was asked here.
                continue;
            };
            amp::push_answer(&mut self.out, ask);
            if command == b"MsgPortal2Server" {
                self.asked += 1;
                let ask = format!("{:x}", self.asked);
                let pieces = pairs
                    .iter()
                    .copied()
                    .filter(|pair| pair.0.starts_with(amp::PACKED_DATA));
                amp::push_call(&mut self.out, ask.as_bytes(), b"MsgServer2Portal", pieces);
            }
        }
        &self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs of every box in a stream.
    fn boxes(stream: &[u8]) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut boxes = Boxes::default();
        boxes.push(stream);
        std::iter::from_fn(|| {
            let pairs = boxes.next()?;
            Some(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_vec(), value.to_vec()))
                    .collect(),
            )
        })
        .collect()
    }

    fn pair(key: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
        (key.as_bytes().to_vec(), value.as_bytes().to_vec())
    }

    #[test]
    fn it_introduces_itself_first() {
        let [hello] = &boxes(&Stub::default().hello())[..] else {
            panic!("one box")
        };
        assert_eq!(
            hello[..2],
            [pair("_ask", "1"), pair("_command", "AdminServer2Portal")]
        );
    }

    #[test]
    fn a_message_is_answered_and_sent_back() {
        let mut stub = Stub::default();
        let mut stream = Vec::new();
        let pieces = [(amp::PACKED_DATA, &b"one"[..]), (b"packed_data.2", b"two")];
        amp::push_call(&mut stream, b"f", b"MsgPortal2Server", pieces.into_iter());
        let replies = boxes(stub.receive(&stream));
        assert_eq!(replies[0], [pair("_answer", "f")]);
        assert_eq!(
            replies[1],
            [
                pair("_ask", "1"),
                pair("_command", "MsgServer2Portal"),
                pair("packed_data", "one"),
                pair("packed_data.2", "two"),
            ]
        );
    }

    #[test]
    fn an_order_is_answered_and_an_answer_is_not() {
        let mut stub = Stub::default();
        let mut stream = Vec::new();
        amp::push_answer(&mut stream, b"1");
        amp::push_call(&mut stream, b"2", b"AdminPortal2Server", [].into_iter());
        assert_eq!(boxes(stub.receive(&stream)), [[pair("_answer", "2")]]);
        assert_eq!(stub.receive(b""), b"");
    }
}
