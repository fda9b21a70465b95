//! A Server that knows the Portal's sessions and sends texts to all of them.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process;

use ampcodec::BoxError;
use ampcodec::boxes::Decoder;
use ampcodec::message::{ASK, Encoder, Header, Incoming, Router, Unpacker, put_answer};
use mio::net::TcpStream;
use mio::{Interest, Poll, Token};

use crate::options::Boxes;
use crate::pickle;
use crate::stub::{LIMITS, PACKED_DATA, READ_BYTES, broken};

/// A link in an event loop. Call `receive` and `flush` for every event of its token.
pub struct Server {
    stream: TcpStream,
    game: Game,
    buffer: Vec<u8>,
}

impl Server {
    /// Dials in and introduces itself.
    pub fn dial(target: SocketAddr, poll: &Poll, token: Token) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry()
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut server = Self {
            stream,
            game: Game::new().map_err(broken)?,
            buffer: vec![0; READ_BYTES],
        };
        server.flush()?;
        Ok(server)
    }

    /// Whether the Portal has taken it for its Server: sessions that begin now are told of.
    pub fn is_known(&self) -> bool {
        self.game.known
    }

    /// How many sessions the Portal has told of.
    pub fn sessions(&self) -> usize {
        self.game.sessids.len()
    }

    /// Reads what has come and answers it.
    pub fn receive(&mut self) -> io::Result<()> {
        loop {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionReset,
                        "the Portal closed the link",
                    ));
                }
                Ok(length) => self.game.receive(&self.buffer[..length]).map_err(broken)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a text to every session, deflated at that level.
    pub fn send_to_all(&mut self, text: &str, boxes: Boxes, level: u8) -> io::Result<()> {
        self.game.send_to_all(text, boxes, level).map_err(broken)?;
        self.flush()
    }

    /// Writes as much as the kernel takes; call it again when it takes more.
    pub fn flush(&mut self) -> io::Result<()> {
        let out = &mut self.game.out;
        while !out.is_empty() {
            match self.stream.write(out) {
                Ok(length) => drop(out.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The bytes in and out, without the socket.
struct Game {
    decoder: Decoder,
    router: Router,
    unpacker: Unpacker,
    encoder: Encoder,
    asked: u64,
    known: bool,
    sessids: BTreeSet<u32>,
    out: Vec<u8>,
}

impl Game {
    fn new() -> Result<Self, BoxError> {
        let mut game = Self {
            decoder: Decoder::new(LIMITS),
            router: Router::default(),
            unpacker: Unpacker::default(),
            encoder: Encoder::default(),
            asked: 0,
            known: false,
            sessids: BTreeSet::new(),
            out: Vec::new(),
        };
        game.router.add(b"AdminPortal2Server", PACKED_DATA)?;
        game.ask(b"AdminServer2Portal", &pickle::hello(process::id()), 0)?;
        Ok(game)
    }

    fn ask(&mut self, command: &[u8], payload: &[u8], level: u8) -> Result<(), BoxError> {
        self.asked += 1;
        let header = Header {
            command,
            key: PACKED_DATA,
            ask: Some(self.asked),
        };
        self.encoder.encode(&mut self.out, &header, payload, level)
    }

    fn receive(&mut self, mut bytes: &[u8]) -> Result<(), BoxError> {
        while let Some(raw) = self.decoder.next_box(&mut bytes)? {
            if let Some(ask) = raw.get(ASK) {
                put_answer(&mut self.out, ask)?;
            }
            match self.router.route(raw) {
                Incoming::Answer(_) => self.known = true,
                Incoming::Packed(_) => {
                    let payload = self.unpacker.unpack(raw, PACKED_DATA, LIMITS.bytes).pickle;
                    self.sessids.extend(pickle::announced(payload));
                }
                Incoming::Other => {}
            }
        }
        Ok(())
    }

    fn send_to_all(&mut self, text: &str, boxes: Boxes, level: u8) -> Result<(), BoxError> {
        let sessids: Vec<u32> = self.sessids.iter().copied().collect();
        let most = match boxes {
            Boxes::One => sessids.len(),
            Boxes::Each => 1,
        };
        for some in sessids.chunks(most.max(1)) {
            self.ask(b"MsgServer2Portal", &pickle::text(some, text), level)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Portal's word about a session, at this number of an ask.
    fn told(sessid: u8, ask: u64) -> Vec<u8> {
        let payload = [b"\x80\x05K", &[sessid][..], b"}\x8c\x0cprotocol_key"].concat();
        let header = Header {
            command: b"AdminPortal2Server",
            key: PACKED_DATA,
            ask: Some(ask),
        };
        let mut out = Vec::new();
        Encoder::default()
            .encode(&mut out, &header, &payload, 0)
            .expect("a small box");
        out
    }

    /// The commands and the answers in what it sent, and what the payloads are.
    fn sent(game: &mut Game) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut router = Router::default();
        router
            .add(b"MsgServer2Portal", PACKED_DATA)
            .expect("a short name");
        let mut decoder = Decoder::new(LIMITS);
        let mut unpacker = Unpacker::default();
        let out = std::mem::take(&mut game.out);
        let mut rest = &out[..];
        let mut found = Vec::new();
        while let Some(raw) = decoder.next_box(&mut rest).expect("sound boxes") {
            match router.route(raw) {
                Incoming::Answer(tag) => found.push((b"answer".to_vec(), tag.to_vec())),
                Incoming::Packed(packed) => {
                    let payload = unpacker.unpack(raw, PACKED_DATA, LIMITS.bytes).pickle;
                    let ask = packed.ask.expect("it asks").to_vec();
                    found.push((ask, payload.to_vec()));
                }
                Incoming::Other => found.push((b"other".to_vec(), Vec::new())),
            }
        }
        found
    }

    #[test]
    fn sessions_are_learned_and_sent_to() {
        let mut game = Game::new().expect("short names");
        assert_eq!(sent(&mut game), [(b"other".to_vec(), Vec::new())]);
        assert!(!game.known);
        let mut stream = Vec::new();
        put_answer(&mut stream, b"1").expect("a small box");
        game.receive(&stream).expect("sound boxes");
        assert!(game.known);
        let stream = [told(7, 10), told(9, 11), told(7, 12)].concat();
        let (first, second) = stream.split_at(40);
        game.receive(first).expect("sound boxes");
        game.receive(second).expect("sound boxes");
        let answers = ["a", "b", "c"].map(|tag| (b"answer".to_vec(), tag.as_bytes().to_vec()));
        assert_eq!(sent(&mut game), answers);
        game.send_to_all("hi", Boxes::One, 0).expect("a small box");
        assert_eq!(
            sent(&mut game),
            [(b"2".to_vec(), pickle::text(&[7, 9], "hi"))]
        );
        game.send_to_all("hi", Boxes::Each, 9).expect("small boxes");
        assert_eq!(
            sent(&mut game),
            [
                (b"3".to_vec(), pickle::text(&[7], "hi")),
                (b"4".to_vec(), pickle::text(&[9], "hi")),
            ]
        );
    }
}
