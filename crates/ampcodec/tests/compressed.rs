//! `Compressed`: sizes around every cut, content that grows in deflating, caps, broken streams.

use ampcodec::BoxError;
use ampcodec::compressed::{Chunks, Deflater, Inflater, check_name, put_key};
use flate2::{Compress, Compression, FlushCompress};
use proptest::collection::vec;
use proptest::prelude::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

const NAME: &[u8] = b"packed_data";
const NO_LIMIT: usize = usize::MAX;

/// Bytes that no deflater makes shorter: a multiplicative generator's upper bits.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

fn compress(deflater: &mut Deflater, value: &[u8], level: u8) -> Fields {
    let pieces = deflater.deflate(value, level);
    let field = |index| {
        let (mut key, mut stream) = (Vec::new(), Vec::new());
        put_key(NAME, index, &mut key);
        pieces.put(index, &mut stream);
        assert_eq!(stream.len(), pieces.size(index));
        (key, stream)
    };
    (0..pieces.count()).map(field).collect()
}

fn decompress(inflater: &mut Inflater, fields: &Fields, limit: usize) -> Result<Vec<u8>, BoxError> {
    let view: Vec<_> = fields
        .iter()
        .map(|(key, value)| (&key[..], &value[..]))
        .collect();
    let chunks = Chunks::collect(view.into_iter(), NAME)?;
    inflater.inflate(&chunks, limit).map(<[u8]>::to_vec)
}

/// A zlib stream as any other program could have written it.
fn zlib(content: &[u8], level: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() * 2 + 64);
    let mut state = Compress::new(Compression::new(level), true);
    state
        .compress_vec(content, &mut out, FlushCompress::Finish)
        .unwrap();
    out
}

fn fields(pieces: &[(&str, &[u8])]) -> Fields {
    let field = |(key, stream): &(&str, &[u8])| (key.as_bytes().to_vec(), stream.to_vec());
    pieces.iter().map(field).collect()
}

#[test]
fn every_size_around_a_cut_comes_back_at_every_level() {
    const CUT: usize = 65_535;
    let sizes = [
        0,
        1,
        2,
        3,
        65_504,
        65_509,
        65_523,
        65_524,
        65_525,
        65_534,
        CUT,
        CUT + 1,
    ];
    let larger = [2 * CUT - 1, 2 * CUT, 2 * CUT + 1, 1 << 20];
    let (mut deflater, mut inflater) = (Deflater::default(), Inflater::default());
    for size in sizes.into_iter().chain(larger) {
        for (content, shrinks) in [(noise(size), false), (vec![b'x'; size], true)] {
            for level in 0..=9 {
                let streams = compress(&mut deflater, &content, level);
                assert!(streams.iter().all(|(_, stream)| stream.len() <= CUT));
                if shrinks && level > 0 {
                    assert_eq!(streams.len(), size.div_ceil(CUT).max(1), "stock's keys");
                }
                let back = decompress(&mut inflater, &streams, size);
                assert!(
                    back.as_deref() == Ok(&content[..]),
                    "{size} at level {level}"
                );
                if size > 0 {
                    let less = decompress(&mut inflater, &streams, size - 1);
                    assert_eq!(less, Err(BoxError::PayloadTooLarge(size - 1)));
                }
            }
        }
    }
}

#[test]
fn keys_are_numbered_as_stock_does() {
    let mut deflater = Deflater::default();
    let cases = [
        (0, 1),
        (65_535, 1),
        (65_536, 2),
        (131_070, 2),
        (131_071, 3),
        (1 << 20, 17),
    ];
    for (size, count) in cases {
        let keys: Vec<_> = compress(&mut deflater, &vec![0; size], 9)
            .into_iter()
            .map(|(key, _)| String::from_utf8(key).unwrap())
            .collect();
        let expected = (1..=count).map(|number| match number {
            1 => "packed_data".to_owned(),
            _ => format!("packed_data.{number}"),
        });
        assert_eq!(keys, expected.collect::<Vec<_>>());
    }
}

#[test]
fn nothing_is_one_stream_too() {
    let mut deflater = Deflater::default();
    assert_eq!(
        compress(&mut deflater, b"", 9)[0].1,
        b"x\xda\x03\0\0\0\0\x01"
    );
    assert_eq!(
        compress(&mut deflater, b"", 0)[0].1,
        b"x\x01\x01\0\0\xff\xff\0\0\0\x01"
    );
}

#[test]
fn what_grows_in_deflating_is_stored_instead() {
    let mut deflater = Deflater::default();
    let streams = compress(&mut deflater, &[noise(65_535), vec![0; 9]].concat(), 9);
    let sizes: Vec<_> = streams.iter().map(|(_, stream)| stream.len()).collect();
    assert_eq!(sizes[..2], [65_535, 11 + 11]);
    assert!(sizes[2] < 20, "the piece behind it is deflated as ever");
}

#[test]
fn other_programs_streams_are_read() {
    let text = b"a line of text, a line of text, a line of text";
    let empty = zlib(b"", 9);
    let cases: Vec<(Fields, Vec<u8>)> = vec![
        (fields(&[("packed_data", &zlib(text, 1))]), text.to_vec()),
        (fields(&[("packed_data", &zlib(text, 0))]), text.to_vec()),
        (
            fields(&[("packed_data", &empty), ("packed_data.2", &zlib(text, 6))]),
            text.to_vec(),
        ),
        // What follows a stream is ignored.
        (
            fields(&[("packed_data", &[zlib(text, 6), b"tail".to_vec()].concat())]),
            text.to_vec(),
        ),
        (
            fields(&[("packed_data", &[zlib(text, 0), b"tail".to_vec()].concat())]),
            text.to_vec(),
        ),
        // Of a repeated key the last value counts.
        (
            fields(&[("packed_data", b"bad"), ("packed_data", &zlib(text, 6))]),
            text.to_vec(),
        ),
        // Keys of other arguments.
        (
            fields(&[
                ("packed_data", &zlib(text, 6)),
                ("packed_data.", b""),
                ("packed_data.1", b""),
                ("packed_data.02", b""),
                ("packed_data.2x", b""),
                ("packed_data.+2", b""),
                ("packed_data2", b""),
                ("other.2", b""),
            ]),
            text.to_vec(),
        ),
    ];
    let mut inflater = Inflater::default();
    for (streams, expected) in cases {
        assert_eq!(
            decompress(&mut inflater, &streams, NO_LIMIT),
            Ok(expected),
            "{streams:?}"
        );
    }
}

#[test]
fn pieces_are_put_together_by_number() {
    let piece = |number: u8| {
        let mut key = Vec::new();
        put_key(NAME, usize::from(number), &mut key);
        (key, zlib(&[number], 6))
    };
    let mut streams: Fields = (0..12).map(piece).collect();
    streams.sort();
    assert_eq!(streams[1].0, b"packed_data.10");
    let together = decompress(&mut Inflater::default(), &streams, NO_LIMIT);
    assert_eq!(together, Ok((0..12).collect()));
}

#[test]
fn a_missing_piece_is_an_error() {
    let stream = zlib(b"x", 6);
    let cases: [&[(&str, &[u8])]; 6] = [
        &[],
        &[("other", &stream)],
        &[("packed_data.2", &stream)],
        &[("packed_data", &stream), ("packed_data.3", &stream)],
        &[
            ("packed_data", &stream),
            ("packed_data.99999999999999999999999", &stream),
        ],
        &[
            ("packed_data", &stream),
            ("packed_data.2", &stream),
            ("packed_data.4", &stream),
        ],
    ];
    for case in cases {
        let result = decompress(&mut Inflater::default(), &fields(case), NO_LIMIT);
        assert_eq!(result, Err(BoxError::MissingChunk), "{case:?}");
    }
}

#[test]
fn broken_streams_are_an_error_and_the_next_is_read() {
    let text = noise(3000);
    let (whole, stored) = (zlib(&text, 6), zlib(&text, 0));
    let mut cases: Vec<Vec<u8>> = vec![
        vec![],
        b"not zlib".to_vec(),
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0".to_vec(), // gzip
        b"x\xbb\x04\0\x01\x01K\x04\0\0b\0b".to_vec(),                   // preset dictionary
    ];
    for stream in [&whole, &stored] {
        cases.extend(
            (0..stream.len())
                .step_by(97)
                .map(|cut| stream[..cut].to_vec()),
        );
        let last = stream.len() - 1;
        cases.push(stream[..last].to_vec());
        let mut wrong_sum = stream.clone();
        wrong_sum[last] ^= 1;
        cases.push(wrong_sum);
    }
    let mut wrong_complement = stored.clone();
    wrong_complement[5] ^= 1;
    cases.push(wrong_complement);
    let mut inflater = Inflater::default();
    for case in cases {
        let broken = fields(&[("packed_data", &case)]);
        let result = decompress(&mut inflater, &broken, NO_LIMIT);
        assert_eq!(result, Err(BoxError::BadDeflate), "{case:?}");
        let good = fields(&[("packed_data", &whole)]);
        assert_eq!(
            decompress(&mut inflater, &good, NO_LIMIT).as_deref(),
            Ok(&text[..])
        );
    }
}

#[test]
fn a_bomb_stops_at_the_cap() {
    let bomb = zlib(&vec![0; 32 << 20], 9);
    let mut inflater = Inflater::default();
    let many = fields(&[("packed_data", &zlib(b"a", 6)), ("packed_data.2", &bomb)]);
    for limit in [0, 1, 1000, 16 << 20] {
        let result = decompress(&mut inflater, &many, limit);
        assert_eq!(result, Err(BoxError::PayloadTooLarge(limit)));
    }
}

#[test]
fn names_leave_room_for_the_longest_number() {
    let cases = [
        ("", 1, Some(BoxError::EmptyKey)),
        (&"n".repeat(255), 1, None),
        (&"n".repeat(256), 1, Some(BoxError::KeyTooLong(256))),
        (&"n".repeat(253), 9, None),
        (&"n".repeat(253), 10, Some(BoxError::KeyTooLong(256))),
    ];
    for (name, count, error) in cases {
        assert_eq!(check_name(name.as_bytes(), count).err(), error);
    }
}

proptest! {
    #[test]
    fn any_value_at_any_level_comes_back(
        head in vec(any::<u8>(), 0..300),
        repeats in 0..400_usize,
        noisy in 0..70_000_usize,
        level in 0..=9_u8,
        rotation in any::<prop::sample::Index>(),
    ) {
        let content = [head.repeat(repeats), noise(noisy)].concat();
        let mut streams = compress(&mut Deflater::default(), &content, level);
        let by = rotation.index(streams.len());
        streams.rotate_left(by);
        let back = decompress(&mut Inflater::default(), &streams, content.len());
        prop_assert!(back == Ok(content));
    }

    #[test]
    fn any_bytes_give_an_error_or_no_more_than_the_limit(
        stream in vec(any::<u8>(), 0..200), header in any::<bool>(), limit in 0..300_usize,
    ) {
        let stream = if header { [b"x\x01", &stream[..]].concat() } else { stream };
        let result = decompress(&mut Inflater::default(), &fields(&[("packed_data", &stream)]), limit);
        prop_assert!(result.is_ok_and(|value| value.len() <= limit) || result_is_named(&stream, limit));
    }
}

/// Whether the error is one of the two that streams can give.
fn result_is_named(stream: &[u8], limit: usize) -> bool {
    matches!(
        decompress(
            &mut Inflater::default(),
            &fields(&[("packed_data", stream)]),
            limit
        ),
        Err(BoxError::BadDeflate | BoxError::PayloadTooLarge(_))
    )
}
