//! The content of a dict, seen without a reference of our own to each of its objects.
//!
//! `PyO3`'s iterator counts a reference up and down for every object, and looks again and again
//! whether the dict has changed: half of what writing a small box takes.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::ptr::null_mut;

/// Call `each` with the bytes of every key and its value.
///
/// It gets no access to the interpreter, so that nothing can change the dict meanwhile.
/// Errors: `TypeError` for anything that is not bytes; those of `each`.
pub fn for_each_field(
    content: &Bound<'_, PyDict>,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), ampcodec::BoxError>,
) -> PyResult<()> {
    for_each_item(content, |key, value| {
        let (key, value) = (key.cast::<PyBytes>()?, value.cast::<PyBytes>()?);
        each(key.as_bytes(), value.as_bytes()).map_err(crate::amp::box_error)
    })
}

/// Call `each` with every key and its value, until it fails.
///
/// It may look at them, and must run no code of Python's, which could take them out of the dict
/// under its hands; an exception that it makes has to be the last that it does.
pub fn for_each_item<E>(
    content: &Bound<'_, PyDict>,
    mut each: impl FnMut(&Bound<'_, PyAny>, &Bound<'_, PyAny>) -> Result<(), E>,
) -> Result<(), E> {
    let py = content.py();
    let (mut position, mut key, mut value) = (0, null_mut(), null_mut());
    // SAFETY: `content` is a dict that lives, the interpreter's lock is held for as long as it is
    // borrowed, and no code runs that could change it while the loop goes on: see above.
    #[allow(unsafe_code)]
    while unsafe {
        ffi::PyDict_Next(
            content.as_ptr(),
            &raw mut position,
            &raw mut key,
            &raw mut value,
        )
    } != 0
    {
        // SAFETY: `PyDict_Next` has set both to objects that the dict keeps alive.
        #[allow(unsafe_code)]
        let (key, value) = unsafe { (Borrowed::from_ptr(py, key), Borrowed::from_ptr(py, value)) };
        each(&key, &value)?;
    }
    Ok(())
}
