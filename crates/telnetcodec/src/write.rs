//! The way out: bytes of data made safe for a telnet peer.

use crate::command::{CR, IAC, LF, NUL};
use memchr::{memchr_iter, memchr3_iter};
use std::borrow::Cow;

/// Double every IAC; data without one is handed back as it is.
#[must_use]
pub fn escape(data: &[u8]) -> Cow<'_, [u8]> {
    rewrite(data, memchr_iter(IAC, data), |_, out| {
        out.extend_from_slice(&[IAC, IAC]);
    })
}

/// Make text of it: IAC doubled, LF and CR LF as CR LF, any other CR as CR NUL.
///
/// Data with none of these is handed back as it is.
#[must_use]
pub fn text(data: &[u8]) -> Cow<'_, [u8]> {
    rewrite(data, memchr3_iter(IAC, CR, LF, data), |at, out| {
        match data[at] {
            LF => out.extend_from_slice(&[CR, LF]),
            CR if data.get(at + 1) == Some(&LF) => {} // the LF writes both
            CR => out.extend_from_slice(&[CR, NUL]),
            _ => out.extend_from_slice(&[IAC, IAC]),
        }
    })
}

/// Copy `data` with the byte at each of `places` replaced by what `replace` writes.
fn rewrite(
    data: &[u8],
    places: impl Iterator<Item = usize>,
    replace: impl Fn(usize, &mut Vec<u8>),
) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut copied = 0;
    for at in places {
        if copied == 0 {
            out.reserve(data.len() + 16);
        }
        out.extend_from_slice(&data[copied..at]);
        replace(at, &mut out);
        copied = at + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(data);
    }
    out.extend_from_slice(&data[copied..]);
    Cow::Owned(out)
}
