//! A whole message in one step: an ask with one Compressed argument.

use crate::boxes::{put_field, put_length};
use crate::compressed::{check_name, piece_key};
use crate::{BoxError, Deflater};

/// Write the box that asks `command` with `payload` as its argument `name`.
///
/// `ask` is the number of the tag, written in hexadecimal; without one no answer is wanted.
pub fn encode_message(
    deflater: &mut Deflater,
    command: &[u8],
    name: &[u8],
    payload: &[u8],
    ask: Option<u64>,
    level: u32,
) -> Result<Vec<u8>, BoxError> {
    if command.len() > crate::boxes::MAX_VALUE {
        return Err(BoxError::ValueTooLong(command.len()));
    }
    let mut pieces = Vec::with_capacity(payload.len() + 11);
    let ends = deflater.deflate(payload, level, &mut pieces);
    check_name(name, ends.len())?;
    let heading = 64 + command.len() + ends.len() * (name.len() + 12);
    let mut out = Vec::with_capacity(heading + pieces.len());
    let tag = ask.map(|number| format!("{number:x}"));
    let mut fields: Vec<(Vec<u8>, &[u8])> = Vec::with_capacity(ends.len() + 2);
    if let Some(tag) = &tag {
        fields.push((b"_ask".to_vec(), tag.as_bytes()));
    }
    fields.push((b"_command".to_vec(), command));
    let mut start = 0;
    for (index, end) in ends.iter().enumerate() {
        fields.push((piece_key(name, index + 1), &pieces[start..*end]));
        start = *end;
    }
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, value) in &fields {
        put_field(&mut out, key, value);
    }
    put_length(&mut out, 0);
    Ok(out)
}
