//! Addresses of pages: those that stand in a text, and those that a link may lead to.

use std::borrow::Cow;

/// What a link may lead to; anything else (`javascript:`) could run in the player's browser.
const SCHEMES: [&str; 4] = ["http://", "https://", "ftp://", "mailto:"];

/// What no address in a text holds: the next sentence or a bracket around it begins there.
const STOPS: &[u8] = b"\"',;$*^\\(){}<>[]`|";

/// What ends a sentence does not belong to the address before it.
const SENTENCE_ENDS: [char; 4] = ['.', ':', '!', '?'];

/// Make of what a link says where it leads: an address with its scheme, or a place on the same
/// site. None where it may lead nowhere.
pub(crate) fn target(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    if SCHEMES.iter().any(|scheme| starts_with(text, scheme)) || text.starts_with('/') {
        return Some(Cow::Borrowed(text));
    }
    starts_with(text, "www.").then(|| Cow::Owned(format!("http://{text}")))
}

fn starts_with(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Whether bytes are searched at this one: it is in the middle of `://`, or begins `www.`.
pub(crate) fn may_be_near(bytes: &[u8], at: usize) -> bool {
    match bytes[at] {
        b':' => bytes[at..].starts_with(b"://"),
        _ => bytes[at..].starts_with(b"www."),
    }
}

/// The address at a place, if `may_be_near` there, none of it before `from`: where it begins and
/// ends.
pub(crate) fn find(text: &str, from: usize, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    if !may_be_near(bytes, at) {
        return None;
    }
    let start = if bytes[at] == b':' {
        let schemes: [&[u8]; 3] = [b"https", b"http", b"ftp"];
        let scheme = schemes
            .into_iter()
            .find(|each| bytes[from..at].ends_with(each))?;
        at - scheme.len()
    } else {
        at
    };
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
    if bytes[..start].last().is_some_and(in_word) {
        return None;
    }
    let length = text[at..]
        .find(|letter: char| {
            letter.is_whitespace()
                || letter.is_control()
                || u8::try_from(letter).is_ok_and(|byte| STOPS.contains(&byte))
        })
        .unwrap_or(text.len() - at);
    let found = text[at..at + length].trim_end_matches(SENTENCE_ENDS);
    let named = if bytes[at] == b':' {
        found.len() > 3
    } else {
        has_domain(found.get(4..).unwrap_or_default())
    };
    named.then_some((start, at + found.len()))
}

/// Whether what follows `www.` may be a site: `example.com`.
fn has_domain(rest: &str) -> bool {
    let host = rest
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || "-._~@%+#=:".contains(letter)))
        .next()
        .unwrap_or_default();
    host.rsplit_once('.').is_some_and(|(name, top)| {
        let letters = top.bytes().take_while(u8::is_ascii_lowercase).count();
        !name.is_empty() && (2..=6).contains(&letters)
    })
}
