//! The header of a frame: kept while it is cut, and checked for all that it says by itself.

use crate::failure::Failure;
use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

/// Bytes that a ping, pong or close may have (RFC 6455, section 5.5).
pub const MAX_CONTROL: usize = 125;

/// Two bytes, eight of a length, four of a mask.
const MAX_HEADER: usize = 14;

/// A header that keeps the rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) opcode: OpCode,
    pub(crate) is_final: bool,
    pub(crate) mask: [u8; 4],
    pub(crate) length: u64,
}

/// The bytes of a header that has not come whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    bytes: [u8; MAX_HEADER],
    length: u8,
}

impl Head {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The first bytes of a header; None where they are a whole or a wrong one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut head = Self::default();
        let (header, _) = head.read(bytes).ok()?;
        (header.is_none() && head.as_bytes() == bytes).then_some(head)
    }

    /// Read the rest of a header, and keep it if it is still not whole; returns what is behind it.
    pub(crate) fn read<'a>(
        &mut self,
        data: &'a [u8],
    ) -> Result<(Option<Header>, &'a [u8]), Failure> {
        let known = usize::from(self.length);
        if known == 0
            && let Some((header, size)) = parse(data)?
        {
            return Ok((Some(header), &data[size..]));
        }
        let fresh = data.len().min(MAX_HEADER - known);
        self.bytes[known..known + fresh].copy_from_slice(&data[..fresh]);
        let parsed = parse(&self.bytes[..known + fresh])?;
        let Some((header, size)) = parsed else {
            // It fits: fourteen bytes are always a whole header.
            self.length = u8::try_from(known + fresh).unwrap_or_default();
            return Ok((None, &data[fresh..]));
        };
        self.length = 0;
        Ok((Some(header), &data[size - known..]))
    }
}

/// The header at the beginning of `data`, and its size; None where it is cut.
fn parse(data: &[u8]) -> Result<Option<(Header, usize)>, Failure> {
    let mut cursor = Cursor::new(data);
    // Bytes in memory can be read: an opcode is all that this may find wrong.
    let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Failure::ReservedOpcode)?;
    let Some((header, length)) = parsed else {
        return Ok(None);
    };
    let size = header.len(length);
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(Failure::ReservedBits);
    }
    let mask = header.mask.ok_or(Failure::Unmasked)?;
    if cursor.position() != size as u64 {
        return Err(Failure::LengthNotMinimal);
    }
    if matches!(header.opcode, OpCode::Control(_)) {
        if !header.is_final {
            return Err(Failure::FragmentedControl);
        }
        if length > MAX_CONTROL as u64 {
            return Err(Failure::ControlTooLong);
        }
    }
    let header = Header {
        opcode: header.opcode,
        is_final: header.is_final,
        mask,
        length,
    };
    Ok(Some((header, size)))
}
