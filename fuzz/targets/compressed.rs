//! A stream is read as a plain inflater reads it, never beyond the limit; and any value comes back
//! from its pieces at any level. The first byte of the input says which of the two, and the level.
#![no_main]

use ampcodec::BoxError;
use ampcodec::boxes::MAX_VALUE;
use ampcodec::compressed::{Chunks, Deflater, Inflater, put_key};
use flate2::{Decompress, FlushDecompress, Status};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 16;
const NAME: &[u8] = b"n";

/// The content of a stream that ends within the limit, by the library alone.
fn inflate(stream: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(LIMIT + 1);
    let mut state = Decompress::new(true);
    let status = state.decompress_vec(stream, &mut content, FlushDecompress::Finish);
    let ended = matches!(status, Ok(Status::StreamEnd)) && content.len() <= LIMIT;
    ended.then_some(content)
}

fn read_streams(data: &[u8]) {
    let mut inflater = Inflater::default();
    let at = data.len() / 3;
    for pieces in [vec![data], vec![&data[..at], &data[at..]]] {
        let keys = [&b"n"[..], b"n.2"];
        let fields: Vec<_> = keys.into_iter().zip(pieces.iter().copied()).collect();
        let chunks = Chunks::collect(fields.into_iter(), NAME).expect("none is missing");
        let expected = pieces
            .iter()
            .map(|piece| inflate(piece))
            .collect::<Option<Vec<_>>>();
        match inflater.inflate(&chunks, LIMIT) {
            Ok(value) => {
                assert!(value.len() <= LIMIT);
                assert_eq!(
                    Some(value),
                    expected.map(|values| values.concat()).as_deref()
                );
            }
            Err(BoxError::PayloadTooLarge(LIMIT)) => {}
            Err(error) => {
                assert_eq!(error, BoxError::BadDeflate);
                assert_eq!(expected, None);
            }
        }
    }
}

fn write_value(data: &[u8], level: u8) {
    // Often short, and sometimes long enough for two pieces: the first byte says how long.
    let repeats = data.first().map_or(1, |byte| 1 << (byte / 16));
    let value = data.repeat(repeats.min(70_000 / data.len().max(1) + 1));
    let mut deflater = Deflater::default();
    let pieces = deflater.deflate(&value, level);
    let mut fields = Vec::new();
    for index in (0..pieces.count()).rev() {
        let (mut key, mut stream) = (Vec::new(), Vec::new());
        put_key(NAME, index, &mut key);
        pieces.put(index, &mut stream);
        assert!(stream.len() <= MAX_VALUE && stream.len() == pieces.size(index));
        fields.push((key, stream));
    }
    let view: Vec<_> = fields
        .iter()
        .map(|(key, stream)| (&key[..], &stream[..]))
        .collect();
    let chunks = Chunks::collect(view.into_iter(), NAME).expect("all are there");
    assert!(Inflater::default().inflate(&chunks, value.len()) == Ok(&value[..]));
}

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((&choice @ 0..10, value)) => write_value(value, choice),
        Some((_, streams)) => read_streams(streams),
        None => {}
    }
});
