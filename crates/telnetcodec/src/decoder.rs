//! The decoder: a state machine over bytes that may be cut anywhere.

use crate::command::{CR, DONT, EC, EL, EOF, GA, IAC, LF, NUL, SB, SE, WILL};
use crate::line::Line;
use memchr::{memchr, memchr3};

/// What the decoder found; the slices live only as long as the call.
pub trait Sink {
    /// One line, without its end.
    fn line(&mut self, line: &[u8]);

    /// A command: WILL, WONT, DO, DONT with their option, SB with option and unescaped payload,
    /// any other one with option 0.
    fn command(&mut self, verb: u8, option: u8, payload: &[u8]);

    /// A limit was passed; `size` is the first size that is over it. Told once for each line or
    /// subnegotiation, at the moment it happens, whose rest is then thrown away unstored.
    fn overflow(&mut self, what: Overflow, size: usize);

    /// A NUL while there is nothing of a line: what some old clients keep a connection alive by.
    fn keepalive(&mut self);
}

/// What grew over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// A line.
    Line,
    /// The payload of a subnegotiation.
    Subnegotiation,
}

/// Where in the stream the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Text,
    /// After IAC.
    Command,
    /// After IAC and the verb held here; an option follows.
    Option(u8),
    /// After IAC SB; an option follows.
    SubOption,
    /// After IAC SB IAC: an option of 255 if another IAC follows.
    SubOptionCommand,
    /// In the payload for the option held here.
    Payload(u8),
    /// After IAC in the payload for the option held here.
    PayloadCommand(u8),
}

/// Turns the bytes of a telnet peer into lines and commands.
///
/// - Lines end with CR LF, CR NUL, LF or CR. A CR ends the line at once; an LF or NUL behind it
///   is swallowed, in whichever read it comes.
/// - BS, DEL and the command EC take back a character, EL the line; NUL is dropped, and told of
///   while there is nothing of a line.
/// - IAC IAC is the byte 255, in lines and in subnegotiations. IAC before a byte that is no
///   command is dropped together with it.
/// - A subnegotiation that IAC and another command interrupt is dropped, and the command counts.
///   One without an option (IAC SB IAC SE) is nothing.
#[derive(Debug)]
pub struct Decoder {
    pub(crate) line: Line,
    pub(crate) payload: Vec<u8>,
    pub(crate) phase: Phase,
    pub(crate) after_cr: bool,
    pub(crate) discarding_payload: bool,
    max_line: usize,
    max_payload: usize,
}

impl Decoder {
    /// A decoder whose lines and payloads may have up to so many bytes.
    #[must_use]
    pub fn new(max_line: usize, max_payload: usize) -> Self {
        Self {
            line: Line::default(),
            payload: Vec::new(),
            phase: Phase::default(),
            after_cr: false,
            discarding_payload: false,
            max_line,
            max_payload,
        }
    }

    /// Bytes of the line that has not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.line.bytes.len()
    }

    /// Read what the peer sent, in whatever pieces, and hand out what is complete.
    pub fn receive(&mut self, mut data: &[u8], sink: &mut impl Sink) {
        while let Some((&byte, rest)) = data.split_first() {
            data = match self.phase {
                Phase::Text => self.receive_text(data, sink),
                Phase::Payload(option) => self.receive_payload(option, data, sink),
                _ => {
                    self.receive_command(byte, sink);
                    rest
                }
            };
        }
    }

    /// Read text up to an IAC or the end of a line; returns what is left.
    fn receive_text<'a>(&mut self, data: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        if self.after_cr && data[0] != IAC {
            self.after_cr = false;
            if matches!(data[0], LF | NUL) {
                return &data[1..];
            }
        }
        let Some(end) = memchr3(IAC, CR, LF, data) else {
            self.line.push(data, self.max_line, sink);
            return &[];
        };
        let text = &data[..end];
        if data[end] == IAC {
            self.line.push(text, self.max_line, sink);
            self.phase = Phase::Command;
        } else {
            self.line.end(text, self.max_line, sink);
            self.after_cr = data[end] == CR;
        }
        &data[end + 1..]
    }

    /// Read a payload up to an IAC; returns what is left.
    fn receive_payload<'a>(
        &mut self,
        option: u8,
        data: &'a [u8],
        sink: &mut impl Sink,
    ) -> &'a [u8] {
        let end = memchr(IAC, data).unwrap_or(data.len());
        self.append_payload(&data[..end], sink);
        if end == data.len() {
            return &[];
        }
        self.phase = Phase::PayloadCommand(option);
        &data[end + 1..]
    }

    fn append_payload(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        if self.discarding_payload {
            return;
        }
        if self.payload.len() + bytes.len() <= self.max_payload {
            self.payload.extend_from_slice(bytes);
            return;
        }
        self.payload = Vec::new();
        self.discarding_payload = true;
        sink.overflow(Overflow::Subnegotiation, self.max_payload + 1);
    }

    /// Read one byte of a command. The states in which runs of bytes are read are not met here.
    fn receive_command(&mut self, byte: u8, sink: &mut impl Sink) {
        self.phase = match (self.phase, byte) {
            (Phase::Option(verb), option) => {
                sink.command(verb, option, &[]);
                Phase::Text
            }
            (Phase::SubOption, IAC) => Phase::SubOptionCommand,
            (Phase::SubOption, option) | (Phase::SubOptionCommand, option @ IAC) => {
                Phase::Payload(option)
            }
            (Phase::SubOptionCommand, SE) => Phase::Text,
            (Phase::PayloadCommand(option), IAC) => {
                self.append_payload(&[IAC], sink);
                Phase::Payload(option)
            }
            (Phase::PayloadCommand(option), SE) => {
                let payload = std::mem::take(&mut self.payload);
                if !std::mem::take(&mut self.discarding_payload) {
                    sink.command(SB, option, &payload);
                }
                Phase::Text
            }
            (_, verb) => {
                // What a subnegotiation had so far is broken off by any other command.
                self.payload = Vec::new();
                self.discarding_payload = false;
                self.begin_command(verb, sink)
            }
        };
    }

    /// Read the byte behind an IAC; returns what comes next.
    fn begin_command(&mut self, verb: u8, sink: &mut impl Sink) -> Phase {
        match verb {
            IAC => {
                self.after_cr = false;
                self.line.append(&[IAC], self.max_line, sink);
            }
            SB => return Phase::SubOption,
            WILL..=DONT => return Phase::Option(verb),
            EOF..=GA => {
                match verb {
                    EC => self.line.erase_character(),
                    EL => self.line.erase(),
                    _ => {}
                }
                sink.command(verb, 0, &[]);
            }
            _ => {}
        }
        Phase::Text
    }
}
