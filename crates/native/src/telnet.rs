//! Python's view of the telnet crate.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::borrow::Cow;
use telnetcodec::{Decoder, Overflow, Sink, State};

/// Turns the bytes of a telnet peer into lines and commands.
#[pyclass(module = "portal._native")]
pub struct TelnetDecoder {
    decoder: Decoder,
}

#[pymethods]
impl TelnetDecoder {
    #[new]
    fn new(max_line: usize, max_subnegotiation: usize) -> Self {
        Self {
            decoder: Decoder::new(max_line, max_subnegotiation),
        }
    }

    /// Read what the peer sent; returns lines and (verb, option, payload) in their order.
    fn receive_data<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let mut tokens = Tokens {
            list: PyList::empty(py),
            failure: None,
        };
        self.decoder.receive(data, &mut tokens);
        tokens.failure.map_or(Ok(tokens.list), Err)
    }

    /// Bytes of the line that has not ended.
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

/// Double every IAC; returns the same object when there is none.
#[pyfunction]
pub fn telnet_escape<'py>(data: &Bound<'py, PyBytes>) -> Bound<'py, PyBytes> {
    rewritten(data, telnetcodec::escape(data.as_bytes()))
}

/// Make text of it: IAC doubled, line ends CR LF; returns the same object when it is so already.
#[pyfunction]
pub fn telnet_text<'py>(data: &Bound<'py, PyBytes>) -> Bound<'py, PyBytes> {
    rewritten(data, telnetcodec::text(data.as_bytes()))
}

fn rewritten<'py>(data: &Bound<'py, PyBytes>, result: Cow<'_, [u8]>) -> Bound<'py, PyBytes> {
    match result {
        Cow::Borrowed(_) => data.clone(),
        Cow::Owned(bytes) => PyBytes::new(data.py(), &bytes),
    }
}

/// Collects what the decoder finds as Python objects, with one copy each.
struct Tokens<'py> {
    list: Bound<'py, PyList>,
    failure: Option<PyErr>,
}

impl<'py> Tokens<'py> {
    fn append(&mut self, item: impl IntoPyObject<'py>) {
        // Memory is all that may be wanting here; the first such error is the call's.
        if let Err(error) = self.list.append(item) {
            self.failure.get_or_insert(error);
        }
    }
}

impl Sink for Tokens<'_> {
    fn line(&mut self, line: &[u8]) {
        self.append(PyBytes::new(self.list.py(), line));
    }

    fn command(&mut self, verb: u8, option: u8, payload: &[u8]) {
        self.append((verb, option, PyBytes::new(self.list.py(), payload)));
    }

    fn overflow(&mut self, what: Overflow, size: usize) {
        let kind = match what {
            Overflow::Line => 0,
            Overflow::Subnegotiation => 1,
        };
        self.command(0, kind, size.to_string().as_bytes());
    }

    fn keepalive(&mut self) {
        self.command(0, 2, b"");
    }
}

/// A decoder's state as a dict of plain values.
#[derive(FromPyObject, IntoPyObject)]
#[pyo3(from_item_all)]
pub struct StateDict {
    phase: u8,
    argument: u8,
    after_cr: bool,
    discarding_line: bool,
    discarding_subnegotiation: bool,
    line: Vec<u8>,
    subnegotiation: Vec<u8>,
}

impl From<State> for StateDict {
    fn from(state: State) -> Self {
        Self {
            phase: state.phase,
            argument: state.argument,
            after_cr: state.after_cr,
            discarding_line: state.discarding_line,
            discarding_subnegotiation: state.discarding_payload,
            line: state.line,
            subnegotiation: state.payload,
        }
    }
}

impl From<StateDict> for State {
    fn from(state: StateDict) -> Self {
        Self {
            phase: state.phase,
            argument: state.argument,
            after_cr: state.after_cr,
            discarding_line: state.discarding_line,
            discarding_payload: state.discarding_subnegotiation,
            line: state.line,
            payload: state.subnegotiation,
        }
    }
}
