//! Whole messages: one box with a header and a `Compressed` pickle, in one step each way.
//!
//! Sending is [`Encoder::encode`]. Receiving is [`Router::route`] for every box that the decoder
//! found, which tells bare answers, packed messages and all other boxes apart, and
//! [`Unpacker::unpack`] for the packed ones.

use crate::BoxError;
use crate::boxes::{RawBox, check_key, put_field, put_length};
use crate::compressed::{Chunks, Deflater, Inflater, Pieces, check_name, put_key};
use crate::payload::{Scanner, Verdict};
use std::io::Write;

/// The key of a request's tag.
pub const ASK: &[u8] = b"_ask";
/// The key of an answer's tag.
pub const ANSWER: &[u8] = b"_answer";
/// The key of an error's tag.
pub const ERROR: &[u8] = b"_error";
/// The key of a command's name.
pub const COMMAND: &[u8] = b"_command";

/// What stands in a packed message beside its payload.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The command's name.
    pub command: &'a [u8],
    /// The name of its `Compressed` argument.
    pub key: &'a [u8],
    /// The number under which an answer is wanted.
    pub ask: Option<u64>,
}

/// Writes packed messages; its buffers are used again for the next.
#[derive(Debug, Default)]
pub struct Encoder {
    deflater: Deflater,
    tag: Vec<u8>,
}

impl Encoder {
    /// Append the box of a message to `out`, its keys sorted.
    ///
    /// Level 0 writes stored streams, 1 to 9 are zlib's.
    /// Errors: `EmptyKey`, `KeyTooLong`, `ValueTooLong` (the command's name), `ReservedKey`.
    pub fn encode(
        &mut self,
        out: &mut Vec<u8>,
        header: &Header<'_>,
        payload: &[u8],
        level: u8,
    ) -> Result<(), BoxError> {
        let Header { command, key, ask } = *header;
        if [ASK, ANSWER, ERROR, COMMAND].contains(&key) {
            return Err(BoxError::ReservedKey);
        }
        if command.len() > crate::boxes::MAX_VALUE {
            return Err(BoxError::ValueTooLong(command.len()));
        }
        let pieces = self.deflater.deflate(payload, level);
        check_name(key, pieces.count())?;
        out.reserve(payload.len() + command.len() + 64);
        // All pieces sort as their name does, for a dot comes before every letter of a header.
        let before_command = key < COMMAND;
        if key < ASK {
            put_pieces(out, key, pieces);
        }
        if let Some(number) = ask {
            self.tag.clear();
            write!(self.tag, "{number:x}").expect("a vector takes all that is written");
            put_field(out, ASK, &self.tag);
        }
        if before_command && key > ASK {
            put_pieces(out, key, pieces);
        }
        put_field(out, COMMAND, command);
        if !before_command {
            put_pieces(out, key, pieces);
        }
        out.extend_from_slice(&[0, 0]);
        Ok(())
    }
}

/// Append the fields of all pieces, sorted by their keys: `name.10` comes before `name.2`.
fn put_pieces(out: &mut Vec<u8>, name: &[u8], pieces: Pieces<'_>) {
    let mut order: Vec<usize> = (1..pieces.count()).collect();
    order.sort_by_cached_key(|index| (index + 1).to_string());
    let mut key = Vec::new();
    for index in std::iter::once(0).chain(order) {
        key.clear();
        put_key(name, index, &mut key);
        put_length(out, key.len());
        out.extend_from_slice(&key);
        put_length(out, pieces.size(index));
        pieces.put(index, out);
    }
}

/// Append the answer that has a tag and nothing else.
///
/// Errors: `ValueTooLong`.
pub fn put_answer(out: &mut Vec<u8>, tag: &[u8]) -> Result<(), BoxError> {
    if tag.len() > crate::boxes::MAX_VALUE {
        return Err(BoxError::ValueTooLong(tag.len()));
    }
    put_field(out, ANSWER, tag);
    out.extend_from_slice(&[0, 0]);
    Ok(())
}

/// A box, told apart by what has to be done with it.
#[derive(Clone, Copy, Debug)]
pub enum Incoming<'a> {
    /// An answer without arguments; its tag.
    Answer(&'a [u8]),
    /// A packed message, still compressed.
    Packed(Packed<'a>),
    /// Any other box.
    Other,
}

/// A packed message as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    /// Which of the router's commands it is.
    pub route: usize,
    /// Its tag, when an answer is wanted.
    pub ask: Option<&'a [u8]>,
}

#[derive(Debug)]
struct Route {
    command: Box<[u8]>,
    argument: Box<[u8]>,
}

/// Knows the commands whose one argument is packed.
#[derive(Debug, Default)]
pub struct Router {
    routes: Vec<Route>,
}

impl Router {
    /// Add a command and the name of its `Compressed` argument; its number is how many were added
    /// before it.
    ///
    /// Errors: `EmptyKey`, `KeyTooLong` for the argument.
    pub fn add(&mut self, command: &[u8], argument: &[u8]) -> Result<(), BoxError> {
        check_key(argument)?;
        self.routes.push(Route {
            command: command.into(),
            argument: argument.into(),
        });
        Ok(())
    }

    /// The argument of a command, by its number.
    #[must_use]
    pub fn argument(&self, route: usize) -> &[u8] {
        &self.routes[route].argument
    }

    /// Tell what a box is: answers come before errors, and errors before commands.
    #[must_use]
    pub fn route<'a>(&self, raw: RawBox<'a>) -> Incoming<'a> {
        let (mut ask, mut command) = (None, None);
        for (key, value) in raw.fields() {
            match key {
                ANSWER if raw.len() == 1 => return Incoming::Answer(value),
                ANSWER | ERROR => return Incoming::Other,
                ASK => ask = Some(value),
                COMMAND => command = Some(value),
                _ => {}
            }
        }
        let Some(command) = command else {
            return Incoming::Other;
        };
        match self
            .routes
            .iter()
            .position(|route| *route.command == *command)
        {
            Some(route) => Incoming::Packed(Packed { route, ask }),
            None => Incoming::Other,
        }
    }
}

/// A payload that was inflated and judged.
#[derive(Clone, Debug)]
pub struct Payload<'a> {
    /// The pickle; empty when it cannot be read.
    pub pickle: &'a [u8],
    /// What may be done with it.
    pub verdict: Verdict,
    /// Whether it takes values out of the memo, so that its reader needs one.
    pub recalls: bool,
}

/// Inflates payloads and judges the pickles in them; its buffers are used again for the next.
#[derive(Debug, Default)]
pub struct Unpacker {
    inflater: Inflater,
    scanner: Scanner,
}

impl Unpacker {
    /// The pickle in the argument `name` of a box, and what may be done with it.
    ///
    /// A payload that cannot be read, or is longer than `limit`, comes out empty with a REJECT: it
    /// costs that message, not the stream.
    pub fn unpack<'a>(&'a mut self, raw: RawBox<'a>, name: &[u8], limit: usize) -> Payload<'a> {
        let payload = Chunks::collect(raw.fields(), name)
            .and_then(|chunks| self.inflater.inflate(&chunks, limit));
        match payload {
            Ok(pickle) => Payload {
                pickle,
                verdict: self.scanner.scan(pickle),
                recalls: self.scanner.recalls(),
            },
            Err(error) => Payload {
                pickle: &[],
                verdict: Verdict::Reject(format!("{}: {error}", error.name())),
                recalls: false,
            },
        }
    }
}
