//! A plain pickle out of Python's values, without a call of `pickle.dumps`.

use ampcodec::plain::{HEADER, Leaf, Part, put, put_text};
use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::fields::for_each_item;

/// What lies deeper is left to `pickle.dumps`, and so is what holds itself.
const MAX_DEPTH: usize = 32;
/// Values of one message, each counted as often as it occurs: nothing is memoized here, and a few
/// lists that hold each other several times would grow without end. Messages have some twenty.
const MAX_VALUES: usize = 4096;
/// Bytes of one message, for the same reason.
const MAX_BYTES: usize = 64 * 1024;

/// Append the pickle of `(sessid, kwargs)`; a text in place of kwargs is a message of that text.
///
/// `None`, with anything in `out`, for all that `pickle.dumps` has to see: other types than None,
/// booleans, integers of 64 bits, floats, text, bytes, lists, tuples and dicts, each exactly; lone
/// surrogates; and what is larger or deeper than the bounds above.
pub fn put_message(
    out: &mut Vec<u8>,
    sessid: &Bound<'_, PyAny>,
    kwargs: &Bound<'_, PyAny>,
) -> Option<()> {
    out.extend_from_slice(&HEADER);
    let mut writer = Writer { out, values: 0 };
    writer.value(sessid, 0)?;
    if let Some(text) = exactly::<PyString>(kwargs) {
        let text = text.to_str().ok()?.as_bytes();
        if text.len() > MAX_BYTES {
            return None;
        }
        put_text(writer.out, text);
        return Some(());
    }
    writer.value(kwargs, 0)?;
    writer.part(Part::TupleOf(2));
    writer.part(Part::Stop);
    Some(())
}

/// The value when it has this very type. `PyO3`'s cast alone makes an error of every other one, and
/// that takes longer than all else.
fn exactly<'a, 'py, T: PyTypeInfo>(value: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, T>> {
    if value.is_exact_instance_of::<T>() {
        value.cast_exact().ok()
    } else {
        None
    }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    values: usize,
}

impl Writer<'_> {
    fn part(&mut self, part: Part<'_>) {
        put(self.out, part);
    }

    fn value(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Option<()> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return None;
        }
        if let Some(text) = exactly::<PyString>(value) {
            let text = text.to_str().ok()?.as_bytes();
            self.leaf(Leaf::Text(text), text.len())
        } else if value.is_none() {
            self.leaf(Leaf::None, 0)
        } else if let Some(number) = exactly::<PyInt>(value) {
            self.leaf(Leaf::Int(number.extract().ok()?), 0)
        } else if let Some(truth) = exactly::<PyBool>(value) {
            self.leaf(Leaf::Bool(truth.is_true()), 0)
        } else if let Some(number) = exactly::<PyFloat>(value) {
            self.leaf(Leaf::Float(number.value()), 0)
        } else if let Some(bytes) = exactly::<PyBytes>(value) {
            let bytes = bytes.as_bytes();
            self.leaf(Leaf::Bytes(bytes), bytes.len())
        } else {
            self.container(value, depth + 1)
        }
    }

    fn leaf(&mut self, leaf: Leaf<'_>, size: usize) -> Option<()> {
        if self.out.len() + size > MAX_BYTES {
            return None;
        }
        self.part(Part::Leaf(leaf));
        Some(())
    }

    fn container(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        if let Some(dict) = exactly::<PyDict>(value) {
            self.dict(dict, depth)
        } else if let Some(list) = exactly::<PyList>(value) {
            self.list(list, depth)
        } else {
            self.tuple(exactly(value)?, depth)
        }
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>, depth: usize) -> Option<()> {
        self.part(Part::Dict);
        let count = dict.len();
        if count > 1 {
            self.part(Part::Mark);
        }
        for_each_item(dict, |key, value| {
            self.value(key, depth)
                .and_then(|()| self.value(value, depth))
                .ok_or(())
        })
        .ok()?;
        match count {
            0 => {}
            1 => self.part(Part::SetItem),
            _ => self.part(Part::SetItems),
        }
        Some(())
    }

    fn list(&mut self, list: &Bound<'_, PyList>, depth: usize) -> Option<()> {
        self.part(Part::List);
        let count = list.len();
        if count > 1 {
            self.part(Part::Mark);
        }
        for value in list {
            self.value(&value, depth)?;
        }
        match count {
            0 => {}
            1 => self.part(Part::Append),
            _ => self.part(Part::Appends),
        }
        Some(())
    }

    fn tuple(&mut self, tuple: &Bound<'_, PyTuple>, depth: usize) -> Option<()> {
        let count = tuple.len();
        if count > 3 {
            self.part(Part::Mark);
        }
        for value in tuple {
            self.value(&value, depth)?;
        }
        self.part(if count > 3 {
            Part::Tuple
        } else {
            Part::TupleOf(count)
        });
        Some(())
    }
}
