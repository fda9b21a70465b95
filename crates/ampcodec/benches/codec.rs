//! What the codec costs without Python: boxes and whole messages each way, and the scan alone.

use ampcodec::boxes::{BoxWriter, Decoder, Limits};
use ampcodec::message::{Encoder, Header, Incoming, Router, Unpacker};
use ampcodec::payload::{Scanner, Verdict};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const SIZES: [usize; 3] = [60, 2048, 60_000];
const HEADER: Header<'_> = Header {
    command: b"MsgServer2Portal",
    key: b"packed_data",
    ask: Some(0x1a2b),
};
/// `(7, {"text": [["look at the old oak table"], {}]})`, as protocol 5 writes it.
const TEXT: &[u8] =
    b"\x80\x05\x95\x34\0\0\0\0\0\0\0K\x07}\x94\x8c\x04text\x94]\x94(]\x94\x8c\x19look \
    at the old oak table\x94a}\x94es\x86\x94.";

/// A payload of about so many bytes, with one long text in it.
fn payload(size: usize) -> Vec<u8> {
    let length = u32::try_from(size)
        .expect("a size from the table")
        .to_le_bytes();
    let head = b"\x80\x05K\x07}\x94\x8c\x04text\x94X";
    [
        head,
        &length[..],
        &b"an oak table ".repeat(size / 13 + 1)[..size],
        b"\x94s\x86\x94.",
    ]
    .concat()
}

fn write_boxes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("box written");
    for size in SIZES {
        let value = vec![b'x'; size];
        let mut writer = BoxWriter::default();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                writer.clear();
                for (key, value) in [(&b"_ask"[..], &b"1a2b"[..]), (b"packed_data", &value)] {
                    writer.push(key, value).expect("a box that can be written");
                }
                black_box(writer.finish().len())
            });
        });
    }
    group.finish();
}

fn messages(criterion: &mut Criterion) {
    for level in [0, 6] {
        let mut group = criterion.benchmark_group(format!("message, level {level}"));
        for size in SIZES {
            let payload = payload(size);
            let (mut encoder, mut wire) = (Encoder::default(), Vec::new());
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new("written", size), |bencher| {
                bencher.iter(|| {
                    wire.clear();
                    encoder.encode(&mut wire, &HEADER, &payload, level)
                });
            });
            let mut decoder = Decoder::new(Limits::NONE);
            let (mut router, mut unpacker) = (Router::default(), Unpacker::default());
            router.add(HEADER.command, HEADER.key).expect("a good name");
            group.bench_function(BenchmarkId::new("read", size), |bencher| {
                bencher.iter(|| {
                    let mut input = &wire[..];
                    let raw = decoder.next_box(&mut input).ok().flatten().expect("a box");
                    assert!(matches!(router.route(raw), Incoming::Packed(_)));
                    black_box(unpacker.unpack(raw, HEADER.key, size + 64).pickle.len())
                });
            });
        }
        group.finish();
    }
}

fn scans(criterion: &mut Criterion) {
    let batch = b"\x8c\x05hello\x94K\x01".repeat(500);
    let dict = [b"\x80\x05}\x94(", &batch[..], b"u."].concat();
    let mut scanner = Scanner::default();
    let mut group = criterion.benchmark_group("scan");
    for (name, pickle) in [("text", TEXT), ("dict of 500", &dict)] {
        assert_eq!(scanner.scan(pickle), Verdict::Plain);
        group.throughput(Throughput::Bytes(pickle.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| scanner.scan(black_box(pickle)));
        });
    }
    group.finish();
}

criterion_group!(benches, write_boxes, messages, scans);
criterion_main!(benches);
