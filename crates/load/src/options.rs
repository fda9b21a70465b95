//! What the command line asks for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lexopt::prelude::{Long, Value, ValueExt};

/// What to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Players that send messages and wait for their echo.
    Talk,
    /// Players that come and go.
    Connect,
    /// Players that do nothing.
    Idle,
    /// A Server that sends every message back.
    Stub,
    /// A Server that sends each text to all of the players, and those players.
    Fanout,
}

/// How players come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Lines.
    Telnet,
    /// Frames, after a handshake.
    Websocket,
}

/// What a message on a websocket looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The text and nothing else.
    Plain,
    /// The text as the game's clients write it: `["text", ["..."], {}]`.
    Inputfunc,
}

/// How a Server sends one text to many sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boxes {
    /// In one message that names them all.
    One,
    /// In a message for each.
    Each,
}

/// Every option of every command.
#[derive(Debug)]
pub struct Options {
    /// What to be.
    pub command: Command,
    /// How players come in.
    pub protocol: Protocol,
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
    /// Bytes of a text, on telnet with its CR LF.
    pub size: usize,
    /// What a message on a websocket looks like.
    pub form: Form,
    /// What a websocket's request asks for.
    pub path: String,
    /// How a text is sent to all.
    pub boxes: Boxes,
    /// How hard a Server deflates, as zlib counts: 0 stores, a stock one takes 9.
    pub level: u8,
    /// Whether a telnet player agrees to have what it is sent compressed (MCCP2).
    pub compressed: bool,
    /// Where the Portal listens for Servers, for a command that is player and Server at once.
    pub amp_port: u16,
    /// Process whose CPU time is read when measuring begins and ends.
    pub pid: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            command: Command::Talk,
            protocol: Protocol::Telnet,
            target: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            clients: 1,
            seconds: Duration::from_secs(3),
            warmup: Duration::from_secs(1),
            rate: None,
            size: 60,
            form: Form::Plain,
            path: "/".to_owned(),
            boxes: Boxes::One,
            level: 0,
            compressed: false,
            amp_port: 0,
            pid: None,
        }
    }
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
            ..Self::default()
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
        if options.command == Command::Fanout && options.amp_port == 0 {
            return Err("--amp-port is missing".into());
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
            "protocol" => self.protocol = value.parse_with(protocol)?,
            "form" => self.form = value.parse_with(form)?,
            "path" => self.path = value.string()?,
            "boxes" => self.boxes = value.parse_with(boxes)?,
            "level" => self.level = value.parse_with(level)?,
            "compressed" => self.compressed = value.parse()?,
            "amp-port" => self.amp_port = value.parse()?,
            "pid" => self.pid = Some(value.parse()?),
            other => return Err(format!("unknown option --{other}").into()),
        }
        Ok(())
    }
}

fn command(name: &str) -> Result<Command, String> {
    match name {
        "talk" => Ok(Command::Talk),
        "connect" => Ok(Command::Connect),
        "idle" => Ok(Command::Idle),
        "stub" => Ok(Command::Stub),
        "fanout" => Ok(Command::Fanout),
        other => Err(format!("unknown command {other}")),
    }
}

fn protocol(name: &str) -> Result<Protocol, String> {
    match name {
        "telnet" => Ok(Protocol::Telnet),
        "websocket" => Ok(Protocol::Websocket),
        other => Err(format!("unknown protocol {other}")),
    }
}

fn form(name: &str) -> Result<Form, String> {
    match name {
        "plain" => Ok(Form::Plain),
        "inputfunc" => Ok(Form::Inputfunc),
        other => Err(format!("unknown form {other}")),
    }
}

fn boxes(name: &str) -> Result<Boxes, String> {
    match name {
        "one" => Ok(Boxes::One),
        "each" => Ok(Boxes::Each),
        other => Err(format!("unknown boxes {other}")),
    }
}

fn level(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(level @ 0..=9) => Ok(level),
        _ => Err(format!("{text} is no level of zlib")),
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
            "talk --host 127.0.0.2 --port 4000 --clients 50 --seconds 2.5 --warmup 0 \
             --mode rate --rate 500 --size 80 --pid 7 --protocol websocket --form inputfunc \
             --path /ws --boxes each --amp-port 4006 --level 9 --compressed true",
        )
        .expect("a whole command line");
        assert_eq!(options.command, Command::Talk);
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
        assert_eq!(options.protocol, Protocol::Websocket);
        assert_eq!(
            (options.form, options.boxes),
            (Form::Inputfunc, Boxes::Each)
        );
        assert_eq!((&options.path[..], options.amp_port), ("/ws", 4006));
        assert_eq!((options.level, options.compressed), (9, true));
    }

    #[test]
    fn a_closed_loop_has_no_rate() {
        assert_eq!(read("talk --port 1 --rate 5").expect("valid").rate, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, expected) in [
            ("", "a command is missing"),
            ("dance --port 1", "unknown command dance"),
            ("idle", "--port is missing"),
            ("fanout --port 1", "--amp-port is missing"),
            ("talk --port 1 --protocol rlogin", "unknown protocol rlogin"),
            ("talk --port 1 --form oval", "unknown form oval"),
            ("talk --port 1 --boxes two", "unknown boxes two"),
            ("talk --port 1 --mode rate", "--mode rate needs --rate"),
            ("talk --port 1 --level 10", "10 is no level of zlib"),
            ("talk --port 1 --mode fast", "unknown mode fast"),
            (
                "talk --port 1 --seconds soon",
                "soon is not a number of seconds",
            ),
            ("talk --port 1 --colour red", "unknown option --colour"),
        ] {
            let error = read(line).expect_err(line);
            assert!(error.contains(expected), "{line:?}: {error}");
        }
    }
}
