//! The decoder: messages from bytes that may be cut anywhere.

use crate::failure::Failure;
use crate::header::{Head, Header};
use crate::mask::{advance, unmask};
use crate::message::{Kind, Message, text};
use std::str;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// What the decoder found; the slices live only as long as the call.
pub trait Sink {
    /// One text message.
    fn text(&mut self, text: &str);

    /// One binary message.
    fn binary(&mut self, data: &[u8]);

    /// A ping or pong with its payload, or a close: the last that is ever told. The payload of a
    /// close is empty, or a code that may be sent and a reason in UTF-8.
    fn control(&mut self, opcode: Control, payload: &[u8]);

    /// The client broke the protocol or a limit: the last that is ever told.
    fn failed(&mut self, failure: Failure);
}

/// The frame whose payload is being read: there is more to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) opcode: OpCode,
    pub(crate) is_final: bool,
    /// The mask for the next byte.
    pub(crate) mask: [u8; 4],
    /// Bytes that are still to come.
    pub(crate) left: usize,
}

/// Turns the bytes of a websocket client into messages.
///
/// - A message has at most `max_message` bytes in all its fragments. A longer one fails as soon
///   as a header announces it; memory is taken for what has come, never for what is announced.
/// - Text is checked as it comes: the first wrong byte fails, wherever the message is cut.
/// - Control frames may stand between the fragments of a message and are handed out at once.
/// - After a close or a failure everything is thrown away unread.
#[derive(Debug)]
pub struct Decoder {
    pub(crate) head: Head,
    pub(crate) frame: Option<Frame>,
    pub(crate) message: Message,
    /// The payload, so far, of a control frame that is cut.
    pub(crate) control: Vec<u8>,
    pub(crate) ended: bool,
    max_message: usize,
}

impl Decoder {
    /// A decoder whose messages may have up to so many bytes.
    #[must_use]
    pub fn new(max_message: usize) -> Self {
        Self {
            head: Head::default(),
            frame: None,
            message: Message::default(),
            control: Vec::new(),
            ended: false,
            max_message,
        }
    }

    /// Bytes stored of messages and control frames that have not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.message.bytes.len() + self.control.len()
    }

    /// Read what the client sent, in whatever pieces, and hand out what is complete.
    pub fn receive(&mut self, mut data: &[u8], sink: &mut impl Sink) {
        let mut scratch = Vec::new();
        while !data.is_empty() && !self.ended {
            data = match self.receive_part(data, &mut scratch, sink) {
                Ok(rest) => rest,
                Err(failure) => {
                    self.end();
                    sink.failed(failure);
                    return;
                }
            };
        }
    }

    /// Read up to the end of a frame; returns what is left.
    fn receive_part<'a>(
        &mut self,
        mut data: &'a [u8],
        scratch: &mut Vec<u8>,
        sink: &mut impl Sink,
    ) -> Result<&'a [u8], Failure> {
        let mut frame = if let Some(frame) = self.frame {
            frame
        } else {
            let (header, rest) = self.head.read(data)?;
            let Some(header) = header else {
                return Ok(rest);
            };
            let frame = self.admit(header)?;
            if frame.left <= rest.len() && self.is_whole(&frame) {
                let (payload, rest) = rest.split_at(frame.left);
                scratch.clear();
                scratch.extend_from_slice(payload);
                unmask(scratch, frame.mask);
                self.receive_whole(frame.opcode, scratch, sink)?;
                return Ok(rest);
            }
            self.begin(frame.opcode);
            data = rest;
            frame
        };
        let (payload, rest) = data.split_at(frame.left.min(data.len()));
        self.store(&frame, payload)?;
        frame.left -= payload.len();
        frame.mask = advance(frame.mask, payload.len());
        self.frame = (frame.left > 0).then_some(frame);
        if frame.left == 0 {
            self.finish(&frame, sink)?;
        }
        Ok(rest)
    }

    /// Check a header against the message that it is, or is not, a part of.
    fn admit(&mut self, header: Header) -> Result<Frame, Failure> {
        let length = usize::try_from(header.length).map_err(|_| Failure::MessageTooLong)?;
        if let OpCode::Data(data) = header.opcode {
            match (data, self.message.kind) {
                (Data::Continue, None) => return Err(Failure::UnexpectedContinuation),
                (Data::Text | Data::Binary, Some(_)) => return Err(Failure::UnfinishedMessage),
                _ => {}
            }
            if length > self.max_message.saturating_sub(self.message.bytes.len()) {
                return Err(Failure::MessageTooLong);
            }
            if length == 0 && !header.is_final {
                self.message.count_empty()?;
            }
        }
        Ok(Frame {
            opcode: header.opcode,
            is_final: header.is_final,
            mask: header.mask,
            left: length,
        })
    }

    /// Whether the frame is all there is of its message, so that nothing need be stored.
    fn is_whole(&self, frame: &Frame) -> bool {
        match frame.opcode {
            OpCode::Control(_) => true,
            OpCode::Data(_) => frame.is_final && self.message.kind.is_none(),
        }
    }

    /// Note of which kind the message is that begins here, if one does.
    fn begin(&mut self, opcode: OpCode) {
        match opcode {
            OpCode::Data(Data::Text) => self.message.kind = Some(Kind::Text),
            OpCode::Data(Data::Binary) => self.message.kind = Some(Kind::Binary),
            _ => {}
        }
    }

    fn store(&mut self, frame: &Frame, payload: &[u8]) -> Result<(), Failure> {
        if let OpCode::Data(_) = frame.opcode {
            return self.message.push(payload, frame.mask, self.max_message);
        }
        let known = self.control.len();
        self.control.extend_from_slice(payload);
        unmask(&mut self.control[known..], frame.mask);
        Ok(())
    }

    /// End a frame whose payload was stored.
    fn finish(&mut self, frame: &Frame, sink: &mut impl Sink) -> Result<(), Failure> {
        match frame.opcode {
            OpCode::Control(_) => {
                let payload = std::mem::take(&mut self.control);
                self.receive_whole(frame.opcode, &payload, sink)
            }
            OpCode::Data(_) if frame.is_final => self.message.finish(sink),
            OpCode::Data(_) => Ok(()),
        }
    }

    /// Hand out a control frame, or a message of one frame.
    fn receive_whole(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), Failure> {
        match opcode {
            OpCode::Data(Data::Text) => text(payload, sink)?,
            OpCode::Data(_) => sink.binary(payload),
            OpCode::Control(control) => {
                if control == Control::Close {
                    check_close(payload)?;
                    self.end();
                }
                sink.control(control, payload);
            }
        }
        Ok(())
    }

    /// Let go of everything; nothing is read from here on.
    fn end(&mut self) {
        *self = Self::new(self.max_message);
        self.ended = true;
    }
}

/// The code that is registered for a gateway's trouble, which `CloseCode` does not know.
const BAD_GATEWAY: u16 = 1014;

/// Check the payload of a close: nothing, or a code and a reason (RFC 6455, section 5.5.1).
fn check_close(payload: &[u8]) -> Result<(), Failure> {
    match *payload {
        [] => Ok(()),
        [_] => Err(Failure::BadClose),
        [high, low, ref reason @ ..] => {
            let code = u16::from_be_bytes([high, low]);
            if code != BAD_GATEWAY && !CloseCode::from(code).is_allowed() {
                return Err(Failure::BadCloseCode);
            }
            str::from_utf8(reason).map_err(|_| Failure::InvalidText)?;
            Ok(())
        }
    }
}
