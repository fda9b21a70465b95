//! What the command line asks for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lexopt::prelude::{Long, Value, ValueExt};

/// What to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Players that type lines and wait for their echo.
    Telnet,
    /// Players that come and go.
    Connect,
    /// Players that do nothing.
    Idle,
    /// A Server that sends every message back.
    Stub,
}

/// Every option of every command, with its default.
#[derive(Debug)]
pub struct Options {
    /// What to be.
    pub command: Command,
    /// Where the Portal listens, for players or (stub) for Servers.
    pub target: SocketAddr,
    /// How many connections at once.
    pub clients: usize,
    /// How long is measured.
    pub seconds: Duration,
    /// How long the load runs before anything is measured.
    pub warmup: Duration,
    /// Lines a second of all clients together; `None`: each sends when its echo has come.
    pub rate: Option<f64>,
    /// Bytes of a line with its CR LF.
    pub size: usize,
    /// Process whose CPU time is read when measuring begins and ends.
    pub pid: Option<u32>,
}

impl Options {
    /// Reads the command line of this process.
    pub fn parse() -> Result<Self, lexopt::Error> {
        Self::read(lexopt::Parser::from_env())
    }

    fn read(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let command = match parser.next()? {
            Some(Value(name)) => name.parse_with(command)?,
            Some(other) => return Err(other.unexpected()),
            None => return Err("a command is missing".into()),
        };
        let mut options = Self {
            command,
            target: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            clients: 1,
            seconds: Duration::from_secs(3),
            warmup: Duration::from_secs(1),
            rate: None,
            size: 60,
            pid: None,
        };
        let mut open_loop = false;
        while let Some(argument) = parser.next()? {
            let Long(name) = argument else {
                return Err(argument.unexpected());
            };
            let name = name.to_owned();
            if name == "mode" {
                open_loop = parser.value()?.parse_with(mode)?;
            } else {
                options.set(&name, &mut parser)?;
            }
        }
        if options.target.port() == 0 {
            return Err("--port is missing".into());
        }
        if !open_loop {
            options.rate = None;
        } else if options.rate.is_none() {
            return Err("--mode rate needs --rate".into());
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
        let value = parser.value()?;
        match name {
            "host" => self.target.set_ip(value.parse()?),
            "port" => self.target.set_port(value.parse()?),
            "clients" => self.clients = value.parse()?,
            "seconds" => self.seconds = value.parse_with(duration)?,
            "warmup" => self.warmup = value.parse_with(duration)?,
            "rate" => self.rate = Some(value.parse()?),
            "size" => self.size = value.parse()?,
            "pid" => self.pid = Some(value.parse()?),
            other => return Err(format!("unknown option --{other}").into()),
        }
        Ok(())
    }
}

fn command(name: &str) -> Result<Command, String> {
    match name {
        "telnet" => Ok(Command::Telnet),
        "connect" => Ok(Command::Connect),
        "idle" => Ok(Command::Idle),
        "stub" => Ok(Command::Stub),
        other => Err(format!("unknown command {other}")),
    }
}

fn mode(name: &str) -> Result<bool, String> {
    match name {
        "closed" => Ok(false),
        "rate" => Ok(true),
        other => Err(format!("unknown mode {other}")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| format!("{text} is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        let arguments = std::iter::once("load").chain(line.split_whitespace());
        Options::read(lexopt::Parser::from_iter(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_is_read() {
        let options = read(
            "telnet --host 127.0.0.2 --port 4000 --clients 50 --seconds 2.5 --warmup 0 \
             --mode rate --rate 500 --size 80 --pid 7",
        )
        .expect("a whole command line");
        assert_eq!(options.command, Command::Telnet);
        assert_eq!(
            options.target,
            "127.0.0.2:4000".parse().expect("an address")
        );
        assert_eq!(
            (options.clients, options.size, options.pid),
            (50, 80, Some(7))
        );
        assert_eq!(options.seconds, Duration::from_millis(2500));
        assert_eq!(options.warmup, Duration::ZERO);
        assert_eq!(options.rate, Some(500.0));
    }

    #[test]
    fn a_closed_loop_has_no_rate() {
        assert_eq!(read("telnet --port 1 --rate 5").expect("valid").rate, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, expected) in [
            ("", "a command is missing"),
            ("dance --port 1", "unknown command dance"),
            ("idle", "--port is missing"),
            ("telnet --port 1 --mode rate", "--mode rate needs --rate"),
            ("telnet --port 1 --mode fast", "unknown mode fast"),
            (
                "telnet --port 1 --seconds soon",
                "soon is not a number of seconds",
            ),
            ("telnet --port 1 --colour red", "unknown option --colour"),
        ] {
            let error = read(line).expect_err(line);
            assert!(error.contains(expected), "{line:?}: {error}");
        }
    }
}
