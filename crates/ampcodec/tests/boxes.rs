//! Framing: every table at every cut, every limit with its error, any segmentation the same boxes.

use ampcodec::BoxError;
use ampcodec::boxes::{BoxWriter, Decoder, Limits};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;
type Field<'a> = (&'a [u8], &'a [u8]);

const LIMITS: Limits = Limits {
    keys: 4,
    bytes: 200_000,
};

fn owned(fields: &[Field]) -> Fields {
    let field = |(key, value): &Field| (key.to_vec(), value.to_vec());
    fields.iter().map(field).collect()
}

/// Feed the segments; the boxes that came out, and the error that ended the stream.
fn decode<'a>(
    limits: Limits,
    segments: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Fields>, Option<BoxError>, usize) {
    let mut decoder = Decoder::new(limits);
    let mut boxes = Vec::new();
    for mut segment in segments {
        while let Ok(Some(raw)) = decoder.next_box(&mut segment) {
            boxes.push(owned(&raw.fields().collect::<Vec<_>>()));
        }
    }
    (boxes, decoder.error(), decoder.pending())
}

fn encode(fields: &[Field]) -> Result<Vec<u8>, BoxError> {
    let mut writer = BoxWriter::default();
    writer.clear();
    for (key, value) in fields {
        writer.push(key, value)?;
    }
    Ok(writer.finish().to_vec())
}

#[test]
fn boxes_are_written_with_their_keys_sorted() {
    let cases: [(&[Field], &[u8]); 6] = [
        (&[], b"\0\0"),
        (&[(b"a", b"b")], b"\0\x01a\0\x01b\0\0"),
        (&[(b"a", b"")], b"\0\x01a\0\0\0\0"),
        (
            &[(b"a", b"1"), (b"_x", b"2"), (b"B", b"3")],
            b"\0\x01B\0\x013\0\x02_x\0\x012\0\x01a\0\x011\0\0",
        ),
        (
            &[(b"a.2", b""), (b"a.10", b""), (b"a", b"")],
            b"\0\x01a\0\0\0\x04a.10\0\0\0\x03a.2\0\0\0\0",
        ),
        (
            &[(b"_ask", b"1"), (b"_command", b"Sum"), (b"a", b"13")],
            b"\0\x04_ask\0\x011\0\x08_command\0\x03Sum\0\x01a\0\x0213\0\0",
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(encode(fields).as_deref(), Ok(expected), "{fields:?}");
    }
}

#[test]
fn what_framing_cannot_say_is_not_written() {
    let key = [b'k'; 256];
    let value = vec![0; 65_536];
    let cases: [(&[u8], &[u8], Option<BoxError>); 5] = [
        (b"", b"v", Some(BoxError::EmptyKey)),
        (&key[..255], b"", None),
        (&key, b"", Some(BoxError::KeyTooLong(256))),
        (b"k", &value[..65_535], None),
        (b"k", &value, Some(BoxError::ValueTooLong(65_536))),
    ];
    for (key, value, error) in cases {
        assert_eq!(encode(&[(key, value)]).err(), error);
    }
}

#[test]
fn a_writer_forgets_what_it_wrote() {
    let mut writer = BoxWriter::default();
    writer.clear();
    writer.push(b"b", &vec![7; 60_000]).unwrap();
    writer.push(b"a", b"").unwrap();
    assert_eq!(writer.finish().len(), 60_012);
    writer.clear();
    writer.push(b"a", b"b").unwrap();
    assert_eq!(writer.finish(), b"\0\x01a\0\x01b\0\0");
}

#[test]
fn boxes_are_read_at_every_cut() {
    let stream: &[u8] = b"\0\x01a\0\x01b\0\0\0\0\0\x03key\0\0\0\x01z\0\x05value\0\0\0\x01a\0\x01b";
    let expected = vec![
        owned(&[(b"a", b"b")]),
        owned(&[]),
        owned(&[(b"key", b""), (b"z", b"value")]),
    ];
    let result = (expected, None, 6);
    assert_eq!(decode(LIMITS, [stream]), result);
    assert_eq!(decode(LIMITS, stream.chunks(1)), result);
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let segments = [&stream[..first], &stream[first..second], &stream[second..]];
            assert_eq!(
                decode(LIMITS, segments),
                result,
                "cut at {first} and {second}"
            );
        }
    }
}

#[test]
fn a_broken_rule_ends_the_stream_at_every_cut() {
    let whole: &[u8] = b"\0\x01a\0\x01b\0\0";
    let long_value = [b"\0\x01k\xff\xff".to_vec(), vec![0; 65_535]].concat();
    let cases: [(&[u8], BoxError); 6] = [
        (b"GET / HTTP/1.0\r\n", BoxError::KeyTooLong(0x4745)),
        (b"\x01\0", BoxError::KeyTooLong(256)),
        (b"\0\x01a\0\0\xff\xff", BoxError::KeyTooLong(65_535)),
        (
            b"\0\x01a\0\0\0\x01b\0\0\0\x01c\0\0\0\x01d\0\0\0\x01e\0\0\0\0",
            BoxError::TooManyKeys(4),
        ),
        (
            &[&long_value[..], &long_value, &long_value, &long_value].concat(),
            BoxError::BoxTooLong(200_000),
        ),
        (b"\0\0\0\x01a\0\0\x02", BoxError::KeyTooLong(0x0200)),
    ];
    for (tail, error) in cases {
        let stream = [whole, tail, whole].concat();
        let end = (whole.len() + tail.len()).min(60);
        let empty_too = usize::from(tail.starts_with(b"\0\0"));
        for cut in (0..end).chain([stream.len()]) {
            let (boxes, found, pending) = decode(LIMITS, [&stream[..cut], &stream[cut..]]);
            assert_eq!((found, pending), (Some(error), 0), "cut at {cut}");
            assert_eq!(boxes.len(), 1 + empty_too, "cut at {cut}");
        }
    }
}

#[test]
fn an_error_is_given_again_and_again() {
    let mut decoder = Decoder::new(LIMITS);
    for mut input in [&b"\x01\x01"[..], b"\0\0", b""] {
        assert_eq!(
            decoder.next_box(&mut input).err(),
            Some(BoxError::KeyTooLong(257))
        );
    }
}

#[test]
fn a_box_may_be_as_long_as_the_limit_and_no_longer() {
    let stream = encode(&[(b"key", &[1; 91])]).unwrap();
    assert_eq!(stream.len(), 100);
    let limits = |bytes| Limits { keys: 1, bytes };
    for segment in [1, 7, 100] {
        let (boxes, error, _) = decode(limits(100), stream.chunks(segment));
        assert_eq!((boxes.len(), error), (1, None));
        let (boxes, error, pending) = decode(limits(99), stream.chunks(segment));
        assert_eq!((boxes.len(), pending), (0, 0));
        assert_eq!(error, Some(BoxError::BoxTooLong(99)));
    }
}

#[test]
fn a_key_alone_can_be_too_long_for_the_box() {
    let limits = Limits { keys: 9, bytes: 20 };
    let (_, error, _) = decode(limits, [&b"\0\x20"[..]]);
    assert_eq!(error, Some(BoxError::BoxTooLong(20)));
}

#[test]
fn pending_counts_the_bytes_of_a_begun_box() {
    let stream = encode(&[(b"key", b"value")]).unwrap();
    let mut decoder = Decoder::new(LIMITS);
    for (at, byte) in stream.iter().enumerate() {
        assert_eq!(decoder.pending(), at);
        let mut input = std::slice::from_ref(byte);
        let ended = decoder.next_box(&mut input).unwrap().is_some();
        assert_eq!(ended, at + 1 == stream.len());
    }
    assert_eq!(decoder.pending(), 0);
}

#[test]
fn of_a_repeated_key_the_last_value_counts() {
    let mut decoder = Decoder::new(LIMITS);
    let mut input: &[u8] = b"\0\x01a\0\x011\0\x01b\0\0\0\x01a\0\x012\0\0";
    let raw = decoder.next_box(&mut input).unwrap().unwrap();
    assert_eq!(raw.get(b"a"), Some(&b"2"[..]));
    assert_eq!(raw.get(b"b"), Some(&b""[..]));
    assert_eq!(raw.get(b"c"), None);
    assert_eq!((raw.len(), raw.is_empty(), raw.size()), (3, false, 19));
}

#[test]
fn one_byte_reads_of_a_long_box_stay_linear() {
    // Sixteen values of 64 KB: re-joining at each read would copy half a terabyte.
    let fields: Vec<_> = (b'a'..=b'p')
        .map(|key| (vec![key], vec![key; 65_535]))
        .collect();
    let view: Vec<_> = fields
        .iter()
        .map(|(key, value)| (&key[..], &value[..]))
        .collect();
    let stream = encode(&view).unwrap();
    let limits = Limits {
        keys: 16,
        bytes: stream.len(),
    };
    assert_eq!(decode(limits, stream.chunks(1)), (vec![fields], None, 0));
}

fn any_box() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
    btree_map(vec(any::<u8>(), 1..40), vec(any::<u8>(), 0..600), 0..6)
}

proptest! {
    #[test]
    fn encode_then_decode_is_identity_in_any_segmentation(
        boxes in vec(any_box(), 0..6),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
        reversed in any::<bool>(),
    ) {
        let mut stream = Vec::new();
        for content in &boxes {
            let mut fields: Vec<_> = content.iter().map(|(key, value)| (&key[..], &value[..])).collect();
            if reversed {
                fields.reverse();
            }
            stream.extend(encode(&fields).unwrap());
        }
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(stream.len());
        let mut start = 0;
        let segments = ends.iter().map(|end| {
            let segment = &stream[start..*end];
            start = *end;
            segment
        });
        let expected: Vec<Fields> = boxes.into_iter().map(|content| content.into_iter().collect()).collect();
        prop_assert_eq!(decode(Limits::NONE, segments), (expected, None, 0));
    }

    #[test]
    fn bytes_that_are_no_boxes_give_the_same_at_any_cut(
        stream in vec(prop_oneof![4 => Just(0_u8), 4 => 0..4_u8, 1 => any::<u8>()], 0..80),
    ) {
        let whole = decode(LIMITS, [&stream[..]]);
        prop_assert_eq!(&decode(LIMITS, stream.chunks(1)), &whole);
        for cut in 0..stream.len() {
            prop_assert_eq!(&decode(LIMITS, [&stream[..cut], &stream[cut..]]), &whole);
        }
    }
}
