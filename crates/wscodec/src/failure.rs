//! What a client can do wrong, and the code that it is told.

use std::fmt;
use tungstenite::protocol::frame::coding::CloseCode;

/// Why a connection must be failed (RFC 6455, section 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A bit is set that belongs to an extension; none was agreed on.
    ReservedBits,
    /// An opcode that means nothing.
    ReservedOpcode,
    /// A client's frame without a mask.
    Unmasked,
    /// A length that is written in more bytes than it needs.
    LengthNotMinimal,
    /// A ping, pong or close in fragments.
    FragmentedControl,
    /// A ping, pong or close with more than 125 bytes.
    ControlTooLong,
    /// A continuation of nothing.
    UnexpectedContinuation,
    /// A new message before the last one has ended.
    UnfinishedMessage,
    /// A close whose payload is half a code.
    BadClose,
    /// A close with a code that must not be sent.
    BadCloseCode,
    /// A text, or the reason of a close, that is no UTF-8.
    InvalidText,
    /// A message with more empty fragments than [`crate::MAX_EMPTY_FRAGMENTS`].
    EmptyFragments,
    /// A message longer than the decoder's limit.
    MessageTooLong,
}

impl Failure {
    /// The code of the close frame that tells the client.
    #[must_use]
    pub fn code(self) -> CloseCode {
        match self {
            Self::InvalidText => CloseCode::Invalid,
            Self::EmptyFragments => CloseCode::Policy,
            Self::MessageTooLong => CloseCode::Size,
            _ => CloseCode::Protocol,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ReservedBits => "reserved bits are set",
            Self::ReservedOpcode => "reserved opcode",
            Self::Unmasked => "frame without a mask",
            Self::LengthNotMinimal => "length is not written in its shortest form",
            Self::FragmentedControl => "control frame in fragments",
            Self::ControlTooLong => "control frame is too long",
            Self::UnexpectedContinuation => "continuation of no message",
            Self::UnfinishedMessage => "new message inside a message",
            Self::BadClose => "close with half a code",
            Self::BadCloseCode => "close with an invalid code",
            Self::InvalidText => "text is not UTF-8",
            Self::EmptyFragments => "too many empty fragments",
            Self::MessageTooLong => "message is too long",
        })
    }
}

impl std::error::Error for Failure {}
