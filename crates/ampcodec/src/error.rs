//! What can be wrong with a box, each with a name that crosses the border to Python.

use std::error::Error;
use std::fmt;

/// Why bytes are no box, or a box cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxError {
    /// A key without bytes would read as the end of the box.
    EmptyKey,
    /// A key of this many bytes; 255 is the most.
    KeyTooLong(usize),
    /// A value of this many bytes; 65535 is the most.
    ValueTooLong(usize),
    /// An argument has the name of a key that the message itself needs.
    ReservedKey,
    /// More keys in one box than this limit.
    TooManyKeys(usize),
    /// A box of more bytes than this limit.
    BoxTooLong(usize),
    /// A value that was cut lacks a piece, or all of them.
    MissingChunk,
    /// A piece is no zlib stream, or not a whole one.
    BadDeflate,
    /// A value inflates to more bytes than this limit.
    PayloadTooLarge(usize),
}

impl BoxError {
    /// The error's name, as Python code compares it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EmptyKey => "EmptyKey",
            Self::KeyTooLong(_) => "KeyTooLong",
            Self::ValueTooLong(_) => "ValueTooLong",
            Self::ReservedKey => "ReservedKey",
            Self::TooManyKeys(_) => "TooManyKeys",
            Self::BoxTooLong(_) => "BoxTooLong",
            Self::MissingChunk => "MissingChunk",
            Self::BadDeflate => "BadDeflate",
            Self::PayloadTooLarge(_) => "PayloadTooLarge",
        }
    }
}

impl fmt::Display for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyKey => f.write_str("a key is empty"),
            Self::KeyTooLong(size) => write!(f, "a key of {size} bytes, 255 is the most"),
            Self::ValueTooLong(size) => write!(f, "a value of {size} bytes, 65535 is the most"),
            Self::ReservedKey => f.write_str("an argument has the name of a header"),
            Self::TooManyKeys(limit) => write!(f, "a box with more than {limit} keys"),
            Self::BoxTooLong(limit) => write!(f, "a box of more than {limit} bytes"),
            Self::MissingChunk => f.write_str("a piece of the value is missing"),
            Self::BadDeflate => f.write_str("a piece of the value is no whole zlib stream"),
            Self::PayloadTooLarge(limit) => write!(f, "the value is longer than {limit} bytes"),
        }
    }
}

impl Error for BoxError {}
