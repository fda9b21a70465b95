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

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Sink for Nothing {
        fn text(&mut self, _: &str) {}
        fn binary(&mut self, _: &[u8]) {}
        fn control(&mut self, _: Control, _: &[u8]) {}
        fn failed(&mut self, _: Failure) {}
    }

    fn owned(decoder: &Decoder) -> usize {
        decoder.message.bytes.capacity() + decoder.control.capacity()
    }

    /// A frame whose mask is zero.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let size = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let length = if payload.len() < 126 {
            vec![0x80 | size[1]]
        } else {
            vec![0xfe, size[0], size[1]]
        };
        [&[first][..], &length, &[0; 4], payload].concat()
    }

    #[test]
    fn an_idle_decoder_owns_nothing() {
        let mut decoder = Decoder::new(1000);
        assert_eq!(owned(&decoder), 0);
        let said = [
            frame(0x81, &[b'x'; 900]),
            frame(0x89, &[b'x'; 100]),
            frame(0x01, &[b'x'; 900]),
            frame(0x8a, &[b'x'; 100]),
            frame(0x80, &[b'x'; 100]),
        ]
        .concat();
        for size in [said.len(), 50, 1] {
            for piece in said.chunks(size) {
                decoder.receive(piece, &mut Nothing);
            }
            assert_eq!(owned(&decoder), 0);
        }
        // Nor does one that waits for the rest of a header, or for a payload.
        decoder.receive(&said[..7], &mut Nothing);
        decoder.receive(&said[7..8], &mut Nothing);
        assert_eq!(owned(&decoder), 0);
        decoder.receive(&said[8..80], &mut Nothing);
        assert!(owned(&decoder) > 0);
        decoder.receive(&[0xff; 1000], &mut Nothing);
        decoder.receive(&[0xff; 1000], &mut Nothing);
        assert!(decoder.ended);
        assert_eq!(owned(&decoder), 0);
    }

    #[test]
    fn memory_follows_what_came() {
        let limit = 60_000;
        for size in [1, 7, 1000] {
            let mut decoder = Decoder::new(limit);
            decoder.receive(&frame(0x02, &vec![0; limit])[..8], &mut Nothing);
            for came in (size..limit).step_by(size) {
                decoder.receive(&vec![0; size], &mut Nothing);
                let owned = owned(&decoder);
                assert!(owned <= (2 * came).max(came + size).min(limit), "{owned}");
            }
        }
        // Fragments of one byte are not copied at every one of them.
        let mut decoder = Decoder::new(limit);
        decoder.receive(&frame(0x02, b"x"), &mut Nothing);
        let mut sizes = std::collections::BTreeSet::new();
        for _ in 1..limit {
            decoder.receive(&frame(0x00, b"x"), &mut Nothing);
            sizes.insert(owned(&decoder));
        }
        assert!(sizes.len() <= 20);
        assert_eq!(sizes.last(), Some(&limit));
    }
}
