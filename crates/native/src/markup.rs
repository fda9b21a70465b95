//! Python's view of the markup crate.

use markup::{Abilities, Additions, Speech};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::borrow::Cow;

/// The bits of a number of abilities.
pub const ANSI: u8 = 1;
pub const XTERM256: u8 = 2;
pub const TRUECOLOR: u8 = 4;
pub const MXP: u8 = 8;

/// The markup of a game, compiled: the usual codes and those that the game adds.
///
/// Half surrogates, which no encoding can carry, are rendered as `?`.
#[pyclass(module = "portal._native", frozen, subclass)]
pub struct Markup {
    markup: markup::Markup,
    refused: Vec<(String, String, String)>,
}

#[pymethods]
impl Markup {
    #[new]
    #[pyo3(signature = (*, only=false, codes=Vec::new(), bright_backgrounds=Vec::new(),
        foregrounds=Vec::new(), backgrounds=Vec::new(), grey_foregrounds=Vec::new(),
        grey_backgrounds=Vec::new()))]
    fn new(
        only: bool,
        codes: Vec<(String, String)>,
        bright_backgrounds: Vec<(String, String)>,
        foregrounds: Vec<String>,
        backgrounds: Vec<String>,
        grey_foregrounds: Vec<String>,
        grey_backgrounds: Vec<String>,
    ) -> Self {
        let (markup, refused) = markup::Markup::new(&Additions {
            only,
            codes,
            bright_backgrounds,
            foregrounds,
            backgrounds,
            grey_foregrounds,
            grey_backgrounds,
        });
        let refused = refused
            .into_iter()
            .map(|each| (each.list.to_owned(), each.rule, each.reason))
            .collect();
        Self { markup, refused }
    }

    /// The list, the rule and the reason of each addition that cannot be followed.
    #[getter]
    fn refused(&self) -> Vec<(String, String, String)> {
        self.refused.clone()
    }

    /// Turn markup into what a terminal shows that has the abilities of a look; returns the same
    /// object when nothing changes. Other bits of the look are passed over.
    fn to_terminal<'py>(
        &self,
        text: &Bound<'py, PyString>,
        look: u32,
    ) -> PyResult<Bound<'py, PyString>> {
        let has = |bit: u8| look & u32::from(bit) != 0;
        let abilities = Abilities {
            ansi: has(ANSI),
            xterm256: has(XTERM256),
            truecolour: has(TRUECOLOR),
            mxp: has(MXP),
        };
        apply(text, |text| self.markup.to_terminal(text, abilities))
    }

    /// Turn markup into HTML, everything else escaped; returns the same object when nothing
    /// changes. Without `styled` there are links but no spans.
    #[pyo3(signature = (text, *, styled=true))]
    fn to_html<'py>(
        &self,
        text: &Bound<'py, PyString>,
        styled: bool,
    ) -> PyResult<Bound<'py, PyString>> {
        apply(text, |text| self.markup.to_html(text, styled))
    }

    /// Take all markup and ANSI colours away; returns the same object when there are none.
    fn to_plain<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
        apply(text, |text| self.markup.to_plain(text))
    }
}

impl Markup {
    /// The HTML of a text, for other parts of this crate.
    pub fn html<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.markup.to_html(text, true)
    }
}

/// Turn text that is no markup into HTML; returns the same object when nothing changes.
#[pyfunction]
pub fn text_to_html<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    apply(text, markup::text_to_html)
}

/// What a screen reader is not to read out.
#[pyclass(module = "portal._native", frozen)]
pub struct SpeechFilter {
    speech: Speech,
}

#[pymethods]
impl SpeechFilter {
    #[new]
    fn new(expression: &str) -> PyResult<Self> {
        let speech = Speech::new(expression).map_err(PyValueError::new_err)?;
        Ok(Self { speech })
    }

    /// Leave out all that matches; returns the same object when nothing does.
    fn spare<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
        apply(text, |text| self.speech.strip(text))
    }
}

fn apply<'py>(
    text: &Bound<'py, PyString>,
    render: impl Fn(&str) -> Cow<'_, str>,
) -> PyResult<Bound<'py, PyString>> {
    let text = valid(text)?;
    Ok(match render(text.to_str()?) {
        Cow::Borrowed(_) => text,
        Cow::Owned(rendered) => PyString::new(text.py(), &rendered),
    })
}

/// The text itself, or with `?` for what no encoding can carry.
pub fn valid<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    if text.to_str().is_ok() {
        return Ok(text.clone());
    }
    let py = text.py();
    let bytes = text.call_method1(intern!(py, "encode"), ("utf-8", "replace"))?;
    Ok(bytes.call_method0(intern!(py, "decode"))?.cast_into()?)
}
