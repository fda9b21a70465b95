//! AMP boxes, the `Compressed` argument and the pickle scan, sans-IO.
//!
//! The files stand in the order of the data: [`boxes`] knows framing, [`compressed`] the long values
//! that are cut over several keys, [`payload`] what a pickle may hold, [`plain`] what stands in a
//! harmless one, [`message`] puts framing, values and judgement
//! together. Nothing here reads a clock or a socket, and nothing is allocated per call that a
//! previous call has left to be used again.

pub mod boxes;
mod class_names;
pub mod compressed;
mod error;
mod memory;
pub mod message;
mod opcodes;
pub mod payload;
pub mod plain;
mod shadow;
mod stored;

pub use error::BoxError;
