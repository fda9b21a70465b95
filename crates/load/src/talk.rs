//! Players that send messages and wait for their echo.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::options::Options;
use crate::player::{Message, Player};
use crate::report::{Delays, Stretch};

/// How long greetings are waited for before the first message.
const SETTLE: Duration = Duration::from_millis(500);

/// One player in talk.
struct Talker {
    player: Player,
    /// When the messages were sent whose echo has not come, oldest first.
    sent: VecDeque<Instant>,
}

impl Talker {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sent.push_back(Instant::now());
        self.player.send(bytes)
    }
}

/// All players, and what they send.
struct Crowd<'a> {
    options: &'a Options,
    poll: Poll,
    events: Events,
    talkers: Vec<Talker>,
    message: Message,
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
        crowd.everybody_talks()?;
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
        let mut talkers = Vec::with_capacity(options.clients);
        for number in 0..options.clients {
            talkers.push(Talker {
                player: Player::enter(options, &poll, number)?,
                sent: VecDeque::new(),
            });
        }
        Ok(Self {
            options,
            poll,
            events: Events::with_capacity(1024),
            talkers,
            message: Message::new(options),
            delays: Delays::default(),
            buffer: vec![0; 64 * 1024],
        })
    }

    /// Reads and throws away until `end`.
    fn swallow(&mut self, end: Instant) -> io::Result<()> {
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.poll.poll(&mut self.events, Some(left))?;
            for event in &self.events {
                self.talkers[event.token().0]
                    .player
                    .receive(&mut self.buffer, &self.message.text)?;
            }
        }
        Ok(())
    }

    fn everybody_talks(&mut self) -> io::Result<()> {
        self.talkers
            .iter_mut()
            .try_for_each(|talker| talker.send(&self.message.bytes))
    }

    /// Sends and reads until `end`; at a fixed rate, the message of number `sent` is due at its
    /// time after `begun`.
    fn talk(&mut self, end: Instant, begun: Instant, sent: &mut u32) -> io::Result<()> {
        loop {
            let now = Instant::now();
            let Some(mut left) = end.checked_duration_since(now) else {
                return Ok(());
            };
            if let Some(rate) = self.options.rate {
                let interval = Duration::from_secs_f64(1.0 / rate);
                while begun + interval * *sent <= now {
                    let place = *sent as usize % self.talkers.len();
                    self.talkers[place].send(&self.message.bytes)?;
                    *sent += 1;
                }
                left = left.min((begun + interval * *sent).saturating_duration_since(now));
            }
            self.poll.poll(&mut self.events, Some(left))?;
            self.take_echoes()?;
        }
    }

    fn take_echoes(&mut self) -> io::Result<()> {
        for event in &self.events {
            let talker = &mut self.talkers[event.token().0];
            let echoes = talker
                .player
                .receive(&mut self.buffer, &self.message.text)?;
            for _ in 0..echoes {
                let Some(begun) = talker.sent.pop_front() else {
                    return Err(io::Error::other(
                        "an echo came of a message that was not sent",
                    ));
                };
                self.delays.add(begun.elapsed());
                if self.options.rate.is_none() {
                    talker.send(&self.message.bytes)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::thread;

    use super::*;
    use crate::options::Protocol;
    use crate::websocket;

    fn options(target: SocketAddr, protocol: Protocol, rate: Option<f64>) -> Options {
        Options {
            protocol,
            target,
            clients: 3,
            seconds: Duration::from_millis(100),
            warmup: Duration::from_millis(10),
            rate,
            ..Options::default()
        }
    }

    fn serve(talk: fn(TcpStream)) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = listener.local_addr().expect("bound");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("accepted");
                thread::spawn(move || talk(stream));
            }
        });
        target
    }

    /// Greets, and sends back what comes in pieces.
    fn echo(mut stream: TcpStream) {
        let mut buffer = [0; 7];
        stream
            .write_all(b"\xff\xfd\x18Welcome!\r\n\xff\xf9")
            .expect("written");
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
    }

    /// Opens a websocket and sends each message back, unmasked, together with a ping.
    fn echo_frames(mut stream: TcpStream) {
        let target = stream.local_addr().expect("connected");
        let mut head = vec![0; websocket::request(target, "/").len()];
        stream.read_exact(&mut head).expect("a request");
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x89\0")
            .expect("written");
        let mut frame = [0; 66];
        while stream.read_exact(&mut frame).is_ok() {
            let (head, payload) = frame.split_at_mut(6);
            for (place, byte) in payload.iter_mut().enumerate() {
                *byte ^= head[2 + place % 4];
            }
            let answer = [&[0x81, 60][..], payload, b"\x89\0"].concat();
            if stream.write_all(&answer).is_err() {
                break;
            }
        }
    }

    #[test]
    fn a_closed_loop_is_measured() {
        for (protocol, server) in [
            (Protocol::Telnet, echo as fn(TcpStream)),
            (Protocol::Websocket, echo_frames),
        ] {
            let line = run(&options(serve(server), protocol, None)).expect("an echo");
            assert!(line.contains("\"messages\": "), "{line}");
            assert!(line.contains("\"p99_us\": "), "{line}");
        }
    }

    #[test]
    fn a_fixed_rate_is_kept() {
        let line = run(&options(serve(echo), Protocol::Telnet, Some(200.0))).expect("an echo");
        let count = line
            .split("\"messages\": ")
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        let count: usize = count.expect("a count").parse().expect("a number");
        assert!((1..=25).contains(&count), "{line}");
    }
}
