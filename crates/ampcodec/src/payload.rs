//! The scan of a pickle: what may read it, decided without reading it.
//!
//! One pass over the opcodes with a shadow of the unpickler's stack and memo. The verdict is PLAIN
//! when the bytes hold plain types only, so that C's unpickler cannot import or call anything;
//! OBJECTS when classes are named too, for an unpickler that knows only stand-ins; REJECT when no
//! unpickler should see them. For the first two it holds that
//!
//! - every length fits into what is left, and STOP is the last byte;
//! - every frame ends where an opcode does, and holds no other frame (`CPython`'s unpickler of files
//!   drops the rest of a frame that an operand reaches over: it would see other opcodes than these);
//! - no memo index lies beyond what was memoized (nine bytes with a far index make `CPython`'s
//!   unpickler take 1 GB), and no integer has more than 32 bytes;
//! - containers nest at most 100 deep. Depth is kept with every value on the shadow stack and in
//!   the shadow memo, for the opcodes build from the inside out: a million TUPLE1 in a row need no
//!   MARK. A container is filled only where it was made, as every pickler does; so one that lies in
//!   another has its final depth. If a reference to it was taken before and it is filled after, it
//!   lies in itself, and the verdict is OBJECTS: the reader of those bounds its own recursion;
//! - the memory that the result takes is bounded (two bytes of pickle can make an empty dict of 64),
//!   as are dict keys whose hashes the sender could have made collide.

use crate::class_names::ClassNames;
use crate::memory::{self, Budget};
use crate::opcodes::{Kind, RULES, Rule};
use crate::shadow::{Checked, Group, Item, Refusal, Shadow};

/// The most bytes of an integer. Larger ones cost quadratic time to print.
const MAX_LONG: usize = 32;
/// Hashes of text and bytes are keyed; those of floats, large integers and frozensets are not, and
/// each insertion may then cost as much as all before it. Plain messages have few such keys.
const MAX_FORGEABLE_KEYS: u32 = 1024;

/// What may be done with a pickle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Plain types only: C's unpickler may read it.
    Plain,
    /// Classes as well, here by their names: for an unpickler of stand-ins.
    Objects(String),
    /// Not to be unpickled, for this reason.
    Reject(String),
}

const TRUNCATED: Refusal = Refusal::Broken("longer than what is there");
const NO_CLASS: Refusal = Refusal::Broken("no class name");

/// Judges pickles; its shadow stack is used again for the next.
#[derive(Debug, Default)]
pub struct Scanner {
    shadow: Shadow,
}

impl Scanner {
    /// Judge one pickle, in time linear in its bytes.
    pub fn scan(&mut self, data: &[u8]) -> Verdict {
        self.shadow.clear();
        let mut scan = Scan {
            data,
            at: 0,
            end: data.len(),
            framed: false,
            shadow: &mut self.shadow,
            memory: Budget::of(data.len()),
            forgeable_keys: 0,
            classes: ClassNames::default(),
            cyclic: false,
        };
        match scan.run() {
            Err(refusal) => Verdict::Reject(refusal.to_string()),
            Ok(()) if !scan.classes.is_empty() => Verdict::Objects(scan.classes.to_string()),
            Ok(()) if scan.cyclic => Verdict::Objects("a container in itself".to_owned()),
            Ok(()) => Verdict::Plain,
        }
    }

    /// Whether the pickle that was judged last takes values out of the memo.
    #[must_use]
    pub fn recalls(&self) -> bool {
        self.shadow.recalled
    }
}

struct Scan<'a> {
    data: &'a [u8],
    at: usize,
    /// Where the frame ends that is being read, or all of it.
    end: usize,
    framed: bool,
    shadow: &'a mut Shadow,
    memory: Budget,
    forgeable_keys: u32,
    classes: ClassNames,
    cyclic: bool,
}

impl<'a> Scan<'a> {
    fn run(&mut self) -> Checked<()> {
        if u32::try_from(self.data.len()).is_err() {
            return Err(Refusal::Broken("longer than 4 GiB"));
        }
        loop {
            let start = self.at;
            if start == self.end {
                self.leave_frame()?;
            }
            let opcode = self.data[start];
            self.at += 1;
            match RULES[usize::from(opcode)] {
                Rule::Stop => return self.stop(),
                Rule::Refuse => return Err(Refusal::Opcode(opcode)),
                rule => self.step(rule, start)?,
            }
        }
    }

    fn step(&mut self, rule: Rule, start: usize) -> Checked<()> {
        match rule {
            Rule::Scalar(width) => self.scalar(usize::from(width), false),
            Rule::Float => self.scalar(8, true),
            Rule::Long(width) => self.long(width),
            Rule::Text(width) => self.text(width, start),
            Rule::Bytes(width) => self.bytes(width),
            Rule::Memoize => {
                self.memory.charge(memory::REFERENCE)?;
                self.shadow.memoize()
            }
            Rule::Get(width) => self.get(width),
            Rule::Put(width) => self.put(width),
            Rule::Mark => {
                self.memory.charge(memory::REFERENCE)?;
                self.shadow.mark()
            }
            Rule::Empty(kind) => self.empty(kind),
            Rule::EmptyTuple => self.push(Item::new(Kind::Fixed, 1), memory::REFERENCE),
            Rule::TupleOf(count) => {
                let group = self.shadow.pop_group(usize::from(count))?;
                self.tuple(&group)
            }
            Rule::Frame => self.enter_frame(),
            Rule::Proto => self.proto(start),
            rule => self.step_over_values(rule),
        }
    }

    /// The opcodes that take values from the stack.
    fn step_over_values(&mut self, rule: Rule) -> Checked<()> {
        match rule {
            Rule::Append | Rule::SetItem => {
                let (kind, count) = if rule == Rule::Append {
                    (Kind::List, 1)
                } else {
                    (Kind::Dict, 2)
                };
                let group = self.shadow.pop_group(count)?;
                self.fill(kind, &group)
            }
            Rule::Appends => self.fill_marked(Kind::List),
            Rule::SetItems => self.fill_marked(Kind::Dict),
            Rule::AddItems => self.fill_marked(Kind::Set),
            Rule::Tuple => {
                let group = self.shadow.pop_marked()?;
                self.tuple(&group)
            }
            Rule::FrozenSet => {
                let group = self.shadow.pop_marked()?;
                self.add_members(&group)?;
                let item = Item::new(Kind::Fixed, group.around()?).forgeable(true);
                self.push(item, memory::SET)
            }
            Rule::Global => self.global(),
            Rule::StackGlobal => self.stack_global(),
            Rule::Call(count) => self.call(usize::from(count)),
            Rule::Build => {
                let group = self.shadow.pop_group(1)?;
                self.fill(Kind::Object, &group)
            }
            _ => unreachable!("every other rule has its step"),
        }
    }

    fn stop(&self) -> Checked<()> {
        if self.at != self.data.len() {
            return Err(Refusal::Broken("bytes after STOP"));
        }
        if !self.shadow.is_single() {
            return Err(Refusal::Broken("not one value at STOP"));
        }
        Ok(())
    }

    fn proto(&mut self, start: usize) -> Checked<()> {
        let version = self.take(1)?[0];
        if start != 0 || !(2..=5).contains(&version) {
            return Err(Refusal::Broken("protocol"));
        }
        Ok(())
    }

    fn enter_frame(&mut self) -> Checked<()> {
        let size = self.length(8)?;
        self.fits(size)?;
        if self.framed {
            return Err(Refusal::Broken("a frame in a frame"));
        }
        self.framed = true;
        self.end = self.at + size;
        Ok(())
    }

    fn leave_frame(&mut self) -> Checked<()> {
        self.framed = false;
        self.end = self.data.len();
        if self.at == self.end {
            return Err(Refusal::Broken("no STOP"));
        }
        Ok(())
    }

    fn scalar(&mut self, width: usize, forgeable: bool) -> Checked<()> {
        self.take(width)?;
        self.push(
            Item::new(Kind::Fixed, 0).forgeable(forgeable),
            memory::SCALAR,
        )
    }

    fn long(&mut self, width: u8) -> Checked<()> {
        let size = self.length(width)?;
        if size > MAX_LONG {
            return Err(Refusal::Broken("integer too large"));
        }
        self.scalar(size, true)
    }

    fn text(&mut self, width: u8, start: usize) -> Checked<()> {
        let size = self.length(width)?;
        self.take(size)?;
        let mut item = Item::new(Kind::Text, 0);
        item.at = u32::try_from(start).expect("a payload is shorter than 4 GiB");
        self.push(item, memory::TEXT + size)
    }

    fn bytes(&mut self, width: u8) -> Checked<()> {
        let size = self.length(width)?;
        self.take(size)?;
        self.push(Item::new(Kind::Fixed, 0), memory::TEXT + size)
    }

    fn get(&mut self, width: u8) -> Checked<()> {
        let number = self.length(width)?;
        self.memory.charge(memory::REFERENCE)?;
        self.cyclic |= self.shadow.get(number)?;
        Ok(())
    }

    fn put(&mut self, width: u8) -> Checked<()> {
        let number = self.length(width)?;
        self.memory.charge(memory::REFERENCE)?;
        self.shadow.put(number)
    }

    fn empty(&mut self, kind: Kind) -> Checked<()> {
        let size = match kind {
            Kind::List => memory::LIST,
            Kind::Dict => memory::DICT,
            _ => memory::SET,
        };
        self.push(Item::new(kind, 1), size)
    }

    fn tuple(&mut self, group: &Group) -> Checked<()> {
        let item = Item::new(Kind::Fixed, group.around()?).forgeable(group.forgeable > 0);
        self.push(item, memory::TUPLE)
    }

    fn fill_marked(&mut self, kind: Kind) -> Checked<()> {
        let group = self.shadow.pop_marked()?;
        self.fill(kind, &group)
    }

    fn fill(&mut self, kind: Kind, group: &Group) -> Checked<()> {
        match kind {
            Kind::Dict => self.add_pairs(group)?,
            Kind::Set => self.add_members(group)?,
            _ => {}
        }
        self.cyclic |= self.shadow.fill(kind, group)?;
        Ok(())
    }

    fn add_pairs(&mut self, group: &Group) -> Checked<()> {
        if !group.count.is_multiple_of(2) {
            return Err(Refusal::Broken("a key without a value"));
        }
        self.memory.charge(group.count / 2 * memory::PAIR)?;
        self.count_forgeable(group.forgeable_keys)
    }

    fn add_members(&mut self, group: &Group) -> Checked<()> {
        self.memory.charge(group.count * memory::MEMBER)?;
        self.count_forgeable(group.forgeable)
    }

    fn count_forgeable(&mut self, count: u32) -> Checked<()> {
        self.forgeable_keys += count;
        if self.forgeable_keys > MAX_FORGEABLE_KEYS {
            return Err(Refusal::Broken("too many keys that may collide"));
        }
        Ok(())
    }

    /// `c module \n name \n`: how protocols 2 and 3 name a class.
    fn global(&mut self) -> Checked<()> {
        let (module, name) = (self.line()?, self.line()?);
        self.classes.add(module, name);
        self.push(Item::new(Kind::Class, 0), memory::CLASS)
    }

    fn stack_global(&mut self) -> Checked<()> {
        let (name, module) = (self.shadow.pop()?, self.shadow.pop()?);
        if name.kind != Kind::Text || module.kind != Kind::Text {
            return Err(NO_CLASS);
        }
        self.classes
            .add(text_at(self.data, module.at), text_at(self.data, name.at));
        self.push(Item::new(Kind::Class, 0), memory::CLASS)
    }

    /// REDUCE, NEWOBJ and `NEWOBJ_EX`: arguments, and below them what is called.
    fn call(&mut self, count: usize) -> Checked<()> {
        let arguments = self.shadow.pop_group(count)?;
        let called = self.shadow.pop()?;
        if !matches!(called.kind, Kind::Class | Kind::Object) {
            return Err(NO_CLASS);
        }
        self.push(Item::new(Kind::Object, arguments.around()?), memory::OBJECT)
    }

    fn push(&mut self, item: Item, size: usize) -> Checked<()> {
        self.memory.charge(size)?;
        self.shadow.push(item)
    }

    fn fits(&self, size: usize) -> Checked<()> {
        if size > self.end - self.at {
            Err(TRUNCATED)
        } else {
            Ok(())
        }
    }

    fn take(&mut self, size: usize) -> Checked<&'a [u8]> {
        self.fits(size)?;
        let data = self.data;
        let taken = &data[self.at..][..size];
        self.at += size;
        Ok(taken)
    }

    /// A little-endian number of 1, 4 or 8 bytes.
    fn length(&mut self, width: u8) -> Checked<usize> {
        let bytes = self.take(usize::from(width))?;
        little_endian(bytes).ok_or(TRUNCATED)
    }

    fn line(&mut self) -> Checked<&'a [u8]> {
        let data = self.data;
        let rest = &data[self.at..self.end];
        let size = memchr::memchr(b'\n', rest).ok_or(TRUNCATED)?;
        self.at += size + 1;
        Ok(&rest[..size])
    }
}

fn little_endian(bytes: &[u8]) -> Option<usize> {
    let number = bytes
        .iter()
        .rev()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    usize::try_from(number).ok()
}

/// The text whose opcode stands at `at`; the scan was there before, so it is whole.
fn text_at(data: &[u8], at: u32) -> &[u8] {
    let data = &data[at as usize..];
    let Rule::Text(width) = RULES[usize::from(data[0])] else {
        return &[];
    };
    let (length, rest) = data[1..].split_at(usize::from(width));
    &rest[..little_endian(length).unwrap_or(0)]
}
