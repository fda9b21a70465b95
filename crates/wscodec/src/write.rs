//! The way out: whole frames, unmasked as a server's are.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

/// Bytes of a frame around a payload of so many bytes.
#[must_use]
pub fn frame_size(payload: usize) -> usize {
    FrameHeader::default().len(payload as u64) + payload
}

/// Write a frame that is a whole message into `out`, which has its [`frame_size`].
///
/// That a control frame is short enough is the caller's care.
///
/// # Panics
///
/// Where `out` has another size.
pub fn write_frame(opcode: OpCode, payload: &[u8], out: &mut [u8]) {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    let length = payload.len() as u64;
    let (head, body) = out.split_at_mut(header.len(length));
    header
        .format(length, &mut &mut *head)
        .expect("a header is as long as it says");
    body.copy_from_slice(payload);
}
