//! Any bytes in any segmentation give the same boxes and the same error, and boxes written again
//! are read as the same. The first byte of the input is the size of the segments.
#![no_main]

use ampcodec::BoxError;
use ampcodec::boxes::{BoxWriter, Decoder, Limits};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

const LIMITS: Limits = Limits {
    keys: 8,
    bytes: 4096,
};

fn decode<'a>(segments: impl Iterator<Item = &'a [u8]>) -> (Vec<Fields>, Option<BoxError>, usize) {
    let mut decoder = Decoder::new(LIMITS);
    let mut boxes = Vec::new();
    for mut segment in segments {
        while let Ok(Some(raw)) = decoder.next_box(&mut segment) {
            assert!(raw.size() <= LIMITS.bytes && raw.len() <= LIMITS.keys);
            let owned = |(key, value): (&[u8], &[u8])| (key.to_vec(), value.to_vec());
            boxes.push(raw.fields().map(owned).collect());
        }
    }
    (boxes, decoder.error(), decoder.pending())
}

fn encode(fields: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut writer = BoxWriter::default();
    writer.clear();
    for (key, value) in fields.iter().rev() {
        writer.push(key, value).expect("it was read from a box");
    }
    writer.finish().to_vec()
}

fuzz_target!(|data: &[u8]| {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let whole = decode(std::iter::once(stream));
    assert_eq!(decode(stream.chunks(usize::from(*size).max(1))), whole);
    assert!(whole.2 <= LIMITS.bytes);
    for fields in whole.0 {
        let fields: BTreeMap<_, _> = fields.into_iter().collect();
        let (boxes, error, pending) = decode(std::iter::once(&encode(&fields)[..]));
        assert_eq!(boxes, [fields.into_iter().collect::<Fields>()]);
        assert_eq!((error, pending), (None, 0));
    }
});
