//! Python's view of the markup crate.

use pyo3::prelude::*;
use pyo3::types::PyString;
use std::borrow::Cow;

/// Turn markup into ANSI sequences; returns the same object when there is none.
#[pyfunction]
pub fn markup_to_ansi<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    apply(text, markup::to_ansi)
}

/// Turn markup into HTML, everything else escaped; returns the same object when nothing changes.
#[pyfunction]
pub fn markup_to_html<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    apply(text, markup::to_html)
}

/// Take all markup and ANSI colours away; returns the same object when there are none.
#[pyfunction]
pub fn markup_to_plain<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    apply(text, markup::to_plain)
}

fn apply<'py>(
    text: &Bound<'py, PyString>,
    render: fn(&str) -> Cow<'_, str>,
) -> PyResult<Bound<'py, PyString>> {
    Ok(match render(text.to_str()?) {
        Cow::Borrowed(_) => text.clone(),
        Cow::Owned(rendered) => PyString::new(text.py(), &rendered),
    })
}
