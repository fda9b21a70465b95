//! The fields of a box in a dict, seen without a reference of our own to each of its objects.
//!
//! `PyO3`'s iterator counts a reference up and down for every object, and looks again and again
//! whether the dict has changed: half of what writing a small box takes.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ptr::null_mut;

/// Call `each` with the bytes of every key and its value.
///
/// It gets no access to the interpreter, so that nothing can change the dict meanwhile.
/// Errors: `TypeError` for anything that is not bytes; those of `each`.
pub fn for_each_field(
    content: &Bound<'_, PyDict>,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), ampcodec::BoxError>,
) -> PyResult<()> {
    let (mut position, mut key, mut value) = (0, null_mut(), null_mut());
    // SAFETY: `content` is a dict that lives, the interpreter's lock is held for as long as it is
    // borrowed, and no code runs that could change it: neither `each` nor `bytes_of` calls Python.
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
        let (key, value) = unsafe { (bytes_of(content, key)?, bytes_of(content, value)?) };
        each(key, value).map_err(crate::amp::box_error)?;
    }
    Ok(())
}

/// The bytes of a `bytes` object in `content`.
///
/// # Safety
///
/// `object` is in `content`, and stays in it for as long as the result is used.
#[allow(unsafe_code)]
unsafe fn bytes_of<'a>(
    content: &'a Bound<'_, PyDict>,
    object: *mut ffi::PyObject,
) -> PyResult<&'a [u8]> {
    let (mut start, mut size) = (null_mut(), 0);
    // SAFETY: the object lives; the call checks that it is `bytes`, whose content never moves and
    // never changes, and sets `start` and `size` to it.
    unsafe {
        if ffi::PyBytes_AsStringAndSize(object, &raw mut start, &raw mut size) != 0 {
            return Err(PyErr::fetch(content.py()));
        }
        Ok(std::slice::from_raw_parts(
            start.cast(),
            size.unsigned_abs(),
        ))
    }
}
