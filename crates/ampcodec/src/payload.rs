//! The pickle scan: what a payload could do, before any unpickler sees it.
//!
//! One linear pass over the opcodes with a shadow of the unpickler's stack. It allows what `CPython`
//! writes for plain values, checks each length against the bytes left, each memo index against what
//! was memoised, and the depth of every container; so a `PLAIN` payload can neither import
//! anything nor take more memory than is in proportion to its bytes.

use std::ops::Range;

/// Containers nested deeper than this are refused.
pub const MAX_DEPTH: u8 = 100;
/// The longest integer, in bytes; longer ones make arithmetic slow.
pub const MAX_LONG: usize = 32;
/// How many classes a reason names.
const MAX_NAMES: usize = 8;
/// The longest name in a reason.
const MAX_NAME: usize = 100;

/// What may be done with a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Plain values only: any unpickler may read it.
    Plain,
    /// Classes occur, by these names: only an unpickler that imports nothing may read it.
    Objects(Vec<String>),
    /// No unpickler may read it, for this reason.
    Reject(&'static str),
}

/// Judge a pickle.
#[must_use]
pub fn scan(pickle: &[u8]) -> Verdict {
    let mut scanner = Scanner {
        bytes: pickle,
        ..Scanner::default()
    };
    match scanner.run() {
        Err(reason) => Verdict::Reject(reason),
        Ok(()) if scanner.objects => Verdict::Objects(scanner.names),
        // A container inside of itself has no depth. (With classes a normaliser deals with it.)
        Ok(()) if scanner.recursive => Verdict::Reject("Recursive"),
        Ok(()) => Verdict::Plain,
    }
}

type Step = Result<(), &'static str>;

const TRUNCATED: &str = "Truncated";
const BAD_STACK: &str = "BadStack";
const BAD_MEMO: &str = "BadMemo";
const TOO_DEEP: &str = "TooDeep";

/// A value on the shadow stack.
#[derive(Debug, Clone)]
enum Item {
    Scalar,
    Text(Range<usize>),
    Node(usize),
}

/// A container or an object: how deep it nests, and whether it is inside of another.
#[derive(Debug, Clone, Copy)]
struct Node {
    depth: u8,
    placed: bool,
}

#[derive(Debug, Default)]
struct Scanner<'a> {
    bytes: &'a [u8],
    position: usize,
    stack: Vec<Item>,
    marks: Vec<usize>,
    memo: Vec<Item>,
    nodes: Vec<Node>,
    names: Vec<String>,
    objects: bool,
    recursive: bool,
    ended: bool,
}

impl<'a> Scanner<'a> {
    fn run(&mut self) -> Step {
        while !self.ended {
            let opcode = self.take(1)?[0];
            self.step(opcode)?;
        }
        if self.position != self.bytes.len() {
            return Err("TrailingBytes");
        }
        if self.stack.len() == 1 && self.marks.is_empty() {
            Ok(())
        } else {
            Err(BAD_STACK)
        }
    }

    fn step(&mut self, opcode: u8) -> Step {
        match opcode {
            b'N' | 0x88 | 0x89 => self.push(Item::Scalar),
            b'K' => self.scalar(1),
            b'M' => self.scalar(2),
            b'J' => self.scalar(4),
            b'G' => self.scalar(8),
            0x8a | 0x8b => self.long(opcode),
            0x8c | b'X' | 0x8d => self.text(opcode),
            b'C' | b'B' | 0x8e | 0x96 => self.binary(opcode),
            b']' | b'}' | 0x8f | b')' => self.node(0),
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84)),
            b't' | 0x91 => self.tuple_to_mark(),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'a' => self.extend(1, false),
            b's' => self.extend(2, true),
            b'e' | 0x90 => self.extend_to_mark(false),
            b'u' => self.extend_to_mark(true),
            0x94 | b'q' | b'r' | b'h' | b'j' => self.memoise(opcode),
            0x80 | 0x95 => self.frame(opcode),
            b'.' => {
                self.ended = true;
                Ok(())
            }
            _ => self.object(opcode),
        }
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], &'static str> {
        let end = self.position.checked_add(size).ok_or(TRUNCATED)?;
        let taken = self.bytes.get(self.position..end).ok_or(TRUNCATED)?;
        self.position = end;
        Ok(taken)
    }

    /// A little-endian length of `size` bytes.
    fn length(&mut self, size: usize) -> Result<usize, &'static str> {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(self.take(size)?);
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| TRUNCATED)
    }

    #[allow(clippy::unnecessary_wraps)] // every step has one type
    fn push(&mut self, item: Item) -> Step {
        self.stack.push(item);
        Ok(())
    }

    fn pop(&mut self) -> Result<Item, &'static str> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(BAD_STACK);
        }
        self.stack.pop().ok_or(BAD_STACK)
    }

    fn scalar(&mut self, size: usize) -> Step {
        self.take(size)?;
        self.push(Item::Scalar)
    }

    fn long(&mut self, opcode: u8) -> Step {
        let size = self.length(if opcode == 0x8a { 1 } else { 4 })?;
        if size > MAX_LONG {
            return Err("LongTooLong");
        }
        self.scalar(size)
    }

    fn text(&mut self, opcode: u8) -> Step {
        let size = self.length(match opcode {
            0x8c => 1,
            b'X' => 4,
            _ => 8,
        })?;
        let start = self.position;
        self.take(size)?;
        self.push(Item::Text(start..self.position))
    }

    fn binary(&mut self, opcode: u8) -> Step {
        let size = self.length(match opcode {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        })?;
        self.scalar(size)
    }

    /// Push a new container whose contents nest `inside` deep.
    fn node(&mut self, inside: u8) -> Step {
        if inside >= MAX_DEPTH {
            return Err(TOO_DEEP);
        }
        self.nodes.push(Node {
            depth: inside + 1,
            placed: false,
        });
        self.push(Item::Node(self.nodes.len() - 1))
    }

    /// Note that a value is inside of another; returns how deep it nests.
    fn place(&mut self, item: &Item) -> u8 {
        let Item::Node(index) = item else { return 0 };
        let node = &mut self.nodes[*index];
        node.placed = true;
        node.depth
    }

    /// Take the values above `base` off the stack; returns how deep the deepest nests.
    fn place_above(&mut self, base: usize) -> u8 {
        let items = self.stack.split_off(base);
        items.iter().map(|item| self.place(item)).max().unwrap_or(0)
    }

    fn top(&self, size: usize) -> Result<usize, &'static str> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack
            .len()
            .checked_sub(size)
            .filter(|base| *base >= floor)
            .ok_or(BAD_STACK)
    }

    fn tuple(&mut self, size: usize) -> Step {
        let base = self.top(size)?;
        let inside = self.place_above(base);
        self.node(inside)
    }

    fn tuple_to_mark(&mut self) -> Step {
        let base = self.marks.pop().ok_or(BAD_STACK)?;
        let inside = self.place_above(base);
        self.node(inside)
    }

    fn extend(&mut self, size: usize, pairs: bool) -> Step {
        let base = self.top(size)?;
        self.extend_above(base, pairs)
    }

    fn extend_to_mark(&mut self, pairs: bool) -> Step {
        let base = self.marks.pop().ok_or(BAD_STACK)?;
        self.extend_above(base, pairs)
    }

    /// Put the values above `base` into the container below them.
    fn extend_above(&mut self, base: usize, pairs: bool) -> Step {
        if pairs && !(self.stack.len() - base).is_multiple_of(2) {
            return Err(BAD_STACK);
        }
        let inside = self.place_above(base);
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.get(floor..).and_then(<[Item]>::last) {
            Some(Item::Node(index)) => {
                let index = *index;
                self.deepen(index, inside)
            }
            _ => Err(BAD_STACK),
        }
    }

    fn deepen(&mut self, index: usize, inside: u8) -> Step {
        if inside >= MAX_DEPTH {
            return Err(TOO_DEEP);
        }
        let node = &mut self.nodes[index];
        // What contains it has been given its depth already.
        self.recursive |= node.placed;
        node.depth = node.depth.max(inside + 1);
        Ok(())
    }

    fn memoise(&mut self, opcode: u8) -> Step {
        let index = match opcode {
            0x94 => self.memo.len(),
            b'q' | b'h' => self.length(1)?,
            _ => self.length(4)?,
        };
        if opcode == b'h' || opcode == b'j' {
            let item = self.memo.get(index).cloned().ok_or(BAD_MEMO)?;
            return self.push(item);
        }
        self.top(1)?;
        let item = self.stack.last().cloned().ok_or(BAD_STACK)?;
        let known = self.memo.len();
        match self.memo.get_mut(index) {
            Some(slot) => *slot = item,
            None if index == known => self.memo.push(item),
            None => return Err(BAD_MEMO),
        }
        Ok(())
    }

    fn frame(&mut self, opcode: u8) -> Step {
        if opcode == 0x80 {
            return if self.take(1)?[0] <= 5 {
                Ok(())
            } else {
                Err("BadProtocol")
            };
        }
        let size = self.length(8)?;
        if size > self.bytes.len() - self.position {
            Err(TRUNCATED)
        } else {
            Ok(())
        }
    }

    /// The opcodes that classes need, which turn the verdict, and all that are never accepted.
    fn object(&mut self, opcode: u8) -> Step {
        match opcode {
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.class(module, name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (module, name) {
                    (Item::Text(module), Item::Text(name)) => self.class(module, name),
                    _ => Err("BadClass"),
                }
            }
            b'R' | 0x81 => self.tuple(2),
            0x92 => self.tuple(3),
            b'b' => self.extend(1, false),
            _ => Err("Forbidden"),
        }
    }

    fn line(&mut self) -> Result<Range<usize>, &'static str> {
        let start = self.position;
        let rest = &self.bytes[start..];
        let size = memchr::memchr(b'\n', rest).ok_or(TRUNCATED)?;
        self.position += size + 1;
        Ok(start..start + size)
    }

    fn class(&mut self, module: Range<usize>, name: Range<usize>) -> Step {
        self.objects = true;
        if self.names.len() < MAX_NAMES {
            let shown = |range: Range<usize>| {
                let end = range.end.min(range.start + MAX_NAME);
                String::from_utf8_lossy(&self.bytes[range.start..end]).into_owned()
            };
            let full = format!("{}.{}", shown(module), shown(name));
            if !self.names.contains(&full) {
                self.names.push(full);
            }
        }
        self.node(0)
    }
}
