//! AMP boxes, the Compressed argument and the pickle scan, sans-IO.
//!
//! Bytes in, boxes out: no socket, no task, no clock. Limits are arguments and every refusal has a
//! name ([`BoxError`]).

pub mod boxes;
pub mod compressed;
mod error;
pub mod message;
pub mod payload;

pub use boxes::{Decoder, Fields, encode_box};
pub use compressed::{Deflater, Inflater};
pub use error::BoxError;
pub use payload::{Verdict, scan};
