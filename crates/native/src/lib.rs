//! `portal._native`: every exported name is visible in this file.
//!
//! The boundary is small on purpose: `bytes`, `str`, `list`, `tuple` and `dict` cross it, no
//! callbacks, no clock, no logging.

mod amp;
mod amp_decoder;
mod fields;
mod keys;
mod markup;
mod plain_reader;
mod plain_writer;
mod telnet;
mod websocket;

use pyo3::prelude::*;

/// The codecs of Portal.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::amp::{
        BoxError, compress, decode_boxes, decompress, dump_packed, encode_answer, encode_answers,
        encode_box, encode_message, scan_pickle,
    };
    #[pymodule_export]
    use super::amp_decoder::AmpDecoder;
    #[pymodule_export]
    const PLAIN: u8 = super::amp::PLAIN;
    #[pymodule_export]
    const OBJECTS: u8 = super::amp::OBJECTS;
    #[pymodule_export]
    const REJECT: u8 = super::amp::REJECT;
    #[pymodule_export]
    const READ: u8 = super::amp::READ;
    #[pymodule_export]
    use super::markup::{markup_to_ansi, markup_to_html, markup_to_plain};
    #[pymodule_export]
    use super::telnet::{TelnetDecoder, telnet_escape, telnet_text};
    #[pymodule_export]
    use super::websocket::{WebSocketDecoder, websocket_frame, websocket_html, websocket_text};
}
