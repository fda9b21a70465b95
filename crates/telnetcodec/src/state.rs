//! A decoder written down as plain data, so that another process can go on in mid-sequence.

use crate::decoder::{Decoder, Phase};
use crate::line::Line;
use std::fmt;

/// Everything a decoder knows, apart from its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Number of the place in the stream, 0 to 6.
    pub phase: u8,
    /// The verb or option that belongs to the place, 0 where none does.
    pub argument: u8,
    /// The last line ended with a CR, so that an LF or NUL is still to be swallowed.
    pub after_cr: bool,
    /// The line grew too long and is thrown away up to its end.
    pub discarding_line: bool,
    /// The payload grew too long and is thrown away up to its end.
    pub discarding_payload: bool,
    /// The line so far.
    pub line: Vec<u8>,
    /// The payload so far.
    pub payload: Vec<u8>,
}

/// A state names a place in the stream that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateError(pub u8);

impl fmt::Display for StateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a telnet decoder has no phase {}", self.0)
    }
}

impl std::error::Error for StateError {}

impl Phase {
    fn to_parts(self) -> (u8, u8) {
        match self {
            Self::Text => (0, 0),
            Self::Command => (1, 0),
            Self::Option(verb) => (2, verb),
            Self::SubOption => (3, 0),
            Self::SubOptionCommand => (4, 0),
            Self::Payload(option) => (5, option),
            Self::PayloadCommand(option) => (6, option),
        }
    }

    fn from_parts(phase: u8, argument: u8) -> Result<Self, StateError> {
        Ok(match phase {
            0 => Self::Text,
            1 => Self::Command,
            2 => Self::Option(argument),
            3 => Self::SubOption,
            4 => Self::SubOptionCommand,
            5 => Self::Payload(argument),
            6 => Self::PayloadCommand(argument),
            _ => return Err(StateError(phase)),
        })
    }
}

impl Decoder {
    /// Write the decoder down.
    #[must_use]
    pub fn state(&self) -> State {
        let (phase, argument) = self.phase.to_parts();
        State {
            phase,
            argument,
            after_cr: self.after_cr,
            discarding_line: self.line.discarding,
            discarding_payload: self.discarding_payload,
            line: self.line.bytes.clone(),
            payload: self.payload.clone(),
        }
    }

    /// Go on where `state` was written down; the limits stay those of this decoder.
    pub fn set_state(&mut self, state: State) -> Result<(), StateError> {
        self.phase = Phase::from_parts(state.phase, state.argument)?;
        self.after_cr = state.after_cr;
        self.discarding_payload = state.discarding_payload;
        self.payload = state.payload;
        self.line = Line {
            bytes: state.line,
            discarding: state.discarding_line,
        };
        Ok(())
    }
}
