//! One player: a connection, and how its messages are told apart on either protocol.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use mio::{Interest, Poll, Token};

use crate::dial;
use crate::options::{Form, Options, Protocol};
use crate::websocket::{self, Frames};

/// What a player sends, and the text in it by which the echo is known.
pub struct Message {
    /// The bytes on the wire.
    pub bytes: Vec<u8>,
    /// The text.
    pub text: Vec<u8>,
}

impl Message {
    /// A text of `size` bytes; on telnet the CR LF are two of them.
    pub fn new(options: &Options) -> Self {
        let line_end = if options.protocol == Protocol::Telnet {
            2
        } else {
            0
        };
        let mut text = b"load ".to_vec();
        text.resize(
            options.size.saturating_sub(line_end).max(text.len() + 1),
            b'x',
        );
        let bytes = match (options.protocol, options.form) {
            (Protocol::Telnet, _) => [&text[..], b"\r\n"].concat(),
            (Protocol::Websocket, Form::Plain) => websocket::message(&text),
            (Protocol::Websocket, Form::Inputfunc) => {
                websocket::message(&[b"[\"text\", [\"", &text[..], b"\"], {}]"].concat())
            }
        };
        Self { bytes, text }
    }
}

/// Tells messages apart in what arrives.
enum Reader {
    Lines(Lines),
    Frames(Frames),
}

/// A connected player in an event loop.
pub struct Player {
    stream: mio::net::TcpStream,
    reader: Reader,
}

impl Player {
    /// Connects (on websocket, with the handshake) and joins the loop under its number.
    pub fn enter(options: &Options, poll: &Poll, number: usize) -> io::Result<Self> {
        let (stream, reader) = connect(options, number)?;
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry()
            .register(&mut stream, Token(number), Interest::READABLE)?;
        Ok(Self { stream, reader })
    }

    /// Sends at once. The kernel takes messages as long as the other side reads; if it does not,
    /// the run is void.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads once; returns the number of complete messages that hold `text`.
    ///
    /// Events are edges, so all must be taken at once: messages are short and the buffer is not,
    /// hence one read takes all.
    pub fn receive(&mut self, buffer: &mut [u8], text: &[u8]) -> io::Result<usize> {
        let length = match self.stream.read(buffer) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionReset,
                    "the Portal closed",
                ));
            }
            Ok(length) if length == buffer.len() => {
                return Err(io::Error::other("more came than was sent"));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            result => result?,
        };
        match &mut self.reader {
            Reader::Lines(lines) => Ok(lines.receive(&buffer[..length], text)),
            Reader::Frames(frames) => frames.receive(&buffer[..length], text),
        }
    }
}

fn connect(options: &Options, number: usize) -> io::Result<(TcpStream, Reader)> {
    let mut stream = dial::connect(options.target, number)?;
    let reader = match options.protocol {
        Protocol::Telnet => {
            dial::await_greeting(&stream)?;
            Reader::Lines(Lines::default())
        }
        Protocol::Websocket => {
            let behind = websocket::open(&mut stream, options.target, &options.path)?;
            Reader::Frames(Frames::after(behind))
        }
    };
    Ok((stream, reader))
}

/// Reads lines; keeps the beginning of one whose end has not come.
///
/// What arrives before the first line is sent (a greeting, negotiation) is not answered: a Portal
/// may not wait for a reply that need not come.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    fn receive(&mut self, mut bytes: &[u8], text: &[u8]) -> usize {
        let mut found = 0;
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            if self.partial.is_empty() {
                found += usize::from(holds(line, text));
            } else {
                self.partial.extend_from_slice(line);
                found += usize::from(holds(&self.partial, text));
                self.partial.clear();
            }
        }
        self.partial.extend_from_slice(bytes);
        found
    }
}

/// Whether the text stands in a message; it nearly always stands near its beginning.
pub fn holds(message: &[u8], text: &[u8]) -> bool {
    message.windows(text.len()).any(|part| part == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_at_every_cut() {
        let stream = b"\xff\xf9a line\r\nother\r\n\x1b[0ma line\x1b[0m\r\n";
        for cut in 0..=stream.len() {
            let (first, second) = stream.split_at(cut);
            let mut lines = Lines::default();
            assert_eq!(
                lines.receive(first, b"a line") + lines.receive(second, b"a line"),
                2
            );
            assert!(lines.partial.is_empty());
        }
    }

    #[test]
    fn a_message_has_its_size_and_form() {
        for (protocol, form, size, text) in [
            (Protocol::Telnet, Form::Plain, 60, 58),
            (Protocol::Telnet, Form::Inputfunc, 60, 58),
            (Protocol::Websocket, Form::Plain, 66, 60),
            (Protocol::Websocket, Form::Inputfunc, 84, 60),
        ] {
            let options = Options {
                protocol,
                form,
                ..Options::default()
            };
            let message = Message::new(&options);
            assert_eq!((message.bytes.len(), message.text.len()), (size, text));
        }
    }
}
