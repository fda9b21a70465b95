//! Short names that come again and again: one object for each, which knows its hash.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// More than a game's commands have keys. A newcomer takes the slot of another.
const SLOTS: usize = 64;
/// Longer ones are not worth keeping.
const LONGEST: usize = 32;

/// Names that came before.
pub struct Keys<T> {
    slots: [Option<Py<T>>; SLOTS],
}

impl<T> Default for Keys<T> {
    fn default() -> Self {
        Self {
            slots: [const { None }; SLOTS],
        }
    }
}

impl Keys<PyBytes> {
    /// The name as bytes.
    pub fn get<'py>(&mut self, py: Python<'py>, key: &[u8]) -> Bound<'py, PyBytes> {
        let known = self.find(py, key, |known| known.as_bytes() == key);
        known.unwrap_or_else(|| self.keep(key, PyBytes::new(py, key)))
    }
}

impl Keys<PyString> {
    /// The name as text; `None` when it is not UTF-8.
    pub fn get<'py>(&mut self, py: Python<'py>, key: &[u8]) -> Option<Bound<'py, PyString>> {
        let is_it = |known: &str| known.as_bytes() == key;
        let known = self.find(py, key, |known| known.to_str().is_ok_and(is_it));
        known.or_else(|| Some(self.keep(key, PyString::from_bytes(py, key).ok()?)))
    }
}

impl<T> Keys<T> {
    fn find<'py>(
        &self,
        py: Python<'py>,
        key: &[u8],
        is_it: impl FnOnce(&Bound<'py, T>) -> bool,
    ) -> Option<Bound<'py, T>> {
        let known = self.slots[slot_of(key)].as_ref()?.bind(py);
        is_it(known).then(|| known.clone())
    }

    fn keep<'py>(&mut self, key: &[u8], new: Bound<'py, T>) -> Bound<'py, T> {
        if key.len() <= LONGEST {
            self.slots[slot_of(key)] = Some(new.clone().unbind());
        }
        new
    }
}

/// A slot by the length and the last eight bytes, in which keys of one kind differ.
fn slot_of(key: &[u8]) -> usize {
    let mut tail = [0; 8];
    let size = key.len().min(tail.len());
    tail[..size].copy_from_slice(&key[key.len() - size..]);
    let mixed = (u64::from_le_bytes(tail) ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 58) as usize
}
