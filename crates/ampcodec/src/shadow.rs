//! The shadow of an unpickler's stack, marks and memo: kinds and depths instead of values.

use crate::opcodes::{Kind, name};
use std::fmt;

/// Containers inside of each other, and objects, whose arguments count as one more.
pub const MAX_DEPTH: u8 = 100;
/// Values that wait on the stack, and marks. Picklers write batches of 1000; only tuples and
/// frozensets are written in one piece.
const MAX_STACK: usize = 1 << 20;
/// In place of an index: none.
const NONE: u32 = u32::MAX;

/// Why a pickle is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This opcode is not allowed.
    Opcode(u8),
    /// A rule is broken that has this name.
    Broken(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Broken(rule) => f.write_str(rule),
            Self::Opcode(opcode) => match name(opcode) {
                Some(name) => write!(f, "opcode {name}"),
                None => write!(f, "opcode {opcode:#04x}"),
            },
        }
    }
}

pub type Checked<T> = Result<T, Refusal>;

const UNDERFLOW: Refusal = Refusal::Broken("stack underflow");
const OVERFLOW: Refusal = Refusal::Broken("stack too large");
const TOO_DEEP: Refusal = Refusal::Broken("nested too deep");

/// What is known of one value.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Where its opcode stands; of use for text.
    pub at: u32,
    /// Under which index it was memoized while it lay in this place.
    memo: u32,
    /// Containers from it to the innermost value in it; 0 for what is no container.
    pub depth: u8,
    pub kind: Kind,
    /// The sender could make many of its like with one hash.
    pub forgeable: bool,
    /// It came out of the memo: the value itself was made elsewhere.
    reference: bool,
    /// It came out of the memo too, to a place above this one.
    referenced: bool,
}

impl Item {
    pub fn new(kind: Kind, depth: u8) -> Self {
        Self {
            at: NONE,
            memo: NONE,
            depth,
            kind,
            forgeable: false,
            reference: false,
            referenced: false,
        }
    }

    pub fn forgeable(mut self, forgeable: bool) -> Self {
        self.forgeable = forgeable;
        self
    }
}

/// A memoized value.
#[derive(Clone, Copy, Debug)]
struct Memo {
    at: u32,
    /// Its place on the stack while it may still be filled there.
    place: u32,
    depth: u8,
    kind: Kind,
    forgeable: bool,
}

/// Values that one opcode took from the stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct Group {
    pub count: usize,
    /// The depth of the deepest of them.
    pub depth: u8,
    /// How many have hashes that can be forged.
    pub forgeable: u32,
    /// The same, of the first, third, fifth ...: the keys of a dict.
    pub forgeable_keys: u32,
}

impl Group {
    fn add(&mut self, item: Item) {
        self.depth = self.depth.max(item.depth);
        self.forgeable += u32::from(item.forgeable);
        self.forgeable_keys += u32::from(item.forgeable && self.count.is_multiple_of(2));
        self.count += 1;
    }

    /// The depth of a container around them.
    pub fn around(&self) -> Checked<u8> {
        if self.depth < MAX_DEPTH {
            Ok(self.depth + 1)
        } else {
            Err(TOO_DEEP)
        }
    }
}

/// Stack, marks and memo; used again for the next pickle.
#[derive(Debug, Default)]
pub struct Shadow {
    stack: Vec<Item>,
    marks: Vec<u32>,
    memo: Vec<Memo>,
    /// Nothing below this place can be taken: it lies under the last mark.
    floor: usize,
    /// Whether a memoized value was pushed again.
    pub recalled: bool,
}

impl Shadow {
    /// Forget everything, and give back what an unusually large pickle took.
    pub fn clear(&mut self) {
        const KEPT: usize = 1 << 14;
        self.stack.clear();
        self.stack.shrink_to(KEPT);
        self.marks.clear();
        self.marks.shrink_to(KEPT);
        self.memo.clear();
        self.memo.shrink_to(KEPT);
        self.floor = 0;
        self.recalled = false;
    }

    /// Whether there is one value and nothing else.
    pub fn is_single(&self) -> bool {
        self.stack.len() == 1 && self.marks.is_empty()
    }

    pub fn push(&mut self, item: Item) -> Checked<()> {
        if self.stack.len() >= MAX_STACK {
            return Err(OVERFLOW);
        }
        self.stack.push(item);
        Ok(())
    }

    pub fn mark(&mut self) -> Checked<()> {
        if self.marks.len() >= MAX_STACK {
            return Err(OVERFLOW);
        }
        self.floor = self.stack.len();
        self.marks.push(index(self.floor));
        Ok(())
    }

    /// Take the value on top.
    pub fn pop(&mut self) -> Checked<Item> {
        if self.stack.len() <= self.floor {
            return Err(UNDERFLOW);
        }
        let item = self.stack.pop().ok_or(UNDERFLOW)?;
        self.settle(item, self.stack.len());
        Ok(item)
    }

    /// Take as many values as said.
    pub fn pop_group(&mut self, count: usize) -> Checked<Group> {
        if self.stack.len() < self.floor + count {
            return Err(UNDERFLOW);
        }
        Ok(self.take(self.stack.len() - count))
    }

    /// Take all values above the last mark, and the mark.
    pub fn pop_marked(&mut self) -> Checked<Group> {
        self.marks.pop().ok_or(UNDERFLOW)?;
        let start = std::mem::replace(
            &mut self.floor,
            self.marks.last().map_or(0, |at| *at as usize),
        );
        Ok(self.take(start))
    }

    fn take(&mut self, start: usize) -> Group {
        let mut group = Group::default();
        for place in start..self.stack.len() {
            let item = self.stack[place];
            self.settle(item, place);
            group.add(item);
        }
        self.stack.truncate(start);
        group
    }

    /// Put a group into the container on top of the stack, which must be of this kind or an object.
    ///
    /// Tells whether the container is now inside of itself: a reference to it lay above it, and all
    /// that lay there is in the group.
    pub fn fill(&mut self, kind: Kind, group: &Group) -> Checked<bool> {
        let depth = group.around()?;
        if self.stack.len() <= self.floor {
            return Err(UNDERFLOW);
        }
        let target = self.stack.last_mut().ok_or(UNDERFLOW)?;
        if target.kind != kind && target.kind != Kind::Object {
            return Err(Refusal::Broken("filled as what it is not"));
        }
        if target.reference {
            return Err(Refusal::Broken("filled after it was made"));
        }
        target.depth = target.depth.max(depth);
        Ok(target.referenced)
    }

    /// Memoize the value on top under the next index, or again under a known one.
    pub fn put(&mut self, number: usize) -> Checked<()> {
        if number > self.memo.len() {
            return Err(Refusal::Broken("memo index"));
        }
        if self.stack.len() <= self.floor {
            return Err(UNDERFLOW);
        }
        let place = index(self.stack.len() - 1);
        let item = self.stack.last_mut().ok_or(UNDERFLOW)?;
        item.memo = index(number);
        let Item {
            at,
            depth,
            kind,
            forgeable,
            ..
        } = *item;
        let memo = Memo {
            at,
            place,
            depth,
            kind,
            forgeable,
        };
        if number == self.memo.len() {
            self.memo.push(memo);
        } else {
            self.memo[number] = memo;
        }
        Ok(())
    }

    pub fn memoize(&mut self) -> Checked<()> {
        self.put(self.memo.len())
    }

    /// Push a value that was memoized; tells whether its final depth cannot be known.
    pub fn get(&mut self, number: usize) -> Checked<bool> {
        let memo = *self.memo.get(number).ok_or(Refusal::Broken("memo index"))?;
        let (mut depth, mut unknown) = (memo.depth, false);
        if memo.place != NONE && memo.kind.grows() {
            match self.stack.get_mut(memo.place as usize) {
                Some(item) if item.memo == index(number) => {
                    item.referenced = true;
                    depth = item.depth; // it may have been filled since it was memoized
                }
                _ => unknown = true, // memoized twice in one place: only the last index is kept
            }
        }
        let mut item = Item::new(memo.kind, depth).forgeable(memo.forgeable);
        item.at = memo.at;
        item.reference = true;
        self.recalled = true;
        self.push(item)?;
        Ok(unknown)
    }

    /// Write down the final depth of a value that leaves the place where it could be filled.
    fn settle(&mut self, item: Item, place: usize) {
        if item.memo == NONE || !item.kind.grows() {
            return;
        }
        let memo = &mut self.memo[item.memo as usize];
        if memo.place == index(place) {
            memo.place = NONE;
            memo.depth = item.depth;
        }
    }
}

/// Places and numbers fit: a payload's length does, and each takes a byte of it.
#[allow(clippy::cast_possible_truncation)]
fn index(number: usize) -> u32 {
    number as u32
}
