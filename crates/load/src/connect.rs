//! Players that come and go: how many connections a second, and what each costs.

use std::io::{self, Read};
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::dial;
use crate::options::Options;
use crate::report::{Delays, Stretch};

/// One place: its connection, and since when it is under way.
struct Visit {
    stream: TcpStream,
    begun: Instant,
}

/// Keeps `clients` connections under way; each ends with the first bytes from the Portal, and the
/// next begins.
pub fn run(options: &Options) -> io::Result<String> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut visits = Vec::with_capacity(options.clients);
    for place in 0..options.clients {
        visits.push(begin(&poll, options, place, place)?);
    }
    let mut delays = Delays::with_room();
    let mut number = options.clients;
    let stretch = Stretch::begin(options.pid)?;
    let end = stretch.begun() + options.seconds;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        poll.poll(&mut events, Some(left))?;
        for event in &events {
            let place = event.token().0;
            if !has_bytes(&mut visits[place])? {
                continue;
            }
            delays.add(visits[place].begun.elapsed());
            // Dropping the old stream closes it.
            visits[place] = begin(&poll, options, place, number)?;
            // Neighbours come from different addresses, so that ports in TIME-WAIT are spread.
            number = number.wrapping_add(STRIDE);
        }
    }
    stretch.end("connects", options.clients, delays)
}

/// The step between two clients' numbers: the next address each time.
const STRIDE: usize = 101;

fn begin(poll: &Poll, options: &Options, place: usize, number: usize) -> io::Result<Visit> {
    let begun = Instant::now();
    let mut stream = dial::begin(options.target, number)?;
    poll.registry()
        .register(&mut stream, Token(place), Interest::READABLE)?;
    Ok(Visit { stream, begun })
}

fn has_bytes(visit: &mut Visit) -> io::Result<bool> {
    match visit.stream.read(&mut [0; 512]) {
        Ok(0) => Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "the Portal closed at once",
        )),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::options::Command;

    #[test]
    fn visits_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = listener.local_addr().expect("bound");
        thread::spawn(move || {
            for stream in listener.incoming() {
                stream
                    .expect("accepted")
                    .write_all(b"hello")
                    .expect("written");
            }
        });
        let options = Options {
            command: Command::Connect,
            target,
            clients: 3,
            seconds: Duration::from_millis(50),
            warmup: Duration::ZERO,
            rate: None,
            size: 60,
            pid: None,
        };
        let line = run(&options).expect("the listener greets");
        assert!(line.contains("\"connects\": "), "{line}");
        assert!(!line.contains("\"connects\": 0,"), "{line}");
    }
}
