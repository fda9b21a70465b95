//! What the scan calls PLAIN is run by a small unpickler that keeps the real graph of values: it
//! finds no class, no far memo index, no cycle, and nothing nested deeper than the scan allows. The
//! opcodes that values are built by without an unpickler end where the pickle does.
#![no_main]

mod unpickler;

use ampcodec::payload::{Scanner, Verdict};
use ampcodec::plain::{Part, Parts};
use libfuzzer_sys::fuzz_target;
use unpickler::Unpickler;

const MAX_DEPTH: usize = 100;

/// Opcodes with small operands: each byte of an input is one of them.
const PARTS: [&[u8]; 37] = [
    b"N",
    b"K\x01",
    b"G\0\0\0\0\0\0\0\0",
    b"\x8a\x01\x01",
    b"\x8c\x01a",
    b"X\x01\0\0\0a",
    b"C\x01b",
    b"]",
    b"}",
    b"\x8f",
    b")",
    b"(",
    b"\x85",
    b"\x86",
    b"\x87",
    b"t",
    b"\x91",
    b"a",
    b"e",
    b"s",
    b"u",
    b"\x90",
    b"\x94",
    b"q\0",
    b"q\x01",
    b"h\0",
    b"h\x01",
    b"h\x02",
    b"h\x03",
    b"j\x04\0\0\0",
    b"cm\nC\n",
    b"\x93",
    b"R",
    b"\x81",
    b"\x92",
    b"b",
    &[0x85; 97],
];

/// The first byte of the input says whether the rest is a pickle or numbers of parts of one.
fn pickle(data: &[u8]) -> Vec<u8> {
    match data.split_first() {
        Some((0..128, parts)) => {
            let part = |byte: &u8| PARTS[usize::from(*byte) % PARTS.len()];
            let body: Vec<_> = parts.iter().flat_map(part).copied().collect();
            [b"\x80\x04", &body[..], b"."].concat()
        }
        Some((_, pickle)) => pickle.to_vec(),
        None => Vec::new(),
    }
}

/// Whoever builds values of a plain pickle meets its STOP at its end, or is told that there is
/// something that only an unpickler knows.
fn read_parts(pickle: &[u8]) {
    let mut parts = Parts::new(pickle);
    while let Some(part) = parts.read() {
        if part == Part::Stop {
            assert_eq!(parts.read(), None, "{pickle:02x?}");
            return;
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let pickle = pickle(data);
    let mut scanner = Scanner::default();
    let verdict = scanner.scan(&pickle);
    assert_eq!(scanner.scan(&pickle), verdict);
    match verdict {
        Verdict::Plain => {
            let depth = Unpickler::depth_of(&pickle);
            assert!(
                depth.is_some_and(|depth| depth <= MAX_DEPTH),
                "{depth:?}: {pickle:02x?}"
            );
            read_parts(&pickle);
        }
        Verdict::Objects(reason) | Verdict::Reject(reason) => {
            assert!((1..=2000).contains(&reason.len()), "{reason}");
        }
    }
});
