//! Python's view of the `ampcodec` crate: what is sent, and values that stand alone.

use ampcodec::boxes::{BoxWriter, Decoder, Limits};
use ampcodec::compressed::{Chunks, Deflater, Inflater, check_name, put_key};
use ampcodec::message::{Encoder, Header, put_answer};
use ampcodec::payload::{Scanner, Verdict};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use std::borrow::Cow;
use std::cell::RefCell;

use crate::amp_decoder::to_dict;
use crate::fields::for_each_field;
use crate::keys::Keys;
use crate::plain_writer::put_message;

/// Work on this many bytes or more is done without the interpreter's lock.
pub const DETACHED: usize = 64 * 1024;
/// A buffer that grew beyond this for one long message is given back after it.
const KEPT_BUFFER: usize = 256 * 1024;

pyo3::create_exception!(
    portal._native,
    BoxError,
    PyValueError,
    "A rule of AMP's boxes is broken; `args` are the error's name and a text."
);

/// The payload holds plain types only.
pub const PLAIN: u8 = 0;
/// The payload names classes.
pub const OBJECTS: u8 = 1;
/// The payload is not to be unpickled.
pub const REJECT: u8 = 2;
/// The payload held plain types only, and has been read already.
pub const READ: u8 = 3;

thread_local! {
    /// What is used again from call to call; a deflate state alone has 300 KB.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    writer: BoxWriter,
    encoder: Encoder,
    deflater: Deflater,
    inflater: Inflater,
    scanner: Scanner,
    out: Vec<u8>,
}

impl Scratch {
    /// An empty buffer to write to.
    fn clear(&mut self) {
        self.out.clear();
        self.out.shrink_to(KEPT_BUFFER);
    }
}

/// Make Python's error of the codec's.
pub fn box_error(error: ampcodec::BoxError) -> PyErr {
    BoxError::new_err((error.name(), error.to_string()))
}

/// The verdict as Python compares it, and its reason.
pub fn verdict_and_reason(verdict: &Verdict) -> (u8, &str) {
    match verdict {
        Verdict::Plain => (PLAIN, ""),
        Verdict::Objects(reason) => (OBJECTS, reason),
        Verdict::Reject(reason) => (REJECT, reason),
    }
}

/// Do some work, without the interpreter's lock when it is on many bytes.
pub fn work_on<T: Send>(py: Python<'_>, size: usize, work: impl FnOnce() -> T + Send) -> T {
    if size >= DETACHED {
        py.detach(work)
    } else {
        work()
    }
}

/// Write one box, its keys sorted.
#[pyfunction]
pub fn encode_box<'py>(r#box: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyBytes>> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.writer.clear();
        for_each_field(r#box, |key, value| scratch.writer.push(key, value))?;
        Ok(PyBytes::new(r#box.py(), scratch.writer.finish()))
    })
}

/// Write the box of an answer that has a tag and nothing else.
#[pyfunction]
pub fn encode_answer<'py>(py: Python<'py>, tag: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        put_answer(&mut scratch.out, tag).map_err(box_error)?;
        Ok(PyBytes::new(py, &scratch.out))
    })
}

/// Pickle `(sessid, kwargs)`, or a message of a text in their place; None when that is a task for `pickle.dumps`.
#[pyfunction]
pub fn dump_packed<'py>(
    sessid: &Bound<'py, PyAny>,
    kwargs: &Bound<'py, PyAny>,
) -> Option<Bound<'py, PyBytes>> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        put_message(&mut scratch.out, sessid, kwargs)?;
        Some(PyBytes::new(sessid.py(), &scratch.out))
    })
}

/// Write the boxes of answers that have a tag and nothing else, one behind the other.
#[pyfunction]
pub fn encode_answers<'py>(tags: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyBytes>> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        for tag in tags {
            put_answer(&mut scratch.out, tag.cast::<PyBytes>()?.as_bytes()).map_err(box_error)?;
        }
        Ok(PyBytes::new(tags.py(), &scratch.out))
    })
}

/// Write a whole packed message: header fields and the compressed payload.
#[pyfunction]
pub fn encode_message<'py>(
    py: Python<'py>,
    command: &[u8],
    key: &[u8],
    payload: &[u8],
    ask: Option<u64>,
    level: u8,
) -> PyResult<Bound<'py, PyBytes>> {
    check_level(level)?;
    let header = Header { command, key, ask };
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let Scratch { encoder, out, .. } = scratch;
        let work = || encoder.encode(out, &header, payload, level);
        work_on(py, payload.len(), work).map_err(box_error)?;
        Ok(PyBytes::new(py, &scratch.out))
    })
}

/// Cut and deflate a long value: its pieces by their keys.
#[pyfunction]
pub fn compress<'py>(
    py: Python<'py>,
    name: &[u8],
    value: &[u8],
    level: u8,
) -> PyResult<Bound<'py, PyDict>> {
    check_level(level)?;
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { deflater, out, .. } = scratch;
        let pieces = work_on(py, value.len(), || deflater.deflate(value, level));
        check_name(name, pieces.count()).map_err(box_error)?;
        let content = PyDict::new(py);
        for index in 0..pieces.count() {
            out.clear();
            put_key(name, index, out);
            let key = PyBytes::new(py, out);
            out.clear();
            pieces.put(index, out);
            content.set_item(key, PyBytes::new(py, out))?;
        }
        Ok(content)
    })
}

/// Put a long value together from its pieces, up to `limit` bytes.
#[pyfunction]
pub fn decompress<'py>(
    py: Python<'py>,
    name: &[u8],
    r#box: &Bound<'py, PyDict>,
    limit: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let content: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)> = r#box.iter().collect();
    let fields: Vec<(&[u8], &[u8])> = content
        .iter()
        .map(|(key, value)| Ok((key.extract()?, value.extract()?)))
        .collect::<PyResult<_>>()?;
    SCRATCH.with_borrow_mut(|scratch| {
        let chunks = Chunks::collect(fields.iter().copied(), name).map_err(box_error)?;
        let inflater = &mut scratch.inflater;
        let value =
            work_on(py, chunks.size(), || inflater.inflate(&chunks, limit)).map_err(box_error)?;
        Ok(PyBytes::new(py, value))
    })
}

/// Read boxes that stand one behind the other; a last one that is cut off is left out.
#[pyfunction]
pub fn decode_boxes<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
    let mut decoder = Decoder::new(Limits::NONE);
    let mut keys = Keys::default();
    let list = PyList::empty(py);
    let mut input = data;
    while let Some(raw) = decoder.next_box(&mut input).map_err(box_error)? {
        list.append(to_dict(py, raw, &mut keys)?)?;
    }
    Ok(list)
}

/// Judge a pickle: PLAIN, OBJECTS or REJECT, and why.
#[pyfunction]
pub fn scan_pickle(py: Python<'_>, data: &[u8]) -> (u8, Cow<'static, str>) {
    let scan = || SCRATCH.with_borrow_mut(|scratch| scratch.scanner.scan(data));
    match work_on(py, data.len(), scan) {
        Verdict::Plain => (PLAIN, Cow::Borrowed("")),
        Verdict::Objects(reason) => (OBJECTS, Cow::Owned(reason)),
        Verdict::Reject(reason) => (REJECT, Cow::Owned(reason)),
    }
}

fn check_level(level: u8) -> PyResult<()> {
    if level > 9 {
        return Err(PyValueError::new_err("a level is 0 to 9"));
    }
    Ok(())
}
