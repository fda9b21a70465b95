//! How texts are shown to a player, read from the protocol flags and a text's options.

use crate::markup::{ANSI, MXP, TRUECOLOR, XTERM256};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

pub const SPEECH: u16 = 16;
pub const RAW: u16 = 32;
pub const NO_LINE_END: u16 = 64;
pub const MARKED: u16 = 128;
pub const MARKED_PROMPT: u16 = 256;

/// What the flags say and the options do not.
struct Wishes<'a, 'py> {
    flags: &'a Bound<'py, PyDict>,
    options: Option<&'a Bound<'py, PyDict>>,
}

impl<'py> Wishes<'_, 'py> {
    fn option(&self, name: &Bound<'py, PyString>) -> PyResult<Option<bool>> {
        match self.options {
            Some(options) => truth(options, name),
            None => Ok(None),
        }
    }

    fn flag(&self, name: &Bound<'py, PyString>) -> PyResult<Option<bool>> {
        truth(self.flags, name)
    }

    fn option_or_flag(
        &self,
        option: &Bound<'py, PyString>,
        flag: &Bound<'py, PyString>,
    ) -> PyResult<bool> {
        match self.option(option)? {
            Some(wish) => Ok(wish),
            None => Ok(self.flag(flag)?.unwrap_or(false)),
        }
    }

    /// An ability of the client; one that did not say what it can do is believed to have all.
    fn ability(
        &self,
        option: &Bound<'py, PyString>,
        flag: &Bound<'py, PyString>,
        told: bool,
    ) -> PyResult<bool> {
        if told || self.options.is_some() {
            let wish = self.option(option)?;
            return match wish {
                Some(wish) => Ok(wish),
                None => Ok(!told || self.flag(flag)?.unwrap_or(false)),
            };
        }
        Ok(true)
    }
}

fn truth<'py>(table: &Bound<'py, PyDict>, name: &Bound<'py, PyString>) -> PyResult<Option<bool>> {
    match table.get_item(name)? {
        Some(value) => Ok(Some(value.is_truthy()?)),
        None => Ok(None),
    }
}

/// Read how a text is to be shown: bits, by what its options say, else by the flags.
#[pyfunction]
#[pyo3(signature = (flags, options=None))]
pub fn read_look<'py>(
    py: Python<'py>,
    flags: &Bound<'py, PyDict>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<u16> {
    let wishes = Wishes { flags, options };
    let told = wishes.flag(intern!(py, "TTYPE"))?.unwrap_or(false);
    let xterm = wishes.ability(intern!(py, "xterm256"), intern!(py, "XTERM256"), told)?;
    let truecolor = wishes.ability(intern!(py, "truecolor"), intern!(py, "TRUECOLOR"), told)?;
    let ansi = wishes.ability(intern!(py, "ansi"), intern!(py, "ANSI"), told)?;
    let plain = match wishes.option(intern!(py, "nocolor"))? {
        Some(wish) => wish,
        None => wishes.flag(intern!(py, "NOCOLOR"))?.unwrap_or(false) || !(xterm || ansi),
    };
    let silent = wishes.flag(intern!(py, "NOGOAHEAD"))?.unwrap_or(true);
    let silent_prompt = wishes
        .flag(intern!(py, "NOPROMPTGOAHEAD"))?
        .unwrap_or(silent);
    let forced = wishes.flag(intern!(py, "FORCEDENDLINE"))?.unwrap_or(true);
    let speech = wishes.option_or_flag(intern!(py, "screenreader"), intern!(py, "SCREENREADER"))?;
    let raw = wishes.option_or_flag(intern!(py, "raw"), intern!(py, "RAW"))?;
    let mxp = wishes.option_or_flag(intern!(py, "mxp"), intern!(py, "MXP"))?;
    let bits = [
        (!plain, ANSI.into()),
        (xterm, XTERM256.into()),
        (truecolor, TRUECOLOR.into()),
        (mxp, MXP.into()),
        (speech, SPEECH),
        (raw, RAW),
        (!forced, NO_LINE_END),
        (!silent, MARKED),
        (!silent_prompt, MARKED_PROMPT),
    ];
    Ok(bits.iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum())
}
