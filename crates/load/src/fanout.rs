//! One text to everybody: what each delivery costs the Portal.
//!
//! This is all of the players and their Server at once. A text goes out when the one before it has
//! reached everybody; no two are alike, so that nothing is kept from one to the next.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::options::{Options, Protocol};
use crate::player::Player;
use crate::report::{Delays, Stretch};
use crate::server::Server;

const LINK: Token = Token(usize::MAX);
/// Telnet players who answer no option are heard of after two seconds; then a session is settled.
const SETTLE: Duration = Duration::from_millis(2500);
/// How long the slowest of everybody is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Colours as a game uses them; what follows fills the text up.
const COLOURED: &str =
    "|gThe Great Hall|n: |ya tall woman|n in a |rred cloak|n walks in and says: ";

struct Crowd<'a> {
    options: &'a Options,
    poll: Poll,
    events: Events,
    players: Vec<Player>,
    server: Server,
    delays: Delays,
    buffer: Vec<u8>,
    round: u32,
}

/// Runs the whole measurement; returns its figures as JSON.
pub fn run(options: &Options) -> io::Result<String> {
    let mut crowd = Crowd::gather(options)?;
    crowd.repeat_until(Instant::now() + options.warmup)?;
    crowd.delays = Delays::with_room();
    let stretch = Stretch::begin(options.pid)?;
    crowd.repeat_until(stretch.begun() + options.seconds)?;
    stretch.end("messages", options.clients, crowd.delays)
}

impl<'a> Crowd<'a> {
    fn gather(options: &'a Options) -> io::Result<Self> {
        let poll = Poll::new()?;
        let link = SocketAddr::new(options.target.ip(), options.amp_port);
        let server = Server::dial(link, &poll, LINK)?;
        let mut crowd = Self {
            options,
            poll,
            events: Events::with_capacity(1024),
            players: Vec::with_capacity(options.clients),
            server,
            delays: Delays::default(),
            buffer: vec![0; 64 * 1024],
            round: 0,
        };
        crowd.wait("take the Server", |crowd, _| crowd.server.is_known())?;
        for number in 0..options.clients {
            let player = Player::enter(options, &crowd.poll, number)?;
            crowd.players.push(player);
        }
        let least = match options.protocol {
            Protocol::Telnet => SETTLE,
            Protocol::Websocket => Duration::ZERO,
        };
        crowd.wait("tell of every player", |crowd, waited| {
            waited >= least && crowd.server.sessions() == crowd.players.len()
        })?;
        Ok(crowd)
    }

    /// Serves everybody until it is `done`, which is told how long that has taken.
    fn wait(&mut self, what: &str, done: impl Fn(&Self, Duration) -> bool) -> io::Result<()> {
        let begun = Instant::now();
        while !done(self, begun.elapsed()) {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("the Portal did not {what}")));
            }
            self.turn(b"nothing yet")?;
        }
        Ok(())
    }

    fn repeat_until(&mut self, end: Instant) -> io::Result<()> {
        while Instant::now() < end {
            self.tell_everybody()?;
        }
        Ok(())
    }

    fn tell_everybody(&mut self) -> io::Result<()> {
        self.round += 1;
        let mark = format!("round {:08}.", self.round);
        let text = text(&mark, self.options.size);
        let begun = Instant::now();
        self.server
            .send_to_all(&text, self.options.boxes, self.options.level)?;
        let mut missing = self.players.len();
        while missing > 0 {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{missing} players got no text")));
            }
            let reached = self.turn(mark.as_bytes())?;
            let delay = begun.elapsed();
            for _ in 0..reached {
                self.delays.add(delay);
            }
            missing = missing
                .checked_sub(reached)
                .ok_or_else(|| io::Error::other("a text came twice"))?;
        }
        Ok(())
    }

    /// One turn of the loop; returns how many texts with the mark have arrived.
    fn turn(&mut self, mark: &[u8]) -> io::Result<usize> {
        self.poll
            .poll(&mut self.events, Some(Duration::from_millis(100)))?;
        let mut reached = 0;
        for event in &self.events {
            if event.token() == LINK {
                self.server.receive()?;
                self.server.flush()?;
            } else {
                reached += self.players[event.token().0].receive(&mut self.buffer, mark)?;
            }
        }
        Ok(reached)
    }
}

/// A coloured text of so many bytes, the mark at its end.
fn text(mark: &str, size: usize) -> String {
    let fill = size.saturating_sub(COLOURED.len() + mark.len());
    format!("{COLOURED}{}{mark}", "x".repeat(fill))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_its_size() {
        assert_eq!(text("round 1.", 200).len(), 200);
        assert!(text("round 1.", 10).ends_with("says: round 1."));
    }
}
