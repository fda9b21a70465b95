//! The opcodes of plain values: read as they were written, and never past the end.

use ampcodec::payload::{Scanner, Verdict};
use ampcodec::plain::{HEADER, Leaf, Part, Parts, plain_text, put, put_text};
use proptest::collection::vec;
use proptest::prelude::*;

fn written(parts: &[Part<'_>]) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    for part in parts {
        put(&mut out, *part);
    }
    out
}

fn read(pickle: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Parts::new(pickle);
    std::iter::from_fn(|| parts.read()).collect()
}

#[test]
fn every_part_comes_back() {
    let long = [b'x'; 300];
    let leaves = [
        Leaf::None,
        Leaf::Bool(true),
        Leaf::Bool(false),
        Leaf::Float(-1.5),
        Leaf::Text(b""),
        Leaf::Text(&long[..255]),
        Leaf::Text(&long[..256]),
        Leaf::Bytes(b"\xff"),
        Leaf::Bytes(&long),
    ];
    let others = [
        Part::List,
        Part::Dict,
        Part::Mark,
        Part::TupleOf(0),
        Part::TupleOf(1),
        Part::TupleOf(2),
        Part::TupleOf(3),
        Part::Tuple,
        Part::Append,
        Part::Appends,
        Part::SetItem,
        Part::SetItems,
        Part::Memoize,
        Part::Put(255),
        Part::Put(256),
        Part::Get(255),
        Part::Get(256),
        Part::Stop,
    ];
    let parts: Vec<_> = leaves.map(Part::Leaf).into_iter().chain(others).collect();
    assert_eq!(read(&written(&parts)), parts);
}

#[test]
fn what_only_others_write() {
    let cases: [(&[u8], Leaf<'_>); 9] = [
        (b"\x8a\x00", Leaf::Int(0)),
        (b"\x8a\x01\xff", Leaf::Int(-1)),
        (b"\x8a\x02\xff\x00", Leaf::Int(255)),
        (b"\x8a\x08\0\0\0\0\0\0\0\x80", Leaf::Int(i64::MIN)),
        (b"\x95\x02\0\0\0\0\0\0\0K\x07", Leaf::Int(7)),
        (b"\x80\x02J\xff\xff\xff\xff", Leaf::Int(-1)),
        (b"\x8d\x01\0\0\0\0\0\0\0a", Leaf::Text(b"a")),
        (b"\x8e\x01\0\0\0\0\0\0\0a", Leaf::Bytes(b"a")),
        (b"X\x01\0\0\0a", Leaf::Text(b"a")),
    ];
    for (pickle, leaf) in cases {
        assert_eq!(read(pickle), [Part::Leaf(leaf)], "{pickle:02x?}");
    }
}

#[test]
fn what_is_left_to_an_unpickler() {
    let cases: [&[u8]; 12] = [
        b"",
        b"\x80",
        b"\x8f",
        b"\x91",
        b"\x90",
        b"\x96\x01\0\0\0\0\0\0\0a",
        b"\x8a\x09\0\0\0\0\0\0\0\x80\0",
        b"\x8b\x01\0\0\0\x01",
        b"\x8c\x02a",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa",
        b"cos\nsystem\n",
        b"\x95\0",
    ];
    for pickle in cases {
        assert_eq!(Parts::new(pickle).read(), None, "{pickle:02x?}");
    }
}

/// `(7, {"text": [["hi"], {"options": {}}]})`.
fn text_message() -> Vec<Part<'static>> {
    let text = |text| Part::Leaf(Leaf::Text(text));
    let number = Part::Leaf(Leaf::Int(7));
    let args = [Part::Mark, Part::List, text(b"hi"), Part::Append];
    let kwargs = [Part::Dict, text(b"options"), Part::Dict, Part::SetItem];
    let ends = [Part::Appends, Part::SetItem, Part::TupleOf(2), Part::Stop];
    [
        &[number, Part::Dict, text(b"text"), Part::List],
        &args[..],
        &kwargs,
        &ends,
    ]
    .concat()
}

#[test]
fn a_text_alone_is_found_with_and_without_a_memo() {
    let parts = text_message();
    assert_eq!(plain_text(&written(&parts)), Some((7, &b"hi"[..])));
    for noted in [Part::Memoize, Part::Put(300)] {
        let mut memoized = Vec::new();
        for part in &parts {
            memoized.extend([*part, noted]);
        }
        assert_eq!(plain_text(&written(&memoized)), Some((7, &b"hi"[..])));
    }
}

#[test]
fn a_text_alone_is_written_as_its_parts() {
    let mut pickle = written(&[Part::Leaf(Leaf::Int(7))]);
    put_text(&mut pickle, b"hi");
    assert_eq!(pickle, written(&text_message()));
}

#[test]
fn another_message_is_no_text_alone() {
    let parts = text_message();
    let others = [
        Part::Get(0),
        Part::Leaf(Leaf::None),
        Part::Leaf(Leaf::Text(b"Text")),
        Part::Mark,
    ];
    for at in 0..parts.len() {
        for other in others {
            let mut changed = parts.clone();
            changed[at] = other;
            let shown =
                other == parts[at] || (at == 6 && matches!(other, Part::Leaf(Leaf::Text(_))));
            assert_eq!(
                plain_text(&written(&changed)).is_some(),
                shown,
                "{at} {other:?}"
            );
            changed = parts.clone();
            changed.insert(at, other);
            assert_eq!(plain_text(&written(&changed)), None, "{at} {other:?}");
        }
        let mut shorter = parts.clone();
        shorter.remove(at);
        assert_eq!(plain_text(&written(&shorter)), None, "{at}");
    }
    let whole = written(&parts);
    for cut in 0..whole.len() {
        assert_eq!(plain_text(&whole[..cut]), None, "{cut}");
    }
}

#[test]
#[should_panic(expected = "marked")]
fn a_large_tuple_has_a_mark() {
    written(&[Part::TupleOf(4)]);
}

/// Text, numbers and containers in each other, as parts.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| written_leaf(Leaf::Int(number))),
        any::<f64>().prop_map(|number| written_leaf(Leaf::Float(number))),
        ".{0,300}".prop_map(|text| written_leaf(Leaf::Text(text.as_bytes()))),
        vec(any::<u8>(), 0..300).prop_map(|bytes| written_leaf(Leaf::Bytes(&bytes))),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        vec(inner, 0..5).prop_map(|values| [b"](", &values.concat()[..], b"e"].concat())
    })
}

fn written_leaf(leaf: Leaf<'_>) -> Vec<u8> {
    written(&[Part::Leaf(leaf)]).split_off(HEADER.len())
}

proptest! {
    #[test]
    fn numbers_come_back(number: i64) {
        let pickle = written_leaf(Leaf::Int(number));
        prop_assert_eq!(read(&pickle), [Part::Leaf(Leaf::Int(number))]);
    }

    #[test]
    fn what_is_written_is_plain_and_read_to_its_end(value in value()) {
        let pickle = [&HEADER[..], &value, b"."].concat();
        prop_assert_eq!(Scanner::default().scan(&pickle), Verdict::Plain);
        let parts = read(&pickle);
        prop_assert_eq!(parts.last(), Some(&Part::Stop));
    }

    #[test]
    fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&bytes).len() <= bytes.len());
    }
}

#[test]
fn the_scan_tells_whether_a_memo_is_needed() {
    let mut scanner = Scanner::default();
    for (pickle, recalls) in [
        (&b"\x80\x04]\x94]\x94\x86."[..], false),
        (b"\x80\x04]\x94h\0\x86.", true),
        (b"\x80\x02]q\0j\0\0\0\0\x86.", true),
        (b"\x80\x04N.", false),
    ] {
        assert_eq!(scanner.scan(pickle), Verdict::Plain);
        assert_eq!(scanner.recalls(), recalls, "{pickle:02x?}");
    }
}
