//! Python's view of the `ampcodec` crate.

use std::cell::RefCell;

use ampcodec::message::encode_message as encode;
use ampcodec::{Decoder, Deflater, Fields, Inflater, Verdict};
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

/// The verdict of the scan: plain values only.
pub const PLAIN: u8 = 0;
/// The verdict of the scan: classes occur.
pub const OBJECTS: u8 = 1;
/// The verdict of the scan: not to be unpickled.
pub const REJECT: u8 = 2;

/// Work of this many bytes is done without the GIL; less is done before another thread could run.
const LARGE: usize = 64 * 1024;

create_exception!(
    _native,
    BoxError,
    PyValueError,
    "A box, or a value in it, breaks a rule; args are the rule's name and a text."
);

thread_local! {
    static DEFLATER: RefCell<Deflater> = RefCell::default();
    static INFLATER: RefCell<Inflater> = RefCell::default();
}

fn to_python(error: ampcodec::BoxError) -> PyErr {
    BoxError::new_err((error.name(), error.to_string()))
}

fn check_level(level: u32) -> PyResult<()> {
    if level > 9 {
        Err(PyValueError::new_err("level is 0 to 9"))
    } else {
        Ok(())
    }
}

/// Run heavy work without the GIL, and light work with it.
fn run<T: Send>(py: Python<'_>, size: usize, work: impl FnOnce() -> T + Send) -> T {
    if size >= LARGE {
        py.detach(work)
    } else {
        work()
    }
}

/// Write one box, its keys sorted.
#[pyfunction]
pub fn encode_box<'py>(
    py: Python<'py>,
    r#box: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyBytes>> {
    let held: Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> = r#box
        .iter()
        .map(|(key, value)| Ok((key.cast_into::<PyBytes>()?, value.cast_into::<PyBytes>()?)))
        .collect::<PyResult<_>>()?;
    let mut fields: Vec<(&[u8], &[u8])> = held
        .iter()
        .map(|(key, value)| (key.as_bytes(), value.as_bytes()))
        .collect();
    let data = ampcodec::encode_box(&mut fields).map_err(to_python)?;
    Ok(PyBytes::new(py, &data))
}

/// Write the box that answers the ask with this tag and says nothing else.
#[pyfunction]
pub fn encode_answer<'py>(py: Python<'py>, tag: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let data = ampcodec::encode_box(&mut [(b"_answer", tag)]).map_err(to_python)?;
    Ok(PyBytes::new(py, &data))
}

/// Write a whole message: an ask of `command` with `payload` as its Compressed argument `key`.
#[pyfunction]
pub fn encode_message<'py>(
    py: Python<'py>,
    command: &[u8],
    key: &[u8],
    payload: &[u8],
    ask: Option<u64>,
    level: u32,
) -> PyResult<Bound<'py, PyBytes>> {
    check_level(level)?;
    let data = run(py, payload.len(), || {
        DEFLATER.with_borrow_mut(|deflater| encode(deflater, command, key, payload, ask, level))
    });
    Ok(PyBytes::new(py, &data.map_err(to_python)?))
}

/// Cut and deflate a value: the fields of a Compressed argument.
#[pyfunction]
pub fn compress<'py>(
    py: Python<'py>,
    name: &[u8],
    value: &[u8],
    level: u32,
) -> PyResult<Bound<'py, PyDict>> {
    check_level(level)?;
    let mut pieces = Vec::new();
    let ends = run(py, value.len(), || {
        DEFLATER.with_borrow_mut(|deflater| deflater.deflate(value, level, &mut pieces))
    });
    ampcodec::compressed::check_name(name, ends.len()).map_err(to_python)?;
    let fields = PyDict::new(py);
    let mut start = 0;
    for (index, end) in ends.into_iter().enumerate() {
        let key = ampcodec::compressed::piece_key(name, index + 1);
        fields.set_item(
            PyBytes::new(py, &key),
            PyBytes::new(py, &pieces[start..end]),
        )?;
        start = end;
    }
    Ok(fields)
}

/// Put the value of a Compressed argument together again, to at most `limit` bytes.
#[pyfunction]
pub fn decompress<'py>(
    py: Python<'py>,
    name: &[u8],
    r#box: &Bound<'py, PyDict>,
    limit: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let held: Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> = r#box
        .iter()
        .map(|(key, value)| Ok((key.cast_into::<PyBytes>()?, value.cast_into::<PyBytes>()?)))
        .collect::<PyResult<_>>()?;
    let fields: Vec<(&[u8], &[u8])> = held
        .iter()
        .map(|(key, value)| (key.as_bytes(), value.as_bytes()))
        .collect();
    let size = fields.iter().map(|(_, value)| value.len()).sum();
    let value = run(py, size, || {
        INFLATER.with_borrow_mut(|inflater| inflater.join(name, fields.into_iter(), limit))
    });
    Ok(PyBytes::new(py, &value.map_err(to_python)?))
}

/// Read boxes that stand one behind the other; one that is cut off at the end is left out.
#[pyfunction]
pub fn decode_boxes<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
    let boxes = PyList::empty(py);
    let mut decoder = Decoder::new(usize::MAX, usize::MAX);
    decoder.receive(data, |fields| boxes.append(to_dict(py, fields)?))?;
    decoder
        .error()
        .map_or(Ok(boxes), |error| Err(to_python(error)))
}

/// Judge a pickle: PLAIN, OBJECTS or REJECT, with the classes it wants or the reason.
#[pyfunction]
pub fn scan_pickle(py: Python<'_>, data: &[u8]) -> (u8, String) {
    verdict_to_python(run(py, data.len(), || ampcodec::scan(data)))
}

fn verdict_to_python(verdict: Verdict) -> (u8, String) {
    match verdict {
        Verdict::Plain => (PLAIN, String::new()),
        Verdict::Objects(names) => (OBJECTS, names.join(", ")),
        Verdict::Reject(reason) => (REJECT, reason.to_owned()),
    }
}

fn to_dict<'py>(py: Python<'py>, fields: Fields<'_>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in fields.iter() {
        dict.set_item(PyBytes::new(py, key), PyBytes::new(py, value))?;
    }
    Ok(dict)
}

/// A command whose argument is Compressed.
struct Packed {
    command: Py<PyBytes>,
    key: Py<PyBytes>,
}

/// Reads the boxes of a stream in any segmentation, packed messages with their payload inflated.
#[pyclass(module = "portal._native")]
pub struct AmpDecoder {
    decoder: Decoder,
    packed: Vec<Packed>,
    empty: Py<PyBytes>,
    /// The bytes that a payload may inflate to.
    #[pyo3(get, set)]
    max_payload: usize,
}

#[pymethods]
impl AmpDecoder {
    #[new]
    #[pyo3(signature = (compressed, *, max_keys=512, max_box=25_165_824, max_payload=16_777_216))]
    fn new(
        py: Python<'_>,
        compressed: &Bound<'_, PyDict>,
        max_keys: usize,
        max_box: usize,
        max_payload: usize,
    ) -> PyResult<Self> {
        let mut packed = Vec::with_capacity(compressed.len());
        for (command, key) in compressed.iter() {
            let command = command.cast_into::<PyBytes>()?.unbind();
            packed.push(Packed {
                command,
                key: key.cast_into::<PyBytes>()?.unbind(),
            });
        }
        let decoder = Decoder::new(max_keys, max_box);
        let empty = PyBytes::new(py, b"").unbind();
        Ok(Self {
            decoder,
            packed,
            empty,
            max_payload,
        })
    }

    /// The bytes of a box that was begun and has not ended.
    #[getter]
    fn pending(&self) -> usize {
        self.decoder.pending()
    }

    /// The rule that the stream broke, by name and with a text; None while it is sound.
    #[getter]
    fn error(&self) -> Option<(&'static str, String)> {
        self.decoder
            .error()
            .map(|error| (error.name(), error.to_string()))
    }

    /// Take bytes of the stream and return what they complete.
    fn receive_data<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let items = PyList::empty(py);
        let reader = Reader {
            py,
            packed: &self.packed,
            empty: &self.empty,
            limit: self.max_payload,
        };
        self.decoder
            .receive(data, |fields| items.append(reader.read(fields)?))?;
        Ok(items)
    }
}

/// Turns the fields of one box into what Python is given.
struct Reader<'a, 'py> {
    py: Python<'py>,
    packed: &'a [Packed],
    empty: &'a Py<PyBytes>,
    limit: usize,
}

impl<'py> Reader<'_, 'py> {
    fn read(&self, fields: Fields<'_>) -> PyResult<Bound<'py, PyAny>> {
        if fields.len() == 1
            && let Some(tag) = fields.get(b"_answer")
        {
            return Ok(PyBytes::new(self.py, tag).into_any());
        }
        if let Some(command) = fields.get(b"_command")
            && fields.get(b"_answer").is_none()
            && fields.get(b"_error").is_none()
            && let Some(packed) = self.find(command)
        {
            return Ok(self.message(packed, fields)?.into_any());
        }
        Ok(to_dict(self.py, fields)?.into_any())
    }

    fn find(&self, command: &[u8]) -> Option<&Packed> {
        self.packed
            .iter()
            .find(|packed| packed.command.as_bytes(self.py) == command)
    }

    fn message(&self, packed: &Packed, fields: Fields<'_>) -> PyResult<Bound<'py, PyTuple>> {
        let py = self.py;
        let key = packed.key.as_bytes(py);
        let size = fields.iter().map(|(_, value)| value.len()).sum();
        let limit = self.limit;
        let joined = run(py, size, || {
            INFLATER.with_borrow_mut(|inflater| {
                inflater.join(key, fields.iter(), limit).map(|payload| {
                    let verdict = ampcodec::scan(&payload);
                    (payload, verdict)
                })
            })
        });
        let ask = fields.get(b"_ask").map(|tag| PyBytes::new(py, tag));
        let (payload, verdict, reason) = match joined {
            Ok((payload, Verdict::Plain)) => (PyBytes::new(py, &payload), PLAIN, String::new()),
            Ok((payload, verdict)) => {
                let (verdict, reason) = verdict_to_python(verdict);
                (PyBytes::new(py, &payload), verdict, reason)
            }
            Err(error) => {
                let reason = format!("{}: {error}", error.name());
                (self.empty.bind(py).clone(), REJECT, reason)
            }
        };
        (packed.command.bind(py), ask, payload, verdict, reason).into_pyobject(py)
    }
}
