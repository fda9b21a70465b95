//! Pickles of plain values, opcode by opcode: for one who builds or walks the values.
//!
//! [`Parts`] reads those opcodes that messages are made of, and leaves all others to an unpickler.
//! It judges nothing: it is for payloads that the scan of [`crate::payload`] calls PLAIN. [`put`]
//! is the other way. The layout is that of `CPython`'s `pickletools`.

/// One step of building a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part<'a> {
    /// A value that has nothing in it.
    Leaf(Leaf<'a>),
    /// An empty list.
    List,
    /// An empty dict.
    Dict,
    /// The values that follow belong together.
    Mark,
    /// A tuple of the last values, so many.
    TupleOf(usize),
    /// A tuple of all values after the mark.
    Tuple,
    /// The last value goes into the list before it.
    Append,
    /// All values after the mark go into the list before it.
    Appends,
    /// The last two values go into the dict before them.
    SetItem,
    /// All values after the mark go into the dict before it, in pairs.
    SetItems,
    /// The last value is known by the next number.
    Memoize,
    /// The last value is known by this number.
    Put(usize),
    /// The value that is known by this number.
    Get(usize),
    /// The one value that is there is the whole.
    Stop,
}

/// A value that has nothing in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leaf<'a> {
    /// None.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer; larger ones are left to others.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text in UTF-8, as the pickle has it: nothing here looks into it.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// Reads one part after the other.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    /// The parts of a pickle.
    #[must_use]
    pub fn new(pickle: &'a [u8]) -> Self {
        Self { rest: pickle }
    }

    /// The next part; `None` for what is not read here, and where nothing more is there.
    #[inline]
    pub fn read(&mut self) -> Option<Part<'a>> {
        loop {
            let opcode = self.take(1)?[0];
            return Some(match opcode {
                0x80 => {
                    self.take(1)?;
                    continue;
                }
                // The scan has seen that frames and opcodes end together.
                0x95 => {
                    self.take(8)?;
                    continue;
                }
                b']' => Part::List,
                b'}' => Part::Dict,
                b'(' => Part::Mark,
                b')' => Part::TupleOf(0),
                0x85..=0x87 => Part::TupleOf(usize::from(opcode - 0x84)),
                b't' => Part::Tuple,
                b'a' => Part::Append,
                b'e' => Part::Appends,
                b's' => Part::SetItem,
                b'u' => Part::SetItems,
                0x94 => Part::Memoize,
                b'q' => Part::Put(self.number(1)?),
                b'r' => Part::Put(self.number(4)?),
                b'h' => Part::Get(self.number(1)?),
                b'j' => Part::Get(self.number(4)?),
                b'.' => Part::Stop,
                _ => Part::Leaf(self.leaf(opcode)?),
            });
        }
    }

    /// The next part that is not about the memo.
    fn read_value(&mut self) -> Option<Part<'a>> {
        loop {
            match self.read()? {
                Part::Memoize | Part::Put(_) => {}
                part => return Some(part),
            }
        }
    }

    /// Read these parts; `None` when others come.
    fn expect(&mut self, parts: &[Part<'_>]) -> Option<()> {
        parts
            .iter()
            .all(|part| self.read_value().as_ref() == Some(part))
            .then_some(())
    }

    fn leaf(&mut self, opcode: u8) -> Option<Leaf<'a>> {
        Some(match opcode {
            b'N' => Leaf::None,
            0x88 => Leaf::Bool(true),
            0x89 => Leaf::Bool(false),
            b'K' => Leaf::Int(self.take(1)?[0].into()),
            b'M' => Leaf::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Leaf::Int(i32::from_le_bytes(self.array()?).into()),
            0x8a => Leaf::Int(self.long()?),
            b'G' => Leaf::Float(f64::from_be_bytes(self.array()?)),
            0x8c => Leaf::Text(self.counted(1)?),
            b'X' => Leaf::Text(self.counted(4)?),
            0x8d => Leaf::Text(self.counted(8)?),
            b'C' => Leaf::Bytes(self.counted(1)?),
            b'B' => Leaf::Bytes(self.counted(4)?),
            0x8e => Leaf::Bytes(self.counted(8)?),
            _ => return None,
        })
    }

    /// A little-endian integer in two's complement, of as many bytes as it takes.
    fn long(&mut self) -> Option<i64> {
        let bytes = self.counted(1)?;
        let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(i64::from_le_bytes(whole))
    }

    fn counted(&mut self, width: usize) -> Option<&'a [u8]> {
        let size = self.number(width)?;
        self.take(size)
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        let mut whole = [0; 8];
        whole[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(whole)).ok()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(size)?;
        self.rest = rest;
        Some(taken)
    }
}

/// What the pickle of [`plain_text`] has around its text, after the number and but for the memo.
const BEFORE_TEXT: [Part<'_>; 5] = [
    Part::Dict,
    Part::Leaf(Leaf::Text(b"text")),
    Part::List,
    Part::Mark,
    Part::List,
];
const AFTER_TEXT: [Part<'_>; 9] = [
    Part::Append,
    Part::Dict,
    Part::Leaf(Leaf::Text(b"options")),
    Part::Dict,
    Part::SetItem,
    Part::Appends,
    Part::SetItem,
    Part::TupleOf(2),
    Part::Stop,
];

/// The number and the text of a message that is a text and nothing else:
/// `(number, {"text": [[text], {"options": {}}]})`, as every pickler writes it.
///
/// `None` for all others, and where values come out of the memo.
#[must_use]
pub fn plain_text(pickle: &[u8]) -> Option<(i64, &[u8])> {
    let mut parts = Parts::new(pickle);
    let Part::Leaf(Leaf::Int(number)) = parts.read_value()? else {
        return None;
    };
    parts.expect(&BEFORE_TEXT)?;
    let Part::Leaf(Leaf::Text(text)) = parts.read_value()? else {
        return None;
    };
    parts.expect(&AFTER_TEXT)?;
    Some((number, text))
}

/// What stands before a value's first opcode: protocol 5.
pub const HEADER: [u8; 2] = [0x80, 5];

/// Append what stands behind the number of the message that [`plain_text`] finds, to its end.
///
/// # Panics
///
/// For a text of 4 GiB and more.
pub fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    for part in BEFORE_TEXT {
        put(out, part);
    }
    put_leaf(out, Leaf::Text(text));
    for part in AFTER_TEXT {
        put(out, part);
    }
}

/// Append the opcode of one part, as protocol 5 writes it.
///
/// Text and bytes of 4 GiB and more have no place in a message.
///
/// # Panics
///
/// For those, and for a tuple of more than three of the last values.
#[inline]
pub fn put(out: &mut Vec<u8>, part: Part<'_>) {
    let opcode = match part {
        Part::Leaf(leaf) => return put_leaf(out, leaf),
        Part::TupleOf(0) => b')',
        Part::TupleOf(1) => 0x85,
        Part::TupleOf(2) => 0x86,
        Part::TupleOf(3) => 0x87,
        Part::TupleOf(_) => panic!("a tuple of more than three is marked"),
        Part::Put(number) => return put_number(out, *b"qr", number),
        Part::Get(number) => return put_number(out, *b"hj", number),
        Part::List => b']',
        Part::Dict => b'}',
        Part::Mark => b'(',
        Part::Tuple => b't',
        Part::Append => b'a',
        Part::Appends => b'e',
        Part::SetItem => b's',
        Part::SetItems => b'u',
        Part::Memoize => 0x94,
        Part::Stop => b'.',
    };
    out.push(opcode);
}

fn put_leaf(out: &mut Vec<u8>, leaf: Leaf<'_>) {
    match leaf {
        Leaf::None => out.push(b'N'),
        Leaf::Bool(true) => out.push(0x88),
        Leaf::Bool(false) => out.push(0x89),
        Leaf::Int(number) => put_int(out, number),
        Leaf::Float(number) => {
            out.push(b'G');
            out.extend_from_slice(&number.to_be_bytes());
        }
        Leaf::Text(text) => {
            put_number(out, [0x8c, b'X'], text.len());
            out.extend_from_slice(text);
        }
        Leaf::Bytes(bytes) => {
            put_number(out, *b"CB", bytes.len());
            out.extend_from_slice(bytes);
        }
    }
}

fn put_int(out: &mut Vec<u8>, number: i64) {
    if let Ok(small) = u8::try_from(number) {
        out.extend_from_slice(&[b'K', small]);
    } else if let Ok(small) = u16::try_from(number) {
        out.push(b'M');
        out.extend_from_slice(&small.to_le_bytes());
    } else if let Ok(small) = i32::try_from(number) {
        out.push(b'J');
        out.extend_from_slice(&small.to_le_bytes());
    } else {
        out.extend_from_slice(&[0x8a, 8]);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// A number of one byte or of four, each with its opcode.
fn put_number(out: &mut Vec<u8>, opcodes: [u8; 2], number: usize) {
    if let Ok(small) = u8::try_from(number) {
        out.extend_from_slice(&[opcodes[0], small]);
    } else {
        let number = u32::try_from(number).expect("a message is shorter than 4 GiB");
        out.push(opcodes[1]);
        out.extend_from_slice(&number.to_le_bytes());
    }
}
