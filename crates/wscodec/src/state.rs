//! A decoder written down as plain data, so that another process can go on in mid-frame.

use crate::decoder::{Decoder, Frame};
use crate::header::{Head, MAX_CONTROL};
use crate::message::{Kind, Message};
use std::fmt;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Everything a decoder knows, apart from its limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Nothing is read any more.
    pub ended: bool,
    /// The bytes of a header that is cut.
    pub header: Vec<u8>,
    /// Bytes still to come of the frame; 0 between two frames, where the next three mean nothing.
    pub left: usize,
    /// The opcode of the frame.
    pub opcode: u8,
    /// The frame is the last of its message.
    pub is_final: bool,
    /// The mask for the next byte of the frame.
    pub mask: [u8; 4],
    /// The opcode of the message that has not ended; 0 where there is none.
    pub kind: u8,
    /// The message so far.
    pub message: Vec<u8>,
    /// Fragments of the message that had no bytes.
    pub empty_fragments: u8,
    /// The payload of a control frame so far.
    pub control: Vec<u8>,
}

/// A part of a state that no decoder can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateError(pub &'static str);

impl fmt::Display for StateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no websocket decoder has such a {}", self.0)
    }
}

impl std::error::Error for StateError {}

impl Decoder {
    /// Write the decoder down.
    #[must_use]
    pub fn state(&self) -> State {
        let frame = self.frame;
        State {
            ended: self.ended,
            header: self.head.as_bytes().to_vec(),
            left: frame.map_or(0, |frame| frame.left),
            opcode: frame.map_or(0, |frame| frame.opcode.into()),
            is_final: frame.is_some_and(|frame| frame.is_final),
            mask: frame.map_or([0; 4], |frame| frame.mask),
            kind: match self.message.kind {
                None => 0,
                Some(Kind::Text) => OpCode::Data(Data::Text).into(),
                Some(Kind::Binary) => OpCode::Data(Data::Binary).into(),
            },
            message: self.message.bytes.clone(),
            empty_fragments: self.message.empty_fragments,
            control: self.control.clone(),
        }
    }

    /// Go on where `state` was written down; the limit stays that of this decoder, and counts
    /// from the next header on.
    pub fn set_state(&mut self, state: State) -> Result<(), StateError> {
        let kind = match state.kind {
            0 => None,
            1 => Some(Kind::Text),
            2 => Some(Kind::Binary),
            _ => return Err(StateError("kind")),
        };
        let frame = frame_of(&state, kind)?;
        let head = Head::from_bytes(&state.header).ok_or(StateError("header"))?;
        if frame.is_some() && !state.header.is_empty() {
            return Err(StateError("header"));
        }
        let in_control = frame.is_some_and(|frame| matches!(frame.opcode, OpCode::Control(_)));
        if !in_control && !state.control.is_empty() {
            return Err(StateError("control"));
        }
        if kind.is_none() && !state.message.is_empty() {
            return Err(StateError("message"));
        }
        self.message = Message::resume(kind, state.message, state.empty_fragments)
            .map_err(|_| StateError("message"))?;
        self.head = head;
        self.frame = frame;
        self.control = state.control;
        self.ended = state.ended;
        Ok(())
    }
}

/// The frame that `state` is in, if it is in one.
fn frame_of(state: &State, kind: Option<Kind>) -> Result<Option<Frame>, StateError> {
    if state.left == 0 {
        return Ok(None);
    }
    let opcode = match state.opcode {
        code @ (0..=2 | 8..=10) => OpCode::from(code),
        _ => return Err(StateError("opcode")),
    };
    match opcode {
        OpCode::Data(_) if kind.is_none() => return Err(StateError("kind")),
        OpCode::Control(_) if state.left.saturating_add(state.control.len()) > MAX_CONTROL => {
            return Err(StateError("control"));
        }
        OpCode::Control(Control::Close | Control::Ping | Control::Pong) if !state.is_final => {
            return Err(StateError("opcode"));
        }
        _ => {}
    }
    Ok(Some(Frame {
        opcode,
        is_final: state.is_final,
        mask: state.mask,
        left: state.left,
    }))
}
