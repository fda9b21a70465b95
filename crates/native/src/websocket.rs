//! Python's view of the websocket crate.

use crate::markup::{Markup, valid};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use wscodec::{
    Control, Data, Decoder, Failure, MAX_CONTROL, OpCode, Sink, State, frame_size, push_json_text,
    write_frame,
};

/// Turns the bytes of a websocket client into messages.
#[pyclass(module = "portal._native")]
pub struct WebSocketDecoder {
    decoder: Decoder,
}

#[pymethods]
impl WebSocketDecoder {
    #[new]
    fn new(max_message: usize) -> Self {
        Self {
            decoder: Decoder::new(max_message),
        }
    }

    /// Read what the client sent; returns texts, binary messages, (opcode, payload) of control
    /// frames and (close code, reason) of a failure, in their order.
    fn receive_data<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let mut messages = Messages {
            list: PyList::empty(py),
            failure: None,
        };
        self.decoder.receive(data, &mut messages);
        messages.failure.map_or(Ok(messages.list), Err)
    }

    /// Bytes stored of messages that have not ended.
    #[getter]
    fn pending(&self) -> usize {
        self.decoder.pending()
    }

    /// Write the decoder down as plain data.
    fn get_state(&self) -> StateDict {
        self.decoder.state().into()
    }

    /// Go on where `get_state` was called.
    fn set_state(&mut self, state: StateDict) -> PyResult<()> {
        self.decoder
            .set_state(state.into())
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

/// Make a frame that is a whole message or a control frame.
#[pyfunction]
pub fn websocket_frame<'py>(
    py: Python<'py>,
    opcode: u8,
    payload: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let opcode = match opcode {
        1 | 2 | 8..=10 => OpCode::from(opcode),
        _ => return Err(PyValueError::new_err(format!("opcode {opcode}"))),
    };
    if matches!(opcode, OpCode::Control(_)) && payload.len() > MAX_CONTROL {
        let message = format!("control frame of {} bytes", payload.len());
        return Err(PyValueError::new_err(message));
    }
    frame(py, opcode, payload)
}

/// Make a frame that is a whole text message.
#[pyfunction]
pub fn websocket_text<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyBytes>> {
    frame(
        text.py(),
        OpCode::Data(Data::Text),
        text.to_str()?.as_bytes(),
    )
}

/// Make the frame of `["text", [html], {}]` from a text in markup: the format `v1.evennia.com`.
#[pyfunction]
pub fn websocket_html<'py>(
    markup: &Markup,
    text: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyBytes>> {
    let text = valid(text)?;
    let html = markup.html(text.to_str()?);
    let mut payload = Vec::with_capacity(html.len() + 64);
    payload.extend_from_slice(b"[\"text\",[\"");
    push_json_text(&html, &mut payload);
    payload.extend_from_slice(b"\"],{}]");
    frame(text.py(), OpCode::Data(Data::Text), &payload)
}

fn frame<'py>(py: Python<'py>, opcode: OpCode, payload: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, frame_size(payload.len()), |out| {
        write_frame(opcode, payload, out);
        Ok(())
    })
}

/// Collects what the decoder finds as Python objects, with one copy each.
struct Messages<'py> {
    list: Bound<'py, PyList>,
    failure: Option<PyErr>,
}

impl<'py> Messages<'py> {
    fn append(&mut self, item: impl IntoPyObject<'py>) {
        // Memory is all that may be wanting here; the first such error is the call's.
        if let Err(error) = self.list.append(item) {
            self.failure.get_or_insert(error);
        }
    }
}

impl Sink for Messages<'_> {
    fn text(&mut self, text: &str) {
        self.append(PyString::new(self.list.py(), text));
    }

    fn binary(&mut self, data: &[u8]) {
        self.append(PyBytes::new(self.list.py(), data));
    }

    fn control(&mut self, opcode: Control, payload: &[u8]) {
        let opcode = u8::from(OpCode::Control(opcode));
        self.append((opcode, PyBytes::new(self.list.py(), payload)));
    }

    fn failed(&mut self, failure: Failure) {
        let reason = failure.to_string();
        let code = u16::from(failure.code());
        self.append((code, PyBytes::new(self.list.py(), reason.as_bytes())));
    }
}

/// A decoder's state as a dict of plain values.
#[derive(FromPyObject, IntoPyObject)]
#[pyo3(from_item_all)]
pub struct StateDict {
    ended: bool,
    header: Vec<u8>,
    left: usize,
    opcode: u8,
    is_final: bool,
    mask: [u8; 4],
    kind: u8,
    message: Vec<u8>,
    empty_fragments: u8,
    control: Vec<u8>,
}

impl From<State> for StateDict {
    fn from(state: State) -> Self {
        Self {
            ended: state.ended,
            header: state.header,
            left: state.left,
            opcode: state.opcode,
            is_final: state.is_final,
            mask: state.mask,
            kind: state.kind,
            message: state.message,
            empty_fragments: state.empty_fragments,
            control: state.control,
        }
    }
}

impl From<StateDict> for State {
    fn from(state: StateDict) -> Self {
        Self {
            ended: state.ended,
            header: state.header,
            left: state.left,
            opcode: state.opcode,
            is_final: state.is_final,
            mask: state.mask,
            kind: state.kind,
            message: state.message,
            empty_fragments: state.empty_fragments,
            control: state.control,
        }
    }
}
