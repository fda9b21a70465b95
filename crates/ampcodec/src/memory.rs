//! What the values of a pickle will take in memory, estimated before they are made.

use crate::shadow::{Checked, Refusal};

/// Memory that every payload may take, in bytes.
const FREE: usize = 64 << 20;
/// Memory for each byte of pickle: sync data, which is dense, takes 8 to 13.
const FOR_EACH_BYTE: usize = 16;

// What values take in `CPython`, in bytes, with the places on stacks and in tables that hold them.
pub const SCALAR: usize = 48;
pub const TEXT: usize = 72;
pub const LIST: usize = 88;
pub const DICT: usize = 96;
pub const SET: usize = 248;
pub const TUPLE: usize = 72;
pub const CLASS: usize = 1200;
pub const OBJECT: usize = 256;
/// A place on a stack and in a container.
pub const REFERENCE: usize = 16;
/// A key and a value in a dict's table, which has empty places too.
pub const PAIR: usize = 64;
/// An element in a set's table.
pub const MEMBER: usize = 64;

/// Bytes of memory that a result may still take.
#[derive(Debug)]
pub struct Budget {
    left: usize,
}

impl Budget {
    /// The budget of a pickle of `size` bytes.
    pub fn of(size: usize) -> Self {
        Self {
            left: size.saturating_mul(FOR_EACH_BYTE).saturating_add(FREE),
        }
    }

    /// Spend `size` bytes.
    pub fn charge(&mut self, size: usize) -> Checked<()> {
        let left = self.left.checked_sub(size);
        self.left = left.ok_or(Refusal::Broken("takes too much memory"))?;
        Ok(())
    }
}
