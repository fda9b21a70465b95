//! Whole messages: the order of their fields, their way back, and what is told apart on arrival.

use ampcodec::BoxError;
use ampcodec::boxes::{Decoder, Limits, RawBox};
use ampcodec::message::{Encoder, Header, Incoming, Packed, Payload, Router, Unpacker, put_answer};
use ampcodec::payload::Verdict;
use proptest::collection::vec;
use proptest::prelude::*;

const NONE: &[u8] = b"\x80\x04N.";

fn header<'a>(command: &'a [u8], key: &'a [u8], ask: Option<u64>) -> Header<'a> {
    Header { command, key, ask }
}

fn encode(header: &Header<'_>, payload: &[u8], level: u8) -> Result<Vec<u8>, BoxError> {
    let mut out = Vec::new();
    Encoder::default().encode(&mut out, header, payload, level)?;
    Ok(out)
}

fn with_box<T>(stream: &[u8], look: impl FnOnce(RawBox<'_>) -> T) -> T {
    let mut decoder = Decoder::new(Limits::NONE);
    let mut input = stream;
    let raw = decoder.next_box(&mut input).unwrap().expect("a whole box");
    let result = look(raw);
    assert!(input.is_empty());
    result
}

fn keys(stream: &[u8]) -> Vec<String> {
    let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    with_box(stream, |raw| {
        raw.fields().map(|(key, _)| text(key)).collect()
    })
}

#[test]
fn a_message_is_one_box() {
    let cases: [(Option<u64>, &[u8]); 4] = [
        (None, b""),
        (Some(1), b"\0\x04_ask\0\x011"),
        (Some(0x1a2b), b"\0\x04_ask\0\x041a2b"),
        (Some(u64::MAX), b"\0\x04_ask\0\x10ffffffffffffffff"),
    ];
    for (ask, tag) in cases {
        let expected = [
            tag,
            b"\0\x08_command\0\x03Msg",
            b"\0\x0bpacked_data\0\x0cx\x01\x01\x01\0\xfe\xffx\0\x79\0\x79\0\0",
        ]
        .concat();
        let message = encode(&header(b"Msg", b"packed_data", ask), b"x", 0);
        assert_eq!(message, Ok(expected));
    }
}

#[test]
fn keys_are_sorted_wherever_the_argument_stands() {
    let long = vec![0; 11 * 65_535];
    for (key, order) in [
        ("packed_data", ["_ask", "_command", "*"]),
        ("A", ["*", "_ask", "_command"]),
        ("_b", ["_ask", "*", "_command"]),
        ("_ask2", ["_ask", "*", "_command"]),
        ("_command2", ["_ask", "_command", "*"]),
    ] {
        let message = encode(&header(b"Msg", key.as_bytes(), Some(7)), &long, 9).unwrap();
        let found = keys(&message);
        let mut sorted = found.clone();
        sorted.sort();
        assert_eq!(found, sorted);
        assert_eq!(found.len(), 13);
        let first_of_each = found.iter().map(|name| match name.strip_prefix(key) {
            Some("") => "*",
            _ => name,
        });
        let heads: Vec<_> = first_of_each.filter(|name| order.contains(name)).collect();
        assert_eq!(heads, order);
    }
}

#[test]
fn what_cannot_be_said_is_not_written() {
    let name = [b'n'; 256];
    let long = vec![b'c'; 65_536];
    let cases: [(&[u8], &[u8], BoxError); 7] = [
        (b"Msg", b"", BoxError::EmptyKey),
        (b"Msg", &name, BoxError::KeyTooLong(256)),
        (&long, b"k", BoxError::ValueTooLong(65_536)),
        (b"Msg", b"_ask", BoxError::ReservedKey),
        (b"Msg", b"_command", BoxError::ReservedKey),
        (b"Msg", b"_answer", BoxError::ReservedKey),
        (b"Msg", b"_error", BoxError::ReservedKey),
    ];
    for (command, key, error) in cases {
        assert_eq!(encode(&header(command, key, None), b"", 0), Err(error));
    }
    let mut out = Vec::new();
    assert_eq!(
        put_answer(&mut out, &long),
        Err(BoxError::ValueTooLong(65_536))
    );
    assert_eq!(put_answer(&mut out, b"1a"), Ok(()));
    assert_eq!(out, b"\0\x07_answer\0\x021a\0\0");
}

fn router() -> Router {
    let mut router = Router::default();
    router.add(b"Msg", b"packed_data").unwrap();
    router.add(b"Admin", b"other").unwrap();
    router
}

#[test]
fn boxes_are_told_apart() {
    enum Expected {
        Answer(&'static [u8]),
        Packed(usize, Option<&'static [u8]>),
        Other,
    }
    let cases: [(&[u8], Expected); 10] = [
        (b"\0\0", Expected::Other),
        (b"\0\x07_answer\0\x011\0\0", Expected::Answer(b"1")),
        (b"\0\x07_answer\0\x011\0\x01a\0\0\0\0", Expected::Other),
        (
            b"\0\x06_error\0\x011\0\x08_command\0\x03Msg\0\0",
            Expected::Other,
        ),
        (
            b"\0\x08_command\0\x03Msg\0\x07_answer\0\x011\0\0",
            Expected::Other,
        ),
        (b"\0\x08_command\0\x03Sum\0\0", Expected::Other),
        (b"\0\x08_command\0\x03Msg\0\0", Expected::Packed(0, None)),
        (
            b"\0\x08_command\0\x05Admin\0\x04_ask\0\x01f\0\0",
            Expected::Packed(1, Some(b"f")),
        ),
        (
            b"\0\x08_command\0\x03Sum\0\x04_ask\0\x011\0\x08_command\0\x03Msg\0\x04_ask\0\x012\0\0",
            Expected::Packed(0, Some(b"2")),
        ),
        (b"\0\x01a\0\x01b\0\0", Expected::Other),
    ];
    let router = router();
    for (stream, expected) in cases {
        with_box(stream, |raw| match (router.route(raw), expected) {
            (Incoming::Answer(tag), Expected::Answer(expected)) => assert_eq!(tag, expected),
            (Incoming::Packed(Packed { route, ask }), Expected::Packed(number, tag)) => {
                assert_eq!((route, ask), (number, tag));
            }
            (Incoming::Other, Expected::Other) => {}
            (found, _) => panic!("{stream:02x?} is {found:?}"),
        });
    }
    assert_eq!(router.argument(1), b"other");
    assert_eq!(Router::default().add(b"Msg", b""), Err(BoxError::EmptyKey));
}

fn unpack(stream: &[u8], limit: usize) -> (Vec<u8>, Verdict) {
    let mut unpacker = Unpacker::default();
    with_box(stream, |raw| {
        let Payload {
            pickle: payload,
            verdict,
            ..
        } = unpacker.unpack(raw, b"packed_data", limit);
        (payload.to_vec(), verdict)
    })
}

#[test]
fn payloads_are_judged() {
    let message =
        |payload: &[u8]| encode(&header(b"Msg", b"packed_data", None), payload, 6).unwrap();
    let class = b"\x80\x04cm\nC\n.";
    let cases: [(&[u8], Verdict); 3] = [
        (NONE, Verdict::Plain),
        (class, Verdict::Objects("m.C".to_owned())),
        (b"N", Verdict::Reject("no STOP".to_owned())),
    ];
    for (payload, verdict) in cases {
        assert_eq!(unpack(&message(payload), 100), (payload.to_vec(), verdict));
    }
}

#[test]
fn what_cannot_be_inflated_costs_the_message_alone() {
    let long = encode(&header(b"Msg", b"packed_data", None), &[0; 101], 9).unwrap();
    let cases: [(&[u8], &str); 3] = [
        (b"\0\x08_command\0\x03Msg\0\0", "MissingChunk"),
        (
            b"\0\x08_command\0\x03Msg\0\x0bpacked_data\0\x01x\0\0",
            "BadDeflate",
        ),
        (&long, "PayloadTooLarge"),
    ];
    for (stream, name) in cases {
        let (payload, verdict) = unpack(stream, 100);
        assert_eq!(payload, b"");
        let Verdict::Reject(reason) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(reason.starts_with(&format!("{name}: ")), "{reason}");
    }
}

proptest! {
    #[test]
    fn a_message_comes_back(
        payload in vec(any::<u8>(), 0..500), repeats in 1..400_usize,
        key in "[ -~]{1,20}", ask in any::<Option<u64>>(), level in 0..=9_u8,
    ) {
        prop_assume!(!["_ask", "_command", "_answer", "_error"].contains(&key.as_str()));
        let payload = payload.repeat(repeats);
        let message = encode(&header(b"Msg", key.as_bytes(), ask), &payload, level).unwrap();
        let mut router = Router::default();
        router.add(b"Msg", key.as_bytes()).unwrap();
        let found = keys(&message);
        prop_assert!(found.is_sorted());
        with_box(&message, |raw| {
            let Incoming::Packed(Packed { route: 0, ask: tag }) = router.route(raw) else {
                panic!("a packed message");
            };
            let expected = ask.map(|number| format!("{number:x}").into_bytes());
            assert_eq!(tag, expected.as_deref());
            let mut unpacker = Unpacker::default();
            assert!(unpacker.unpack(raw, key.as_bytes(), payload.len()).pickle == payload);
        });
    }
}
