//! Text as JSON carries it (RFC 8259, section 7).

/// The digits of `\u00XX`.
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Append a text as the inside of a JSON string, without the quotes around it.
///
/// Only what has to be is escaped: quotes, backslashes and control characters.
pub fn push_json_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            _ => {
                out.extend(b"\\u00");
                out.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
            }
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_be_is_escaped() {
        for (text, expected) in [
            ("", ""),
            ("größe", "größe"),
            ("a\"b\\c", "a\\\"b\\\\c"),
            ("a\r\n\tb", "a\\r\\n\\tb"),
            ("\0\x1b[0m\x7f", "\\u0000\\u001b[0m\x7f"),
            ("\u{2028}", "\u{2028}"),
        ] {
            let mut out = b"> ".to_vec();
            push_json_text(text, &mut out);
            assert_eq!(out, format!("> {expected}").as_bytes(), "{text:?}");
        }
    }
}
