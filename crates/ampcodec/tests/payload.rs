//! The scan: what picklers write is PLAIN, what names classes OBJECTS, what could hurt REJECT.

use ampcodec::payload::{Scanner, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;

fn scan(pickle: &[u8]) -> Verdict {
    Scanner::default().scan(pickle)
}

/// A pickle of protocol 4 around some opcodes.
fn pickle(parts: &[&[u8]]) -> Vec<u8> {
    [b"\x80\x04", &parts.concat()[..], b"."].concat()
}

fn reject(reason: &str) -> Verdict {
    Verdict::Reject(reason.to_owned())
}

fn objects(names: &str) -> Verdict {
    Verdict::Objects(names.to_owned())
}

#[test]
fn plain_types_are_plain() {
    let bodies: [&[u8]; 30] = [
        b"N",
        b"\x88",
        b"\x89",
        b"K\x01",
        b"M\x01\x02",
        b"J\x01\x02\x03\x04",
        b"G\x3f\xf0\0\0\0\0\0\0",
        b"\x8a\x00",
        b"\x8a\x05\0\0\0\0\x01",
        b"\x8b\x01\0\0\0\x7f",
        b"\x8c\x04text",
        b"X\x04\0\0\0text",
        b"\x8d\x04\0\0\0\0\0\0\0text",
        b"C\x01b",
        b"B\x01\0\0\0b",
        b"\x8e\x01\0\0\0\0\0\0\0b",
        b"\x96\x01\0\0\0\0\0\0\0b",
        b")",
        b"K\x01\x85",
        b"K\x01K\x02\x86",
        b"K\x01K\x02K\x03\x87",
        b"(K\x01K\x02K\x03K\x04t",
        b"(t",
        b"]\x94(K\x01K\x02e",
        b"]K\x01a",
        b"}\x94(\x8c\x01aK\x01\x8c\x01bK\x02u",
        b"}\x8c\x01aK\x01s",
        b"\x8f\x94(K\x01K\x02\x90",
        b"(K\x01K\x02\x91",
        b"\x95\x02\0\0\0\0\0\0\0N",
    ];
    for body in bodies {
        assert_eq!(scan(&pickle(&[body])), Verdict::Plain, "{body:02x?}");
    }
    assert_eq!(scan(b"N."), Verdict::Plain, "protocol 0 has no PROTO");
    assert_eq!(scan(b"\x80\x02K\x01q\x00."), Verdict::Plain);
}

#[test]
fn memoized_values_come_back() {
    let bodies: [&[u8]; 5] = [
        b"\x8c\x01a\x94h\0\x86",
        b"X\x01\0\0\0aq\0h\0\x86",
        b"X\x01\0\0\0ar\0\0\0\0j\0\0\0\0\x86",
        b"]\x94K\x01ah\0\x86",
        b"Nq\0K\x01q\0h\0\x87",
    ];
    for body in bodies {
        assert_eq!(scan(&pickle(&[body])), Verdict::Plain, "{body:02x?}");
    }
}

#[test]
fn classes_are_named() {
    let cases: [(&[u8], &str); 11] = [
        (b"cos\nsystem\n", "os.system"),
        (b"\x8c\x02os\x8c\x06system\x93", "os.system"),
        (b"\x8c\x01m\x94\x8c\x01C\x94\x93h\0h\x01\x93\x86", "m.C"),
        (b"cm\nC\n)R", "m.C"),
        (b"cm\nC\n)\x81", "m.C"),
        (b"cm\nC\n)}\x92", "m.C"),
        (b"cm\nC\n)\x81}b", "m.C"),
        (b"cm\nC\n)\x81(K\x01K\x02e", "m.C"),
        (b"cm\nC\n)\x81\x94K\x01K\x02s", "m.C"),
        (b"cm\nC\ncm\nD\n\x86", "m.C, m.D"),
        (b"cos\xff;\nsy stem\n", "os??.sy?stem"),
    ];
    for (body, names) in cases {
        assert_eq!(scan(&pickle(&[body])), objects(names), "{body:02x?}");
    }
}

#[test]
fn the_list_of_names_is_bounded() {
    let class = |number: usize| format!("cmodule\nName{number}\n").into_bytes();
    let many: Vec<u8> = (0..20).flat_map(class).collect();
    let names = (0..8)
        .map(|number| format!("module.Name{number}"))
        .collect::<Vec<_>>()
        .join(", ");
    assert_eq!(
        scan(&pickle(&[b"(", &many, b"t"])),
        objects(&(names + ", ..."))
    );
    let long = [b"cm\n".to_vec(), vec![b'n'; 5000], b"\n".to_vec()].concat();
    assert_eq!(
        scan(&pickle(&[&long])),
        objects(&format!("m.{}", "n".repeat(100)))
    );
}

#[test]
fn a_container_in_itself_is_no_plain_value() {
    let cases: [&[u8]; 4] = [
        b"]\x94h\0a",
        b"]\x94(h\0e",
        b"}\x94\x8c\x01ah\0s",
        b"]\x94]\x94h\0aa",
    ];
    for body in cases {
        assert_eq!(
            scan(&pickle(&[body])),
            objects("a container in itself"),
            "{body:02x?}"
        );
    }
}

#[test]
fn opcodes_that_picklers_do_not_write_are_refused() {
    for (opcode, name) in [
        (b'0', "POP"),
        (b'1', "POP_MARK"),
        (b'2', "DUP"),
        (b'F', "FLOAT"),
        (b'I', "INT"),
        (b'L', "LONG"),
        (b'P', "PERSID"),
        (b'Q', "BINPERSID"),
        (b'S', "STRING"),
        (b'T', "BINSTRING"),
        (b'U', "SHORT_BINSTRING"),
        (b'V', "UNICODE"),
        (b'd', "DICT"),
        (b'g', "GET"),
        (b'i', "INST"),
        (b'l', "LIST"),
        (b'o', "OBJ"),
        (b'p', "PUT"),
        (0x82, "EXT1"),
        (0x83, "EXT2"),
        (0x84, "EXT4"),
        (0x97, "NEXT_BUFFER"),
        (0x98, "READONLY_BUFFER"),
        (0x00, "0x00"),
        (0xff, "0xff"),
    ] {
        let body = [b'N', b'N', opcode, b'1', b'\n', b'1', b'\n'];
        assert_eq!(scan(&pickle(&[&body])), reject(&format!("opcode {name}")));
    }
}

/// Each of these is refused for its reason.
fn check_refused(cases: &[(&[u8], &str)]) {
    for (data, reason) in cases {
        assert_eq!(scan(data), reject(reason), "{data:02x?}");
    }
}

#[test]
fn a_pickle_begins_and_ends_as_one() {
    check_refused(&[
        (b"", "no STOP"),
        (b"\x80\x04", "no STOP"),
        (b"\x80\x04N", "no STOP"),
        (b"\x80\x04.", "not one value at STOP"),
        (b"\x80\x04NN.", "not one value at STOP"),
        (b"\x80\x04(N.", "not one value at STOP"),
        (b"\x80\x04N.N", "bytes after STOP"),
        (b"\x80\x06N.", "protocol"),
        (b"\x80\x01N.", "protocol"),
        (b"N\x80\x04.", "protocol"),
    ]);
}

#[test]
fn lengths_are_checked_against_what_is_left() {
    check_refused(&[
        (b"\x80", "longer than what is there"),
        (b"\x80\x04M\x01", "longer than what is there"),
        (b"\x80\x04\x8c\x05text", "longer than what is there"),
        (
            b"\x80\x04X\xff\xff\xff\xfftext.",
            "longer than what is there",
        ),
        (
            b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xfftext.",
            "longer than what is there",
        ),
        (
            b"\x80\x04\x96\0\0\0\0\0\0\0\x80N.",
            "longer than what is there",
        ),
        (
            b"\x80\x04\x95\x03\0\0\0\0\0\0\0N.",
            "longer than what is there",
        ),
        (
            b"\x80\x04\x8a\x21.................................",
            "integer too large",
        ),
        (b"\x80\x04\x8b\xff\xff\xff\x7f\0.", "integer too large"),
        (b"\x80\x04cos\nsystem", "longer than what is there"),
    ]);
}

#[test]
fn frames_hold_whole_opcodes() {
    assert_eq!(
        scan(b"\x80\x04\x95\x02\0\0\0\0\0\0\0K\x01\x95\x01\0\0\0\0\0\0\0."),
        Verdict::Plain
    );
    assert_eq!(scan(b"\x80\x04\x95\0\0\0\0\0\0\0\0N."), Verdict::Plain);
    check_refused(&[
        // An unpickler of files drops what is left of the frame: here the `\x05` of SHORT_BINBYTES.
        (
            b"\x80\x04\x95\x01\0\0\0\0\0\0\0C\x05abcde.",
            "longer than what is there",
        ),
        (
            b"\x80\x04\x95\x03\0\0\0\0\0\0\0C\x05abcde.",
            "longer than what is there",
        ),
        (
            b"\x80\x04\x95\x03\0\0\0\0\0\0\0cos\nsystem\n.",
            "longer than what is there",
        ),
        (
            b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x95\x02\0\0\0\0\0\0\0N.",
            "a frame in a frame",
        ),
        (b"\x80\x04\x95\x01\0\0\0\0\0\0\0N", "no STOP"),
    ]);
}

#[test]
fn nothing_is_taken_from_where_nothing_is() {
    check_refused(&[
        (b"\x80\x04Nh\0.", "memo index"),
        (b"\x80\x04N\x94h\x01.", "memo index"),
        (b"\x80\x04Nq\x01.", "memo index"),
        (b"\x80\x02Nr\0\0\0\x04.", "memo index"), // the nine-byte bomb
        (b"\x80\x04\x94.", "stack underflow"),
        (b"\x80\x04N(\x94.", "stack underflow"),
        (b"\x80\x04\x85.", "stack underflow"),
        (b"\x80\x04N\x86.", "stack underflow"),
        (b"\x80\x04N(\x85.", "stack underflow"),
        (b"\x80\x04t.", "stack underflow"),
        (b"\x80\x04e.", "stack underflow"),
        (b"\x80\x04(Ne.", "stack underflow"),
        (b"\x80\x04)R.", "stack underflow"),
        (b"\x80\x04Nb.", "stack underflow"),
    ]);
}

#[test]
fn only_what_fits_is_put_together() {
    check_refused(&[
        (b"\x80\x04](N(Ne.", "filled as what it is not"),
        (b"\x80\x04N(Ne.", "filled as what it is not"),
        (b"\x80\x04](NNu.", "filled as what it is not"),
        (b"\x80\x04}(Ne.", "filled as what it is not"),
        (b"\x80\x04](N\x90.", "filled as what it is not"),
        (b"\x80\x04NN\x86Na.", "filled as what it is not"),
        (b"\x80\x04}(Nu.", "a key without a value"),
        (b"\x80\x04]\x94\x85h\0Na.", "filled after it was made"),
        (b"\x80\x04NN\x93.", "no class name"),
        (b"\x80\x04N)R.", "no class name"),
        (b"\x80\x04\x8c\x02os)\x81.", "no class name"),
    ]);
}

#[test]
fn what_nests_too_deep_is_refused() {
    let lists = [vec![b']'; 101], vec![b'a'; 100]].concat();
    let tuples = [b"N".to_vec(), vec![0x85; 101]].concat();
    let marked = [vec![b'('; 101], vec![b't'; 101]].concat();
    let calls = [b"cm\nC\n".to_vec(), vec![b')'], b"R\x85".repeat(101)].concat();
    for body in [lists, tuples, marked] {
        assert_eq!(scan(&pickle(&[&body])), reject("nested too deep"));
    }
    assert!(matches!(scan(&pickle(&[&calls])), Verdict::Reject(_)));
}

#[test]
fn a_hundred_containers_may_lie_in_each_other() {
    let lists = [vec![b']'; 100], vec![b'a'; 99]].concat();
    let tuples = [b"N".to_vec(), vec![0x85; 100]].concat();
    let marked = [vec![b'('; 100], vec![b't'; 100]].concat();
    for body in [lists, tuples, marked] {
        assert_eq!(scan(&pickle(&[&body])), Verdict::Plain);
    }
}

#[test]
fn depth_is_kept_through_the_memo() {
    // Each round puts the value of the round before, by its memo number, into a new tuple.
    let mut body = b"]\x94".to_vec();
    for number in 0..150_u8 {
        body.extend([b'h', number, 0x85, 0x94]);
    }
    let count = 150 + 1;
    let whole = [b"(".to_vec(), body, b"t".to_vec()].concat();
    assert_eq!(
        scan(&pickle(&[&whole])),
        reject("nested too deep"),
        "{count} values"
    );
    // The same with lists that are filled in their place, each before the next refers to it.
    let mut body = b"(]\x94".to_vec();
    for number in 0..150_u8 {
        body.extend([b']', 0x94, b'h', number, b'a']);
    }
    body.push(b't');
    assert_eq!(scan(&pickle(&[&body])), reject("nested too deep"));
}

#[test]
fn a_reference_does_not_hide_a_list_that_grows_later() {
    // An outer list refers to an inner one that is still being filled with a deep value.
    let deep = [b"N".to_vec(), vec![0x85; 98]].concat();
    let body = [b"]\x94]\x94h\0a".to_vec(), deep, b"aa".to_vec()].concat();
    assert!(!matches!(scan(&pickle(&[&body])), Verdict::Plain));
}

#[test]
fn few_bytes_cannot_make_much_memory() {
    let count = 16 << 20;
    for (opcode, tail) in [
        (0x8f, b"t"),
        (b'}', b"t"),
        (b']', b"t"),
        (b'N', b"t"),
        (b'(', b"N"),
    ] {
        let bomb = pickle(&[b"(", &vec![opcode; count], tail]);
        assert!(matches!(scan(&bomb), Verdict::Reject(_)), "{opcode:02x}");
    }
    // References cost as well, but they cannot multiply: this is what a laugh of billions is.
    let mut laughs = b"]\x94K\x01a".to_vec();
    for number in 0..60_u8 {
        laughs.extend(b"](");
        laughs.extend([b'h', 0].repeat(10));
        laughs.extend([b'e', 0x94]);
        laughs.extend([b'h', number]);
    }
    let body = [b"(".to_vec(), laughs, b"t".to_vec()].concat();
    assert_eq!(scan(&pickle(&[&body])), Verdict::Plain);
}

#[test]
fn what_takes_a_megabyte_honestly_is_plain() {
    let texts = b"\x8c\x05hello\x94".repeat(100_000);
    let batches = [b"(", &texts[..], b"e"].concat();
    assert_eq!(scan(&pickle(&[b"]\x94", &batches])), Verdict::Plain);
    let sessions = b"}\x94(\x8c\x03uidK\x07\x8c\x05unameNu".repeat(50_000);
    assert_eq!(scan(&pickle(&[b"]\x94(", &sessions, b"e"])), Verdict::Plain);
}

#[test]
fn keys_that_may_collide_are_few() {
    let longs = b"\x8a\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01N";
    let dict = |count: usize| pickle(&[b"}(", &longs.repeat(count), b"u"]);
    assert_eq!(scan(&dict(1000)), Verdict::Plain);
    assert_eq!(scan(&dict(1025)), reject("too many keys that may collide"));
    let set = pickle(&[b"\x8f(", &b"G\0\0\0\0\0\0\0\0".repeat(2000), b"\x90"]);
    assert_eq!(scan(&set), reject("too many keys that may collide"));
    let values = pickle(&[b"](", &b"G\0\0\0\0\0\0\0\0".repeat(2000), b"e"]);
    assert_eq!(scan(&values), Verdict::Plain, "as values they hash nothing");
}

#[test]
fn a_scanner_forgets() {
    let mut scanner = Scanner::default();
    let cases = [
        (
            pickle(&[b"(((N\x94N\x94]"]),
            reject("not one value at STOP"),
        ),
        (pickle(&[b"h\0"]), reject("memo index")),
        (pickle(&[b"t"]), reject("stack underflow")),
        (pickle(&[b"cm\nC\n"]), objects("m.C")),
        (pickle(&[b"N"]), Verdict::Plain),
    ];
    for (data, verdict) in &cases {
        assert_eq!(&scanner.scan(data), verdict);
    }
}

/// Opcodes with small operands, so that random ones often fit together.
fn opcode() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::sample::select(vec![
            &b"N"[..], b"K\x05", b"\x8c\x01a", b"C\x01b", b"]", b"}", b"\x8f", b")", b"(", b"(",
            b"\x85", b"\x86", b"\x87", b"t", b"\x91", b"a", b"e", b"s", b"u", b"\x90", b"\x94",
            b"h\0", b"h\x01", b"h\x02", b"q\0", b"q\x01", b"\x8a\x01\x05", b"G\0\0\0\0\0\0\0\0",
            b"cm\nC\n", b"\x93", b"R", b"\x81", b"\x92", b"b",
        ]).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 1..3),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_opcodes_get_a_verdict(opcodes in vec(opcode(), 0..40)) {
        let data = pickle(&[&opcodes.concat()]);
        let mut scanner = Scanner::default();
        let verdict = scanner.scan(&data);
        prop_assert_eq!(&scanner.scan(&data), &verdict, "a scanner remembers nothing");
        for cut in 0..data.len() {
            prop_assert!(matches!(scanner.scan(&data[..cut]), Verdict::Reject(_)) || data[..cut].ends_with(b"."));
        }
    }

    #[test]
    fn any_bytes_get_a_verdict(data in vec(any::<u8>(), 0..200)) {
        scan(&data);
        scan(&pickle(&[&data]));
    }
}
