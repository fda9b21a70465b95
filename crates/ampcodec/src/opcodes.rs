//! What the scan does with each of pickle's opcodes: one table.
//!
//! Allowed are those that `CPython`'s picklers of protocols 2 to 5 write for plain types, and the few
//! that name classes and make objects. All others are refused, among them everything that only
//! protocols 0 and 1 write.

/// What lies on the unpickler's stack, as far as the scan needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number, bytes, None, a boolean, a tuple, a frozenset: nothing can be added to it later.
    Fixed,
    /// Text, which may be the name of a class.
    Text,
    List,
    Dict,
    Set,
    /// A class that was named and not imported.
    Class,
    /// What such a class was called for.
    Object,
}

impl Kind {
    /// Whether something can be added to it after it was made.
    pub fn grows(self) -> bool {
        matches!(self, Self::List | Self::Dict | Self::Set | Self::Object)
    }
}

/// How an opcode is checked; widths are bytes of the operand, or of the length before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Refuse,
    Proto,
    Frame,
    Stop,
    Mark,
    /// A value whose operand has this many bytes.
    Scalar(u8),
    Float,
    Long(u8),
    Text(u8),
    Bytes(u8),
    Empty(Kind),
    EmptyTuple,
    Tuple,
    TupleOf(u8),
    FrozenSet,
    Append,
    Appends,
    SetItem,
    SetItems,
    AddItems,
    Memoize,
    Put(u8),
    Get(u8),
    Global,
    StackGlobal,
    /// A call with this many arguments, each a container of arguments.
    Call(u8),
    Build,
}

/// The rule of each opcode.
pub static RULES: [Rule; 256] = rules();

const fn rules() -> [Rule; 256] {
    let mut rules = [Rule::Refuse; 256];
    let mut index = 0;
    while index < ALLOWED.len() {
        rules[ALLOWED[index].0 as usize] = ALLOWED[index].1;
        index += 1;
    }
    rules
}

const ALLOWED: [(u8, Rule); 45] = [
    (0x80, Rule::Proto),
    (0x95, Rule::Frame),
    (b'.', Rule::Stop),
    (b'(', Rule::Mark),
    (b'N', Rule::Scalar(0)),
    (0x88, Rule::Scalar(0)), // NEWTRUE
    (0x89, Rule::Scalar(0)), // NEWFALSE
    (b'K', Rule::Scalar(1)), // BININT1
    (b'M', Rule::Scalar(2)), // BININT2
    (b'J', Rule::Scalar(4)), // BININT
    (b'G', Rule::Float),     // BINFLOAT
    (0x8a, Rule::Long(1)),
    (0x8b, Rule::Long(4)),
    (0x8c, Rule::Text(1)),  // SHORT_BINUNICODE
    (b'X', Rule::Text(4)),  // BINUNICODE
    (0x8d, Rule::Text(8)),  // BINUNICODE8
    (b'C', Rule::Bytes(1)), // SHORT_BINBYTES
    (b'B', Rule::Bytes(4)), // BINBYTES
    (0x8e, Rule::Bytes(8)), // BINBYTES8
    (0x96, Rule::Bytes(8)), // BYTEARRAY8
    (b']', Rule::Empty(Kind::List)),
    (b'}', Rule::Empty(Kind::Dict)),
    (0x8f, Rule::Empty(Kind::Set)),
    (b')', Rule::EmptyTuple),
    (b't', Rule::Tuple),
    (0x85, Rule::TupleOf(1)),
    (0x86, Rule::TupleOf(2)),
    (0x87, Rule::TupleOf(3)),
    (0x91, Rule::FrozenSet),
    (b'a', Rule::Append),
    (b'e', Rule::Appends),
    (b's', Rule::SetItem),
    (b'u', Rule::SetItems),
    (0x90, Rule::AddItems),
    (0x94, Rule::Memoize),
    (b'q', Rule::Put(1)),
    (b'r', Rule::Put(4)),
    (b'h', Rule::Get(1)),
    (b'j', Rule::Get(4)),
    (b'c', Rule::Global),
    (0x93, Rule::StackGlobal),
    (b'R', Rule::Call(1)), // REDUCE
    (0x81, Rule::Call(1)), // NEWOBJ
    (0x92, Rule::Call(2)), // NEWOBJ_EX
    (b'b', Rule::Build),
];

/// The names of opcodes that are known and refused.
pub fn name(opcode: u8) -> Option<&'static str> {
    Some(match opcode {
        b'0' => "POP",
        b'1' => "POP_MARK",
        b'2' => "DUP",
        b'F' => "FLOAT",
        b'I' => "INT",
        b'L' => "LONG",
        b'P' => "PERSID",
        b'Q' => "BINPERSID",
        b'S' => "STRING",
        b'T' => "BINSTRING",
        b'U' => "SHORT_BINSTRING",
        b'V' => "UNICODE",
        b'd' => "DICT",
        b'g' => "GET",
        b'i' => "INST",
        b'l' => "LIST",
        b'o' => "OBJ",
        b'p' => "PUT",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return None,
    })
}
