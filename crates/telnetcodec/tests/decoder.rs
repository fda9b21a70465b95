//! The decoder by its tables, whole, byte by byte and written down at every cut.

use proptest::prelude::*;
use telnetcodec::{Decoder, Overflow, Sink, State, StateError};

const MAX_LINE: usize = 16;
const MAX_PAYLOAD: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Line(Vec<u8>),
    Command(u8, u8, Vec<u8>),
    TooLong(Overflow, usize),
    Keepalive,
}

use Token::{Command, TooLong};

#[derive(Default)]
struct Tokens(Vec<Token>);

impl Sink for Tokens {
    fn line(&mut self, line: &[u8]) {
        self.0.push(Token::Line(line.to_vec()));
    }

    fn command(&mut self, verb: u8, option: u8, payload: &[u8]) {
        self.0.push(Command(verb, option, payload.to_vec()));
    }

    fn keepalive(&mut self) {
        self.0.push(Token::Keepalive);
    }

    fn overflow(&mut self, what: Overflow, size: usize) {
        self.0.push(TooLong(what, size));
    }
}

fn decoder() -> Decoder {
    Decoder::new(MAX_LINE, MAX_PAYLOAD)
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Token> {
    let mut decoder = decoder();
    let mut tokens = Tokens::default();
    for piece in pieces {
        decoder.receive(piece, &mut tokens);
    }
    tokens.0
}

fn line(text: &[u8]) -> Token {
    Token::Line(text.to_vec())
}

fn command(verb: u8) -> Token {
    Command(verb, 0, vec![])
}

fn sub(option: u8, payload: &[u8]) -> Token {
    Command(250, option, payload.to_vec())
}

/// Read `data` whole, byte by byte, and by a new decoder after every cut.
fn check(data: &[u8], expected: &[Token]) {
    assert_eq!(decode([data]), expected, "{data:?} whole");
    assert_eq!(decode(data.chunks(1)), expected, "{data:?} byte by byte");
    for cut in 0..=data.len() {
        let mut first = decoder();
        let mut second = decoder();
        let mut tokens = Tokens::default();
        first.receive(&data[..cut], &mut tokens);
        second.set_state(first.state()).expect("a phase of ours");
        assert_eq!(second.state(), first.state());
        assert_eq!(second.pending(), first.pending());
        second.receive(&data[cut..], &mut tokens);
        assert_eq!(tokens.0, expected, "{data:?} written down at {cut}");
    }
}

#[test]
fn lines() {
    check(b"look\r\n", &[line(b"look")]);
    check(b"look\r\0", &[line(b"look")]);
    check(b"look\n", &[line(b"look")]);
    check(b"look\r", &[line(b"look")]);
    check(b"look", &[]);
    check(b"", &[]);
    check(b"\r\n\r\n", &[line(b""), line(b"")]);
    check(b"\n\n", &[line(b""), line(b"")]);
    check(b"\r\r", &[line(b""), line(b"")]);
    check(
        b"a\rb\nc\r\0d\r\n",
        &[line(b"a"), line(b"b"), line(b"c"), line(b"d")],
    );
    // Only one byte behind a CR belongs to it.
    check(b"a\r\n\nb\n", &[line(b"a"), line(b""), line(b"b")]);
    // A command may stand between the two bytes of a line's end.
    check(b"a\r\xff\xf1\nb\n", &[line(b"a"), command(241), line(b"b")]);
    check(b"a\r\xff\xff\n", &[line(b"a"), line(b"\xff")]);
    check(b"a\xff\xffb\r\n", &[line(b"a\xffb")]);
    check(b"a\0b\0\r\n", &[line(b"ab")]);
    check(
        b"\0\0a\x08\0b\0\r\0\0\r\n\0",
        &[
            Token::Keepalive,
            Token::Keepalive,
            Token::Keepalive,
            line(b"b"),
            Token::Keepalive,
            line(b""),
            Token::Keepalive,
        ],
    );
    check(
        b"12345678901234567\0\n\0",
        &[TooLong(Overflow::Line, 17), Token::Keepalive],
    );
}

#[test]
fn editing() {
    check(b"lopk\x08\x08ok\r\n", &[line(b"look")]);
    check(b"x\x7f\x7f\x7flook\n", &[line(b"look")]);
    check("né\x08e\n".as_bytes(), &[line(b"ne")]);
    check("€\x7f\u{1f600}\x7fab\n".as_bytes(), &[line(b"ab")]);
    // Another encoding, or half a character: byte by byte.
    check(b"\xe9t\xe9\x08\n", &[line(b"\xe9t")]);
    check(b"a\xa9\xa9\x08\n", &[line(b"a\xa9")]);
    check(b"\xe2\x82\x08\n", &[line(b"\xe2")]);
    check(b"ab\xff\xf7c\n", &[command(247), line(b"ac")]);
    check(b"ab\xff\xf8c\n", &[command(248), line(b"c")]);
}

#[test]
fn commands() {
    check(
        b"\xff\xfb\x18\xff\xfc\x18\xff\xfd\x01\xff\xfe\x01",
        &[
            Command(251, 24, vec![]),
            Command(252, 24, vec![]),
            Command(253, 1, vec![]),
            Command(254, 1, vec![]),
        ],
    );
    check(
        b"\xff\xf6\xff\xf1\xff\xec",
        &[command(246), command(241), command(236)],
    );
    check(b"lo\xff\xf1ok\n", &[command(241), line(b"look")]);
    check(b"a\xff\xebb\xff\0c\n", &[line(b"abc")]);
    check(b"\xff\xfb\xff", &[Command(251, 255, vec![])]);
    check(b"\xff\xf0", &[command(240)]);
}

#[test]
fn subnegotiations() {
    check(
        b"\xff\xfa\x1f\0\x50\0\x18\xff\xf0",
        &[sub(31, b"\0\x50\0\x18")],
    );
    check(
        b"\xff\xfa\x1f\0\xff\xff\0\x18\xff\xf0",
        &[sub(31, b"\0\xff\0\x18")],
    );
    check(b"\xff\xfa\x18\xff\xf0x\n", &[sub(24, b""), line(b"x")]);
    check(b"\xff\xfa\xff\xf0x\n", &[line(b"x")]);
    check(b"\xff\xfa\xff\xffab\xff\xf0", &[sub(255, b"ab")]);
    check(b"\xff\xfa\x18ab\r\nc\xff\xf0", &[sub(24, b"ab\r\nc")]);
    // Broken off by another command, which counts.
    check(b"\xff\xfa\x18ab\xff\xf1x\n", &[command(241), line(b"x")]);
    check(b"\xff\xfa\x18ab\xff\xfb\x1f", &[Command(251, 31, vec![])]);
    check(b"\xff\xfa\x18ab\xff\xfa\x1fc\xff\xf0", &[sub(31, b"c")]);
    check(
        b"\xff\xfa\xff\xfd\x03x\n",
        &[Command(253, 3, vec![]), line(b"x")],
    );
    check(b"\xff\xfa\x18ab\xff\x05x\n", &[line(b"x")]);
    check(
        b"lo\xff\xfa\x18a\xff\xf0ok\n",
        &[sub(24, b"a"), line(b"look")],
    );
}

#[test]
fn limits() {
    let long = TooLong(Overflow::Line, MAX_LINE + 1);
    check(b"0123456789abcdef\n", &[line(b"0123456789abcdef")]);
    check(b"0123456789abcdefg\nx\n", &[long.clone(), line(b"x")]);
    check(
        b"0123456789abcdefghijklmnopqrstuvwxyz0123456789",
        std::slice::from_ref(&long),
    );
    check(
        b"0123456789abcdef\xff\xff\nx\n",
        &[long.clone(), line(b"x")],
    );
    check(
        b"0123456789abcdefg\x08\xff\xf7\xff\xf8x\r\nx\n",
        &[long.clone(), command(247), command(248), line(b"x")],
    );
    check(b"0123456789abcdef\x7fg\n", &[line(b"0123456789abcdeg")]);
    check(b"0123456789abcdefg\x7f\n", &[long]);
    let heavy = TooLong(Overflow::Subnegotiation, MAX_PAYLOAD + 1);
    check(b"\xff\xfa\x1801234567\xff\xf0", &[sub(24, b"01234567")]);
    check(
        b"\xff\xfa\x18012345678901\xff\xffx\xff\xf0y\n",
        &[heavy.clone(), line(b"y")],
    );
    check(
        b"\xff\xfa\x1801234567\xff\xff\xff\xf0y\n",
        &[heavy.clone(), line(b"y")],
    );
    check(
        b"\xff\xfa\x18012345678\xff\xf1\xff\xfa\x18a\xff\xf0",
        &[heavy, command(241), sub(24, b"a")],
    );
}

#[test]
fn memory_of_lines_is_given_back() {
    let mut decoder = decoder();
    decoder.receive(b"a line", &mut Tokens::default());
    assert_eq!(decoder.pending(), 6);
    decoder.receive(b"\r\n", &mut Tokens::default());
    assert_eq!(decoder.pending(), 0);
    assert!(size_of::<Decoder>() <= 80, "it exists once per connection");
}

#[test]
fn a_state_of_another_kind_is_refused() {
    let mut decoder = decoder();
    let state = State {
        phase: 7,
        ..State::default()
    };
    assert_eq!(decoder.set_state(state), Err(StateError(7)));
    assert_eq!(StateError(7).to_string(), "a telnet decoder has no phase 7");
}

/// Bytes that meet the machine's branches often.
fn telnet_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => prop::sample::select(vec![255u8, 250, 240, 251, 254, 13, 10, 0, 8, 127, 247, 248]),
        3 => 97u8..=99,
        1 => any::<u8>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_segmentation_gives_the_same_tokens(
        data in prop::collection::vec(telnet_byte(), 0..120),
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
        data in prop::collection::vec(telnet_byte(), 0..80),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(data.len() + 1);
        let mut first = decoder();
        let mut tokens = Tokens::default();
        first.receive(&data[..cut], &mut tokens);
        let mut second = decoder();
        prop_assert!(second.set_state(first.state()).is_ok());
        second.receive(&data[cut..], &mut tokens);
        prop_assert_eq!(tokens.0, decode([data.as_slice()]));
    }

    #[test]
    fn nothing_outgrows_its_limit(data in prop::collection::vec(telnet_byte(), 0..200)) {
        for token in decode([data.as_slice()]) {
            match token {
                Token::Line(line) => prop_assert!(line.len() <= MAX_LINE),
                Command(_, _, payload) => prop_assert!(payload.len() <= MAX_PAYLOAD),
                TooLong(..) | Token::Keepalive => {}
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back(lines in prop::collection::vec("[^\\x00\\x08\\n\\r\\x7f]{0,4}", 0..6)) {
        let written = lines.iter().fold(String::new(), |all, line| all + line + "\n");
        let bytes = telnetcodec::text(written.as_bytes());
        let expected: Vec<Token> = lines.iter().map(|each| line(each.as_bytes())).collect();
        prop_assert_eq!(decode([bytes.as_ref()]), expected);
    }

    #[test]
    fn escaped_data_holds_no_command(data in prop::collection::vec(any::<u8>(), 0..40)) {
        let framed = [&[255, 250, 201], telnetcodec::escape(&data).as_ref(), &[255, 240]].concat();
        let mut decoder = Decoder::new(MAX_LINE, 40);
        let mut tokens = Tokens::default();
        decoder.receive(&framed, &mut tokens);
        prop_assert_eq!(tokens.0, [sub(201, &data)]);
    }
}
