//! The decoder by its tables, whole, byte by byte and written down at every cut.

mod peer;

use peer::{Items, Said};
use proptest::prelude::*;
use wscodec::{Decoder, Failure, MAX_EMPTY_FRAGMENTS, State, StateError};

const MAX_MESSAGE: usize = 200;

/// A client's frame with `first` as its first byte, written without the crate.
fn client_frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(size @ 0..126) => bytes.push(0x80 | size.to_be_bytes()[1]),
        Ok(size) => {
            bytes.push(0xfe);
            bytes.extend(size.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0xff);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
    bytes
}

/// The same with a mask that does not matter.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    client_frame(first, [0x37, 0xfa, 0x21, 0x3d], payload)
}

fn decoder() -> Decoder {
    Decoder::new(MAX_MESSAGE)
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Said> {
    let mut decoder = decoder();
    let mut items = Items::default();
    for piece in pieces {
        decoder.receive(piece, &mut items);
    }
    items.0
}

fn text(text: &str) -> Said {
    Said::Text(text.to_owned())
}

fn binary(data: &[u8]) -> Said {
    Said::Binary(data.to_vec())
}

fn control(opcode: u8, payload: &[u8]) -> Said {
    Said::Control(opcode, payload.to_vec())
}

/// Read `frames` whole, byte by byte, and by a new decoder after every cut.
fn check(frames: &[Vec<u8>], expected: &[Said]) {
    let data = frames.concat();
    assert_eq!(decode([&data[..]]), expected, "{data:02x?} whole");
    assert_eq!(decode(data.chunks(1)), expected, "{data:02x?} byte by byte");
    for cut in 0..=data.len() {
        let mut first = decoder();
        let mut second = decoder();
        let mut items = Items::default();
        first.receive(&data[..cut], &mut items);
        second.set_state(first.state()).expect("a state of ours");
        assert_eq!(second.state(), first.state());
        assert_eq!(second.pending(), first.pending());
        second.receive(&data[cut..], &mut items);
        assert_eq!(items.0, expected, "{data:02x?} written down at {cut}");
    }
}

/// A failure is the last of all, and comes with the first byte that shows it.
fn check_failure(frames: &[Vec<u8>], before: &[Said], failure: Failure) {
    let expected = [before, &[Said::Failed(failure)]].concat();
    check(frames, &expected);
    check(&[frames, &[frame(0x81, b"x")]].concat(), &expected);
}

#[test]
fn messages() {
    // The examples of RFC 6455, section 5.7, as far as a client says them.
    check(
        &[vec![
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ]],
        &[text("Hello")],
    );
    check(
        &[vec![
            0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ]],
        &[control(10, b"Hello")],
    );
    check(&[], &[]);
    check(&[frame(0x81, b"")], &[text("")]);
    check(&[frame(0x82, b"")], &[binary(b"")]);
    check(
        &[
            frame(0x81, "né".as_bytes()),
            frame(0x82, b"\xff\0"),
            frame(0x81, b"x"),
        ],
        &[text("né"), binary(b"\xff\0"), text("x")],
    );
    for size in [1, 7, 8, 9, 124, 125, 126, 127, MAX_MESSAGE] {
        let long = "x".repeat(size);
        check(&[frame(0x81, long.as_bytes())], &[text(&long)]);
        check(
            &[frame(0x82, long.as_bytes()), frame(0x89, b"")],
            &[binary(long.as_bytes()), control(9, b"")],
        );
    }
}

#[test]
fn fragments() {
    check(
        &[frame(0x01, b"Hel"), frame(0x80, b"lo"), frame(0x81, b"x")],
        &[text("Hello"), text("x")],
    );
    check(
        &[frame(0x02, b"a"), frame(0x00, b"b"), frame(0x80, b"c")],
        &[binary(b"abc")],
    );
    check(
        &[frame(0x01, b""), frame(0x00, b""), frame(0x80, b"")],
        &[text("")],
    );
    check(
        &[frame(0x01, b""), frame(0x00, b"x"), frame(0x80, b"")],
        &[text("x")],
    );
    // Control frames are handed out between the fragments, which go on.
    check(
        &[
            frame(0x01, b"a"),
            frame(0x89, b"1"),
            frame(0x00, b"b"),
            frame(0x8a, b""),
            frame(0x89, b"2"),
            frame(0x80, b"c"),
        ],
        &[
            control(9, b"1"),
            control(10, b""),
            control(9, b"2"),
            text("abc"),
        ],
    );
    // A character may be cut by fragments, and by a control frame between them.
    check(
        &[
            frame(0x01, b"\xce"),
            frame(0x89, b""),
            frame(0x00, b"\xba\xe1"),
            frame(0x00, b"\xbd"),
            frame(0x80, b"\xb9"),
        ],
        &[control(9, b""), text("\u{3ba}\u{1f79}")],
    );
}

#[test]
fn fragments_out_of_place() {
    for first in [0x00, 0x80] {
        check_failure(&[frame(first, b"x")], &[], Failure::UnexpectedContinuation);
        check_failure(
            &[frame(0x81, b"a"), frame(first, b"x")],
            &[text("a")],
            Failure::UnexpectedContinuation,
        );
        check_failure(
            &[frame(0x01, b"a"), frame(0x80, b"b"), frame(first, b"")],
            &[text("ab")],
            Failure::UnexpectedContinuation,
        );
    }
    for first in [0x01, 0x81, 0x02, 0x82] {
        check_failure(
            &[frame(0x01, b"a"), frame(first, b"b")],
            &[],
            Failure::UnfinishedMessage,
        );
    }
}

#[test]
fn headers() {
    for bits in [0x10, 0x20, 0x40, 0x50, 0x70] {
        for first in [0x81, 0x82, 0x01, 0x88, 0x89, 0x8a] {
            check_failure(&[frame(first | bits, b"")], &[], Failure::ReservedBits);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for last in [0x00, 0x80] {
            check_failure(&[frame(last | opcode, b"x")], &[], Failure::ReservedOpcode);
        }
    }
    for first in [0x81, 0x01, 0x82, 0x88, 0x89] {
        check_failure(&[vec![first, 0]], &[], Failure::Unmasked);
        check_failure(&[vec![first, 1, b'x']], &[], Failure::Unmasked);
    }
    let mask = [1, 2, 3, 4];
    for length in [0, 1, 125] {
        let short = [&[0x81, 0xfe, 0, length][..], &mask].concat();
        check_failure(&[short], &[], Failure::LengthNotMinimal);
        let long = [&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, length][..], &mask].concat();
        check_failure(&[long], &[], Failure::LengthNotMinimal);
    }
    let long = [&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff][..], &mask].concat();
    check_failure(&[long], &[], Failure::LengthNotMinimal);
}

#[test]
fn control_frames() {
    for first in [0x89, 0x8a] {
        for size in [0, 1, 125] {
            let payload = vec![0xfe; size];
            check(
                &[frame(first, &payload), frame(0x81, b"x")],
                &[control(first & 15, &payload), text("x")],
            );
        }
    }
    for first in [0x88, 0x89, 0x8a] {
        check_failure(&[frame(first, &[0; 126])], &[], Failure::ControlTooLong);
        check_failure(
            &[frame(first, &vec![0; 70_000])[..14].to_vec()],
            &[],
            Failure::ControlTooLong,
        );
        check_failure(&[frame(first & 15, b"")], &[], Failure::FragmentedControl);
        check_failure(
            &[frame(0x01, b"a"), frame(first & 15, b"")],
            &[],
            Failure::FragmentedControl,
        );
    }
}

#[test]
fn closes() {
    for payload in [
        &b""[..],
        b"\x03\xe8",
        b"\x03\xf4",
        b"\x03\xe8bye",
        b"\x0b\xb8\xc3\xa9",
    ] {
        let closed = [control(8, payload)];
        check(&[frame(0x88, payload)], &closed);
        // Nothing counts behind a close, whatever it is.
        check(&[frame(0x88, payload), frame(0x81, b"x")], &closed);
        check(&[frame(0x88, payload), frame(0x88, payload)], &closed);
        check(&[frame(0x88, payload), vec![0xff; 40]], &closed);
        check(
            &[frame(0x01, b"a"), frame(0x88, payload), frame(0x80, b"b")],
            &closed,
        );
    }
    check_failure(&[frame(0x88, b"\x03")], &[], Failure::BadClose);
    for reason in [&b"\xff"[..], b"\xce", b"a\xed\xa0\x80"] {
        let payload = [b"\x03\xe8", reason].concat();
        check_failure(&[frame(0x88, &payload)], &[], Failure::InvalidText);
    }
    let allowed = |code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    for code in 0..=u16::MAX {
        let found = decode([&frame(0x88, &code.to_be_bytes())[..]]);
        let expected = if allowed(code) {
            control(8, &code.to_be_bytes())
        } else {
            Said::Failed(Failure::BadCloseCode)
        };
        assert_eq!(found, [expected], "{code}");
    }
}

/// Whether the bytes fail, and how many of them it takes.
fn bytes_until_failure(data: &[u8], header: usize) -> Option<usize> {
    let mut decoder = decoder();
    let mut items = Items::default();
    data.iter().enumerate().find_map(|(at, byte)| {
        decoder.receive(&[*byte], &mut items);
        (!items.0.is_empty()).then(|| at + 1 - header)
    })
}

#[test]
fn text_fails_with_its_first_wrong_byte() {
    for (bytes, needed) in [
        (&b"\xff"[..], 1),
        (b"ab\x80", 3),
        (b"\xc0", 1),
        (b"\xc1\xbf", 1),
        (b"\xf5", 1),
        (b"\xed\xa0", 2), // a surrogate
        (b"\xe0\x9f", 2), // longer than need be
        (b"\xf0\x8f", 2), // so is this
        (b"\xf4\x90", 2), // behind the last character
        (b"\xce\xce", 2), // cut by another character
        (b"\xe1\xbdx", 3),
        (b"\xf0\x9f\x98x", 4),
        ("\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes(), 99),
    ] {
        let tail = [bytes, &[b'x'; 20]].concat();
        let wrong = needed <= bytes.len();
        // In an unfinished frame, final or not ...
        for first in [0x81, 0x01] {
            let data = frame(first, &tail);
            let needed = wrong.then_some(needed);
            let found = bytes_until_failure(&data[..data.len() - 1], 6);
            assert_eq!(found, needed, "{bytes:02x?}");
        }
        // ... and in fragments of one byte, where the byte is the seventh of its frame.
        let mut data = frame(0x01, &tail[..1]);
        for byte in &tail[1..] {
            data.extend(frame(0x00, &[*byte]));
        }
        let found = bytes_until_failure(&data, 0);
        assert_eq!(found, wrong.then_some(needed * 7), "{bytes:02x?}");
    }
    // A character that the end of the message cuts.
    for cut in [&b"\xce"[..], b"ab\xe1\xbd", b"\xf0\x9f\x98"] {
        check_failure(&[frame(0x81, cut)], &[], Failure::InvalidText);
        check_failure(
            &[frame(0x01, cut), frame(0x80, b"")],
            &[],
            Failure::InvalidText,
        );
    }
}

#[test]
fn limits() {
    let long = [b'x'; MAX_MESSAGE + 1];
    // The header is enough, and of a length without bounds it is, too.
    check_failure(
        &[frame(0x81, &long)[..8].to_vec()],
        &[],
        Failure::MessageTooLong,
    );
    check_failure(&[frame(0x02, &long)], &[], Failure::MessageTooLong);
    for top in [0x00, 0x7f, 0xff] {
        let endless = [&[0x82, 0xff, top][..], &[0xff; 11]].concat();
        check_failure(&[endless], &[], Failure::MessageTooLong);
    }
    let most = &long[..MAX_MESSAGE];
    check(
        &[frame(0x02, most), frame(0x89, &[0; 125]), frame(0x80, b"")],
        &[control(9, &[0; 125]), binary(most)],
    );
    check_failure(
        &[frame(0x02, most), frame(0x80, b"x")],
        &[],
        Failure::MessageTooLong,
    );
    check_failure(
        &[frame(0x01, b"x"), frame(0x00, most)[..8].to_vec()],
        &[],
        Failure::MessageTooLong,
    );
    // Each message has the whole of it.
    check(
        &[frame(0x81, most), frame(0x82, most)],
        &[text(&"x".repeat(MAX_MESSAGE)), binary(most)],
    );
}

#[test]
fn empty_fragments_end() {
    let most = usize::from(MAX_EMPTY_FRAGMENTS);
    let empty = vec![frame(0x00, b""); most];
    let last = [frame(0x80, b"y")];
    let message = [&[frame(0x01, b"x")][..], &empty, &last].concat();
    // Each message may have as many.
    check(
        &[&message[..], &message].concat(),
        &[text("xy"), text("xy")],
    );
    let first = [frame(0x01, b"")];
    check_failure(&[&first, &empty[..]].concat(), &[], Failure::EmptyFragments);
    // What stands between them does not begin the count anew.
    let mut mixed = first.to_vec();
    for _ in 0..most {
        mixed.extend([frame(0x00, b"x"), frame(0x89, b""), frame(0x00, b"")]);
    }
    check_failure(
        &mixed,
        &vec![control(9, b""); most],
        Failure::EmptyFragments,
    );
}

#[test]
fn a_connection_is_small() {
    assert!(size_of::<Decoder>() <= 120, "it exists once per connection");
}

type Change = fn(&mut State);

/// What makes a state impossible: of one between two messages, ...
const IMPOSSIBLE: [(&str, Change); 5] = [
    ("header", |state| state.header = frame(0x81, b"")),
    ("header", |state| {
        state.header = vec![0x83, 0x80, 1, 2, 3, 4];
    }),
    ("header", |state| state.header = vec![0xff; 15]),
    ("message", |state| state.message = vec![b'x']),
    ("control", |state| state.control = vec![0]),
];

/// ... of one in a text, ...
const IMPOSSIBLE_IN_TEXT: [(&str, Change); 7] = [
    ("kind", |state| state.kind = 3),
    ("kind", |state| state.kind = 0),
    ("opcode", |state| state.opcode = 3),
    ("opcode", |state| state.opcode = 200),
    ("control", |state| state.control = vec![0]),
    ("header", |state| state.header = vec![0x81]),
    ("message", |state| state.message = vec![0xff]),
];

/// ... and of one in a ping.
const IMPOSSIBLE_IN_PING: [(&str, Change); 4] = [
    ("opcode", |state| state.is_final = false),
    ("control", |state| state.left = 126),
    ("control", |state| state.control = vec![0; 121]),
    ("control", |state| state.left = usize::MAX),
];

#[test]
fn a_state_that_cannot_be_is_refused() {
    let in_text = State {
        kind: 1,
        left: 5,
        opcode: 1,
        ..State::default()
    };
    let in_ping = State {
        left: 5,
        opcode: 9,
        is_final: true,
        ..State::default()
    };
    for (state, changes) in [
        (State::default(), &IMPOSSIBLE[..]),
        (in_text, &IMPOSSIBLE_IN_TEXT),
        (in_ping, &IMPOSSIBLE_IN_PING),
    ] {
        let mut decoder = decoder();
        assert_eq!(decoder.set_state(state.clone()), Ok(()));
        for (part, change) in changes {
            let mut changed = state.clone();
            change(&mut changed);
            assert_eq!(decoder.set_state(changed), Err(StateError(part)));
            assert_eq!(decoder.state(), state);
        }
    }
    assert_eq!(
        StateError("kind").to_string(),
        "no websocket decoder has such a kind"
    );
}

#[test]
fn a_smaller_limit_counts_from_the_next_header_on() {
    let data = [frame(0x01, b"more than four"), frame(0x80, b"")].concat();
    let mut first = decoder();
    first.receive(&data[..10], &mut Items::default());
    for (end, expected) in [
        (data.len(), text("more than four")),
        (20, Said::Failed(Failure::MessageTooLong)),
    ] {
        let mut second = Decoder::new(4);
        let mut items = Items::default();
        second.set_state(first.state()).expect("a state of ours");
        second.receive(&data[10..end], &mut items);
        second.receive(&frame(0x80, b"x"), &mut items);
        assert_eq!(items.0[0], expected);
    }
}

/// Frames that meet the machine's branches often, most of them lawful.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x81u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a]),
        1 => Just(0x88u8),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "[a-c]{0,3}|é|€|😀".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..140),
    ];
    (first, any::<[u8; 4]>(), payload)
        .prop_map(|(first, mask, payload)| client_frame(first, mask, &payload))
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let frames = prop::collection::vec(any_frame(), 0..10).prop_map(|frames| frames.concat());
    prop_oneof![9 => frames, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_segmentation_says_the_same(
        data in any_stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len() + 1)).collect();
        places.extend([0, data.len()]);
        places.sort_unstable();
        let pieces = places.windows(2).map(|pair| &data[pair[0]..pair[1]]);
        prop_assert_eq!(decode(pieces), decode([data.as_slice()]));
    }

    #[test]
    fn a_state_written_down_anywhere_goes_on_the_same(
        data in any_stream(),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(data.len() + 1);
        let mut first = decoder();
        let mut items = Items::default();
        first.receive(&data[..cut], &mut items);
        let mut second = decoder();
        prop_assert!(second.set_state(first.state()).is_ok());
        second.receive(&data[cut..], &mut items);
        prop_assert_eq!(items.0, decode([data.as_slice()]));
    }

    #[test]
    fn nothing_outgrows_its_limit(data in any_stream()) {
        let mut decoder = decoder();
        let mut items = Items::default();
        for piece in data.chunks(3) {
            decoder.receive(piece, &mut items);
            prop_assert!(decoder.pending() <= MAX_MESSAGE + wscodec::MAX_CONTROL);
        }
        for said in items.0 {
            match said {
                Said::Text(text) => prop_assert!(text.len() <= MAX_MESSAGE),
                Said::Binary(data) => prop_assert!(data.len() <= MAX_MESSAGE),
                Said::Control(_, payload) => prop_assert!(payload.len() <= wscodec::MAX_CONTROL),
                Said::Failed(_) => {}
            }
        }
    }
}
