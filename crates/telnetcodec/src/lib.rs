//! Telnet bytes to tokens and lines, and text back to telnet bytes (RFC 854).
//!
//! The crate knows framing only: where a line ends, what a command is, what belongs to a
//! subnegotiation. What the options mean is the caller's business. Nothing here reads a clock or
//! a socket; [`Decoder`] is fed and calls a [`Sink`], [`escape`] and [`text`] are plain functions.

mod decoder;
mod line;
mod state;
mod write;

pub use decoder::{Decoder, Overflow, Sink};
pub use state::{State, StateError};
pub use write::{escape, text};

/// The command bytes of RFC 854 that this crate tells apart.
pub mod command {
    /// Fills time; also what follows a carriage return that stands alone.
    pub const NUL: u8 = 0;
    /// Erases the character before it.
    pub const BACKSPACE: u8 = 8;
    /// Ends a line.
    pub const LF: u8 = 10;
    /// Ends a line, alone or with LF or NUL behind it.
    pub const CR: u8 = 13;
    /// Erases the character before it, too.
    pub const DELETE: u8 = 127;
    /// The lowest byte that is a command after IAC (end of file).
    pub const EOF: u8 = 236;
    /// Ends a subnegotiation.
    pub const SE: u8 = 240;
    /// Erases a character.
    pub const EC: u8 = 247;
    /// Erases the line.
    pub const EL: u8 = 248;
    /// Go ahead; the last of the commands that stand alone.
    pub const GA: u8 = 249;
    /// Begins a subnegotiation.
    pub const SB: u8 = 250;
    /// The first of the four that carry an option: WILL, WONT, DO, DONT.
    pub const WILL: u8 = 251;
    /// The last of the four that carry an option.
    pub const DONT: u8 = 254;
    /// Begins every command; doubled it is a byte of data.
    pub const IAC: u8 = 255;
}
