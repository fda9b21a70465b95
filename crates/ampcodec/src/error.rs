//! Why bytes are refused: one named error for each rule.

use std::fmt;

/// A rule of the framing, or a limit, that bytes or arguments broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxError {
    /// A key without bytes cannot be written: it would read as the end of the box.
    EmptyKey,
    /// A key of this length; at most 255 fit.
    KeyTooLong(usize),
    /// A value of this length; at most 65535 fit.
    ValueTooLong(usize),
    /// A box with more keys than this.
    TooManyKeys(usize),
    /// A box of more bytes than this.
    BoxTooLong(usize),
    /// A compressed value without its first chunk, or with a gap before this one.
    MissingChunk(usize),
    /// A chunk that is no zlib stream.
    BadDeflate,
    /// A value that inflates to more bytes than this.
    PayloadTooLarge(usize),
}

impl BoxError {
    /// The error's name, as it stands in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EmptyKey => "EmptyKey",
            Self::KeyTooLong(_) => "KeyTooLong",
            Self::ValueTooLong(_) => "ValueTooLong",
            Self::TooManyKeys(_) => "TooManyKeys",
            Self::BoxTooLong(_) => "BoxTooLong",
            Self::MissingChunk(_) => "MissingChunk",
            Self::BadDeflate => "BadDeflate",
            Self::PayloadTooLarge(_) => "PayloadTooLarge",
        }
    }
}

impl fmt::Display for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyKey => write!(f, "a key has at least one byte"),
            Self::KeyTooLong(size) => write!(f, "a key of {size} bytes; at most 255 fit"),
            Self::ValueTooLong(size) => write!(f, "a value of {size} bytes; at most 65535 fit"),
            Self::TooManyKeys(limit) => write!(f, "a box of more than {limit} keys"),
            Self::BoxTooLong(limit) => write!(f, "a box of more than {limit} bytes"),
            Self::MissingChunk(number) => write!(f, "chunk {number} of the value is missing"),
            Self::BadDeflate => write!(f, "a chunk of the value is no zlib stream"),
            Self::PayloadTooLarge(limit) => write!(f, "the value inflates over {limit} bytes"),
        }
    }
}

impl std::error::Error for BoxError {}
