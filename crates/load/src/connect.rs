//! Players that come and go: how many connections a second, and what each costs.

use std::io::{self, Read, Write};
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::options::{Options, Protocol};
use crate::report::{Delays, Stretch};
use crate::{dial, websocket};

/// One place: its connection, since when it is under way, and whether it has asked to be let in.
struct Visit {
    stream: TcpStream,
    begun: Instant,
    asked: bool,
}

/// All places, and what a player has to say to be let in.
struct Visits<'a> {
    options: &'a Options,
    poll: Poll,
    places: Vec<Visit>,
    request: Vec<u8>,
}

/// Keeps `clients` connections under way; each ends with the first bytes from the Portal (on
/// websocket: the answer to its handshake), and the next begins.
pub fn run(options: &Options) -> io::Result<String> {
    let mut events = Events::with_capacity(1024);
    let mut visits = Visits {
        options,
        poll: Poll::new()?,
        places: Vec::with_capacity(options.clients),
        request: match options.protocol {
            Protocol::Telnet => Vec::new(),
            Protocol::Websocket => websocket::request(options.target, &options.path),
        },
    };
    for place in 0..options.clients {
        let visit = visits.begin(place, place)?;
        visits.places.push(visit);
    }
    let mut delays = Delays::with_room();
    let mut number = options.clients;
    let stretch = Stretch::begin(options.pid)?;
    let end = stretch.begun() + options.seconds;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        visits.poll.poll(&mut events, Some(left))?;
        for event in &events {
            let place = event.token().0;
            if event.is_writable() {
                visits.ask(place)?;
            }
            if !event.is_readable() || !visits.is_let_in(place)? {
                continue;
            }
            delays.add(visits.places[place].begun.elapsed());
            // Dropping the old stream closes it.
            visits.places[place] = visits.begin(place, number)?;
            // Neighbours come from different addresses, so that ports in TIME-WAIT are spread.
            number = number.wrapping_add(STRIDE);
        }
    }
    stretch.end("connects", options.clients, delays)
}

/// The step between two clients' numbers: the next address each time.
const STRIDE: usize = 101;

impl Visits<'_> {
    fn begin(&self, place: usize, number: usize) -> io::Result<Visit> {
        let begun = Instant::now();
        let mut stream = dial::begin(self.options.target, number)?;
        let interest = if self.request.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        self.poll
            .registry()
            .register(&mut stream, Token(place), interest)?;
        Ok(Visit {
            stream,
            begun,
            asked: false,
        })
    }

    fn ask(&mut self, place: usize) -> io::Result<()> {
        let visit = &mut self.places[place];
        if visit.asked {
            return Ok(());
        }
        visit.asked = true;
        visit.stream.write_all(&self.request)
    }

    /// Whether the Portal has spoken. An answer's head is short and is written at once, so its
    /// beginning says enough.
    fn is_let_in(&mut self, place: usize) -> io::Result<bool> {
        let mut buffer = [0; 512];
        match self.places[place].stream.read(&mut buffer) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "the Portal closed at once",
            )),
            Ok(_) if !self.request.is_empty() && !websocket::is_opened(&buffer) => {
                Err(io::Error::other("no websocket was opened"))
            }
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::options::Command;

    /// A server that reads so many bytes of each connection and then greets.
    fn greeting(asked: usize, greeting: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = listener.local_addr().expect("bound");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("accepted");
                if stream.read_exact(&mut vec![0; asked]).is_ok() {
                    stream.write_all(greeting).expect("written");
                }
            }
        });
        target
    }

    fn options(protocol: Protocol, target: SocketAddr) -> Options {
        Options {
            command: Command::Connect,
            protocol,
            target,
            clients: 3,
            seconds: Duration::from_millis(50),
            ..Options::default()
        }
    }

    #[test]
    fn visits_are_counted() {
        for (protocol, asked, answer) in [
            (Protocol::Telnet, 0, &b"hello"[..]),
            (Protocol::Websocket, 100, b"HTTP/1.1 101 Yes\r\n\r\n"),
        ] {
            let options = options(protocol, greeting(asked, answer));
            let line = run(&options).expect("the listener greets");
            assert!(line.contains("\"connects\": "), "{line}");
            assert!(!line.contains("\"connects\": 0,"), "{line}");
        }
    }

    #[test]
    fn a_refused_websocket_is_an_error() {
        let target = greeting(100, b"HTTP/1.1 503 Full\r\n\r\n");
        let error = run(&options(Protocol::Websocket, target)).expect_err("refused");
        assert_eq!(error.to_string(), "no websocket was opened");
    }
}
