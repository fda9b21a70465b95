//! Python's view of the `ampcodec` crate: what is received.

use ampcodec::boxes::{Decoder, Limits, RawBox};
use ampcodec::message::{COMMAND, Incoming, Packed, Router, Unpacker};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::amp::{READ, box_error, verdict_and_reason, work_on};
use crate::keys::Keys;
use crate::plain_reader::Reader;

/// Turns the bytes of an AMP peer into answers, packed messages and boxes.
#[pyclass(module = "portal._native")]
pub struct AmpDecoder {
    decoder: Decoder,
    router: Router,
    unpacker: Unpacker,
    reader: Reader,
    /// The names of the router's commands, and whether a text alone is handed out as one.
    commands: Vec<(Py<PyBytes>, bool)>,
    keys: Keys<PyBytes>,
    #[pyo3(get, set)]
    max_payload: usize,
}

#[pymethods]
impl AmpDecoder {
    #[new]
    #[pyo3(signature = (compressed, *, texts=None, max_keys=512, max_box=25_165_824,
        max_payload=16_777_216))]
    fn new(
        compressed: &Bound<'_, PyDict>,
        texts: Option<Vec<Vec<u8>>>,
        max_keys: usize,
        max_box: usize,
        max_payload: usize,
    ) -> PyResult<Self> {
        let mut router = Router::default();
        let mut commands = Vec::new();
        let texts = texts.unwrap_or_default();
        for (command, argument) in compressed {
            let command = command.cast_into::<PyBytes>()?;
            router
                .add(command.as_bytes(), argument.extract()?)
                .map_err(box_error)?;
            let as_text = texts.iter().any(|each| each == command.as_bytes());
            commands.push((command.unbind(), as_text));
        }
        Ok(Self {
            decoder: Decoder::new(Limits {
                keys: max_keys,
                bytes: max_box,
            }),
            router,
            unpacker: Unpacker::default(),
            reader: Reader::default(),
            commands,
            keys: Keys::default(),
            max_payload,
        })
    }

    /// Read what the peer sent; returns tags, messages and boxes in their order.
    fn receive_data<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        let mut input = data;
        // An error of the stream ends the loop as its end does: `error` tells.
        while let Ok(Some(raw)) = self.decoder.next_box(&mut input) {
            match self.router.route(raw) {
                Incoming::Answer(tag) => list.append(PyBytes::new(py, tag))?,
                Incoming::Other => list.append(to_dict(py, raw, &mut self.keys)?)?,
                Incoming::Packed(Packed { route, ask }) => {
                    let (unpacker, limit) = (&mut self.unpacker, self.max_payload);
                    let name = self.router.argument(route);
                    let payload = work_on(py, raw.size(), || unpacker.unpack(raw, name, limit));
                    let (command, as_text) = &self.commands[route];
                    let text = as_text.then(|| Reader::text(py, &payload)).flatten();
                    let ask = ask.map(|tag| PyBytes::new(py, tag));
                    if let Some(message) = text.or_else(|| self.reader.message(py, &payload)) {
                        list.append((command, ask, message, READ, ""))?;
                    } else {
                        let (verdict, reason) = verdict_and_reason(&payload.verdict);
                        let pickle = PyBytes::new(py, payload.pickle);
                        list.append((command, ask, pickle, verdict, reason))?;
                    }
                }
            }
        }
        Ok(list)
    }

    /// Bytes of a box that was begun and has not ended.
    #[getter]
    fn pending(&self) -> usize {
        self.decoder.pending()
    }

    /// What is wrong with the stream: the error's name and a text.
    #[getter]
    fn error(&self) -> Option<(&'static str, String)> {
        let error = self.decoder.error()?;
        Some((error.name(), error.to_string()))
    }
}

/// Make a dict of a box; of a repeated key the last value counts.
pub fn to_dict<'py>(
    py: Python<'py>,
    raw: RawBox<'_>,
    keys: &mut Keys<PyBytes>,
) -> PyResult<Bound<'py, PyDict>> {
    let content = PyDict::new(py);
    for (key, value) in raw.fields() {
        let value = if key == COMMAND {
            keys.get(py, value)
        } else {
            PyBytes::new(py, value)
        };
        content.set_item(keys.get(py, key), value)?;
    }
    Ok(content)
}
