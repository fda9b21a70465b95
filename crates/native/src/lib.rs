//! `portal._native`: every exported name is visible in this file.
//!
//! The boundary is small on purpose: `bytes`, `str`, `list`, `tuple` and `dict` cross it, no
//! callbacks, no clock, no logging.

mod amp;
mod amp_decoder;
mod fields;
mod keys;
mod look;
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
    const ANSI: u8 = super::markup::ANSI;
    #[pymodule_export]
    const XTERM256: u8 = super::markup::XTERM256;
    #[pymodule_export]
    const TRUECOLOR: u8 = super::markup::TRUECOLOR;
    #[pymodule_export]
    const MXP: u8 = super::markup::MXP;
    #[pymodule_export]
    const SPEECH: u16 = super::look::SPEECH;
    #[pymodule_export]
    const RAW: u16 = super::look::RAW;
    #[pymodule_export]
    const NO_LINE_END: u16 = super::look::NO_LINE_END;
    #[pymodule_export]
    const MARKED: u16 = super::look::MARKED;
    #[pymodule_export]
    const MARKED_PROMPT: u16 = super::look::MARKED_PROMPT;
    #[pymodule_export]
    use super::look::read_look;
    #[pymodule_export]
    use super::markup::{Markup, SpeechFilter, text_to_html};
    #[pymodule_export]
    use super::telnet::{TelnetDecoder, telnet_escape, telnet_text};
    #[pymodule_export]
    use super::websocket::{WebSocketDecoder, websocket_frame, websocket_html, websocket_text};
}
