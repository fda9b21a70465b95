//! Players that type lines and wait for their echo.
//!
//! What arrives before the first line is typed (a greeting, negotiation) is swallowed and not
//! answered: a Portal may not wait for a reply that need not come.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::dial;
use crate::options::Options;
use crate::report::{Delays, Stretch};

/// How long greetings are waited for before the first line.
const SETTLE: Duration = Duration::from_millis(500);

/// One player.
struct Client {
    stream: TcpStream,
    /// When the lines were sent whose echo has not come, oldest first.
    sent: VecDeque<Instant>,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
}

impl Client {
    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        self.sent.push_back(Instant::now());
        // The kernel takes lines as long as the Portal reads; if it does not, the run is void.
        self.stream.write_all(line)
    }

    /// Takes in what arrived; returns the number of complete lines that hold `text`.
    fn receive(&mut self, mut bytes: &[u8], text: &[u8]) -> usize {
        let mut echoes = 0;
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            if self.partial.is_empty() {
                echoes += usize::from(holds(line, text));
            } else {
                self.partial.extend_from_slice(line);
                echoes += usize::from(holds(&self.partial, text));
                self.partial.clear();
            }
        }
        self.partial.extend_from_slice(bytes);
        echoes
    }
}

/// Whether the text stands in the line; it nearly always stands at its beginning.
fn holds(line: &[u8], text: &[u8]) -> bool {
    line.starts_with(text) || line.windows(text.len()).any(|part| part == text)
}

/// All players, and what they type.
struct Crowd<'a> {
    options: &'a Options,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    line: Vec<u8>,
    delays: Delays,
    buffer: Vec<u8>,
}

/// Runs the whole measurement; returns its figures as JSON.
pub fn run(options: &Options) -> io::Result<String> {
    let mut crowd = Crowd::gather(options)?;
    crowd.swallow(Instant::now() + SETTLE)?;
    let mut begun = Instant::now();
    let mut sent = 0;
    if options.rate.is_none() {
        crowd.everybody_types()?;
    }
    crowd.talk(begun + options.warmup, begun, &mut sent)?;
    crowd.delays = Delays::with_room();
    sent = 0;
    let stretch = Stretch::begin(options.pid)?;
    begun = stretch.begun();
    crowd.talk(begun + options.seconds, begun, &mut sent)?;
    let delays = std::mem::take(&mut crowd.delays);
    if delays.count() == 0 {
        return Err(io::Error::other("no echo came at all"));
    }
    stretch.end("messages", options.clients, delays)
}

impl<'a> Crowd<'a> {
    fn gather(options: &'a Options) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(options.clients);
        for number in 0..options.clients {
            let stream = dial::connect(options.target, number)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(number), Interest::READABLE)?;
            clients.push(Client {
                stream,
                sent: VecDeque::new(),
                partial: Vec::new(),
            });
        }
        let mut line = vec![b'x'; options.size.max(8)];
        line.splice(..5, *b"load ");
        let end = line.len() - 2;
        line[end..].copy_from_slice(b"\r\n");
        Ok(Self {
            options,
            poll,
            events: Events::with_capacity(1024),
            clients,
            line,
            delays: Delays::default(),
            buffer: vec![0; 64 * 1024],
        })
    }

    /// Reads and throws away until `end`.
    fn swallow(&mut self, end: Instant) -> io::Result<()> {
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.poll.poll(&mut self.events, Some(left))?;
            for event in &self.events {
                read(&mut self.clients[event.token().0].stream, &mut self.buffer)?;
            }
        }
        Ok(())
    }

    fn everybody_types(&mut self) -> io::Result<()> {
        self.clients
            .iter_mut()
            .try_for_each(|client| client.send(&self.line))
    }

    /// Types and reads until `end`; at a fixed rate, the line of number `sent` is due at its time
    /// after `begun`.
    fn talk(&mut self, end: Instant, begun: Instant, sent: &mut u32) -> io::Result<()> {
        loop {
            let now = Instant::now();
            let Some(mut left) = end.checked_duration_since(now) else {
                return Ok(());
            };
            if let Some(rate) = self.options.rate {
                let interval = Duration::from_secs_f64(1.0 / rate);
                while begun + interval * *sent <= now {
                    let place = *sent as usize % self.clients.len();
                    self.clients[place].send(&self.line)?;
                    *sent += 1;
                }
                left = left.min((begun + interval * *sent).saturating_duration_since(now));
            }
            self.poll.poll(&mut self.events, Some(left))?;
            self.take_echoes()?;
        }
    }

    fn take_echoes(&mut self) -> io::Result<()> {
        let text = &self.line[..self.line.len() - 2];
        for event in &self.events {
            let client = &mut self.clients[event.token().0];
            let length = read(&mut client.stream, &mut self.buffer)?;
            for _ in 0..client.receive(&self.buffer[..length], text) {
                let Some(begun) = client.sent.pop_front() else {
                    return Err(io::Error::other(
                        "an echo came of a line that was not typed",
                    ));
                };
                self.delays.add(begun.elapsed());
                if self.options.rate.is_none() {
                    client.send(&self.line)?;
                }
            }
        }
        Ok(())
    }
}

/// One read. Events are edges, so all must be taken at once: lines are short and the buffer is
/// not, hence one read takes all.
fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer) {
        Ok(0) => Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "the Portal closed",
        )),
        Ok(length) if length == buffer.len() => Err(io::Error::other("more came than was typed")),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::options::Command;

    fn options(target: std::net::SocketAddr, rate: Option<f64>) -> Options {
        Options {
            command: Command::Telnet,
            target,
            clients: 3,
            seconds: Duration::from_millis(100),
            warmup: Duration::from_millis(10),
            rate,
            size: 60,
            pid: None,
        }
    }

    /// A server that greets, and sends back what comes in pieces.
    fn echo() -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = listener.local_addr().expect("bound");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("accepted");
                thread::spawn(move || {
                    let mut buffer = [0; 7];
                    stream
                        .write_all(b"\xff\xfd\x18Welcome!\r\n\xff\xf9")
                        .expect("written");
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        if stream.write_all(&buffer[..length]).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        target
    }

    #[test]
    fn echoes_are_found_at_every_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = listener.local_addr().expect("bound");
        let options = options(target, None);
        let mut crowd = Crowd::gather(&options).expect("listening");
        let stream = b"\xff\xf9a line\r\nother\r\n\x1b[0ma line\x1b[0m\r\n";
        for cut in 0..=stream.len() {
            let (first, second) = stream.split_at(cut);
            let client = &mut crowd.clients[0];
            assert_eq!(
                client.receive(first, b"a line") + client.receive(second, b"a line"),
                2
            );
            assert!(client.partial.is_empty());
        }
    }

    #[test]
    fn a_closed_loop_is_measured() {
        let line = run(&options(echo(), None)).expect("an echo");
        assert!(line.contains("\"messages\": "), "{line}");
        assert!(line.contains("\"p99_us\": "), "{line}");
    }

    #[test]
    fn a_fixed_rate_is_kept() {
        let line = run(&options(echo(), Some(200.0))).expect("an echo");
        let count = line
            .split("\"messages\": ")
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        let count: usize = count.expect("a count").parse().expect("a number");
        assert!((1..=25).contains(&count), "{line}");
    }
}
