//! Websocket bytes to messages, and messages back to bytes: the server's side of RFC 6455.
//!
//! Headers and codes are read and written by the frame layer of `tungstenite`; this crate puts
//! messages together from the frames, for very many connections that are mostly idle: a
//! [`Decoder`] between two messages owns no memory. The opening handshake is the caller's
//! business, and so is what a message means. Nothing here reads a clock or a socket; [`Decoder`]
//! is fed and calls a [`Sink`], [`frame_size`] and [`write_frame`] are plain functions.

mod decoder;
mod failure;
mod header;
mod json;
mod mask;
mod message;
mod state;
mod write;

pub use decoder::{Decoder, Sink};
pub use failure::Failure;
pub use header::MAX_CONTROL;
pub use json::push_json_text;
pub use message::MAX_EMPTY_FRAGMENTS;
pub use state::{State, StateError};
pub use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
pub use write::{frame_size, write_frame};
