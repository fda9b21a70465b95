//! Python's values out of a plain pickle, without a call of `pickle.loads`.

use ampcodec::message::Payload;
use ampcodec::payload::Verdict;
use ampcodec::plain::{Leaf, Part, Parts, plain_text};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::keys::Keys;

/// Places of the stack and the memo that are kept for the next pickle.
const KEPT: usize = 1 << 10;

/// Builds what `pickle.loads` would; its stack is used again for the next.
///
/// Nothing is checked here but what keeps the interpreter safe: it reads what the scan calls PLAIN,
/// so that depth and memory are bounded by that.
#[derive(Default)]
pub struct Reader {
    stack: Vec<Py<PyAny>>,
    marks: Vec<usize>,
    memo: Vec<Py<PyAny>>,
    keys: Keys<PyString>,
}

impl Reader {
    /// The packed message in a payload: `(sessid, kwargs)`.
    ///
    /// `None` when the payload is not PLAIN, when it has another shape, or when it holds what only
    /// `pickle.loads` knows to read, or to refuse: sets, bytearrays, integers of more than 64 bits,
    /// lone surrogates, unhashable keys.
    pub fn message<'py>(
        &mut self,
        py: Python<'py>,
        payload: &Payload<'_>,
    ) -> Option<Bound<'py, PyTuple>> {
        if payload.verdict != Verdict::Plain {
            return None;
        }
        let value = self.value(py, payload.pickle, payload.recalls);
        self.clear();
        value?.cast_into_exact().ok().filter(is_message)
    }

    /// The number and the text, where a payload holds a text and nothing else: `(sessid, text)`.
    ///
    /// `None` for every other payload; `message` reads those.
    pub fn text<'py>(py: Python<'py>, payload: &Payload<'_>) -> Option<Bound<'py, PyTuple>> {
        if payload.verdict != Verdict::Plain {
            return None;
        }
        let (sessid, text) = plain_text(payload.pickle)?;
        let text = PyString::from_bytes(py, text).ok()?;
        (sessid, text).into_pyobject(py).ok()
    }

    fn value<'py>(
        &mut self,
        py: Python<'py>,
        pickle: &[u8],
        recalls: bool,
    ) -> Option<Bound<'py, PyAny>> {
        let mut parts = Parts::new(pickle);
        // Whether a dict has just been begun, so that its first key is next.
        let mut begun = false;
        loop {
            let part = parts.read()?;
            match part {
                Part::Leaf(Leaf::Text(key)) if begun => {
                    let key = self.keys.get(py, key)?;
                    self.push(key.into_any());
                }
                Part::Leaf(leaf) => self.stack.push(make_leaf(py, leaf)?),
                Part::Memoize | Part::Put(_) if !recalls => continue,
                Part::Stop => return Some(self.stack.pop()?.into_bound(py)),
                _ => self.step(py, part)?,
            }
            let between = matches!(part, Part::Mark | Part::Memoize | Part::Put(_));
            begun = matches!(part, Part::Dict) || begun && between;
        }
    }

    /// The parts that make containers, fill them, or know the memo.
    #[inline]
    fn step(&mut self, py: Python<'_>, part: Part<'_>) -> Option<()> {
        match part {
            Part::Mark => self.marks.push(self.stack.len()),
            Part::List => self.push(PyList::empty(py).into_any()),
            Part::Dict => self.push(PyDict::new(py).into_any()),
            Part::TupleOf(count) => self.tuple(py, self.stack.len().checked_sub(count)?)?,
            Part::Append => self.extend_list(py, self.stack.len().checked_sub(1)?)?,
            Part::SetItem => self.extend_dict(py, self.stack.len().checked_sub(2)?)?,
            Part::Memoize => self.put(py, self.memo.len())?,
            Part::Put(number) => self.put(py, number)?,
            Part::Get(number) => {
                let value = self.memo.get(number)?.clone_ref(py);
                self.stack.push(value);
            }
            _ => {
                let start = self.marks.pop()?;
                match part {
                    Part::Appends => self.extend_list(py, start)?,
                    Part::SetItems => self.extend_dict(py, start)?,
                    _ => self.tuple(py, start)?,
                }
            }
        }
        Some(())
    }

    fn clear(&mut self) {
        self.stack.clear();
        self.stack.shrink_to(KEPT);
        self.marks.clear();
        self.marks.shrink_to(KEPT);
        self.memo.clear();
        self.memo.shrink_to(KEPT);
    }

    fn push(&mut self, value: Bound<'_, PyAny>) {
        self.stack.push(value.unbind());
    }

    fn put(&mut self, py: Python<'_>, number: usize) -> Option<()> {
        let value = self.stack.last()?.clone_ref(py);
        if number == self.memo.len() {
            self.memo.push(value);
        } else {
            *self.memo.get_mut(number)? = value;
        }
        Some(())
    }

    /// Make a tuple of all values from `start` on.
    fn tuple(&mut self, py: Python<'_>, start: usize) -> Option<()> {
        if start > self.stack.len() {
            return None;
        }
        let tuple = PyTuple::new(py, self.stack.drain(start..)).ok()?;
        self.push(tuple.into_any());
        Some(())
    }

    /// Put all values from `start` on into the list before them.
    fn extend_list(&mut self, py: Python<'_>, start: usize) -> Option<()> {
        let (below, values) = self.stack.split_at_checked(start)?;
        let list = below.last()?.bind(py).cast_exact::<PyList>().ok()?;
        for value in values {
            list.append(value).ok()?;
        }
        self.drop_from(py, start);
        Some(())
    }

    /// Put all values from `start` on into the dict before them, in pairs.
    fn extend_dict(&mut self, py: Python<'_>, start: usize) -> Option<()> {
        let (below, values) = self.stack.split_at_checked(start)?;
        let dict = below.last()?.bind(py).cast_exact::<PyDict>().ok()?;
        let pairs = values.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return None;
        }
        for pair in pairs {
            dict.set_item(&pair[0], &pair[1]).ok()?;
        }
        self.drop_from(py, start);
        Some(())
    }

    fn drop_from(&mut self, py: Python<'_>, start: usize) {
        for value in self.stack.drain(start..) {
            drop(value.into_bound(py));
        }
    }
}

/// `None` for text that is not UTF-8: lone surrogates are a matter for `pickle.loads`.
fn make_leaf(py: Python<'_>, leaf: Leaf<'_>) -> Option<Py<PyAny>> {
    Some(match leaf {
        Leaf::None => py.None(),
        Leaf::Bool(value) => PyBool::new(py, value).to_owned().into_any().unbind(),
        Leaf::Int(value) => PyInt::new(py, value).into_any().unbind(),
        Leaf::Float(value) => PyFloat::new(py, value).into_any().unbind(),
        Leaf::Text(value) => PyString::from_bytes(py, value).ok()?.into_any().unbind(),
        Leaf::Bytes(value) => PyBytes::new(py, value).into_any().unbind(),
    })
}

/// Whether it is exactly a session's number, or a list of them, and a dict.
fn is_message(value: &Bound<'_, PyTuple>) -> bool {
    let Ok((sessid, kwargs)) = value.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() else {
        return false;
    };
    kwargs.is_exact_instance_of::<PyDict>()
        && (sessid.is_exact_instance_of::<PyInt>()
            || sessid.cast_exact::<PyList>().is_ok_and(|numbers| {
                numbers
                    .iter()
                    .all(|number| number.is_exact_instance_of::<PyInt>())
            }))
}
