//! An unpickler as simple as can be, to check the scan by: it trusts nothing and knows no limits.
//! Like `CPython`'s unpickler of files it reads frame by frame, so that both must see the same opcodes.

/// Values by their numbers; each is the list of the values in it.
#[derive(Default)]
pub struct Unpickler {
    inside: Vec<Vec<usize>>,
    is_container: Vec<bool>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: Vec<usize>,
}

impl Unpickler {
    /// How deep the containers of a pickle of plain types nest; `None` when it is no such pickle,
    /// or a value is inside of itself.
    pub fn depth_of(pickle: &[u8]) -> Option<usize> {
        let mut unpickler = Self::default();
        let (mut rest, mut behind) = (pickle, &pickle[..0]);
        loop {
            if rest.is_empty() {
                rest = std::mem::take(&mut behind);
            }
            if rest.first() == Some(&0x95) {
                let frame = frame(&mut rest)?;
                if !behind.is_empty() {
                    return None;
                }
                (rest, behind) = (frame, rest);
            } else if !unpickler.step(&mut rest)? {
                break;
            }
        }
        let depths = unpickler.depths()?;
        let [value] = unpickler.stack[..] else {
            return None;
        };
        (rest.is_empty() && behind.is_empty()).then(|| depths[value])
    }

    /// Do the next opcode; false for the last.
    fn step(&mut self, rest: &mut &[u8]) -> Option<bool> {
        let opcode = take(rest, 1)?[0];
        match opcode {
            b'.' => return Some(false),
            0x80 => drop(take(rest, 1)?),
            b'N' | 0x88 | 0x89 => self.make(false, Vec::new()),
            b'K' => self.scalar(rest, 1)?,
            b'M' => self.scalar(rest, 2)?,
            b'J' => self.scalar(rest, 4)?,
            b'G' => self.scalar(rest, 8)?,
            0x8a | 0x8c | b'C' => self.counted(rest, 1)?,
            0x8b | b'X' | b'B' => self.counted(rest, 4)?,
            0x8d | 0x8e | 0x96 => self.counted(rest, 8)?,
            b']' | b'}' | 0x8f | b')' => self.make(true, Vec::new()),
            b'(' => self.marks.push(self.stack.len()),
            _ => self.step_over_values(opcode, rest)?,
        }
        Some(true)
    }

    fn step_over_values(&mut self, opcode: u8, rest: &mut &[u8]) -> Option<()> {
        match opcode {
            0x85..=0x87 => {
                let inside = self.top(usize::from(opcode - 0x84))?;
                self.make(true, inside);
            }
            b't' | 0x91 => {
                let inside = self.marked()?;
                self.make(true, inside);
            }
            b'a' => self.top(1).and_then(|inside| self.fill(inside))?,
            b's' => self.top(2).and_then(|inside| self.fill(inside))?,
            b'e' | b'u' | 0x90 => self.marked().and_then(|inside| self.fill(inside))?,
            0x94 => self.put(self.memo.len())?,
            b'q' => number(rest, 1).and_then(|index| self.put(index))?,
            b'r' => number(rest, 4).and_then(|index| self.put(index))?,
            b'h' => number(rest, 1).and_then(|index| self.get(index))?,
            b'j' => number(rest, 4).and_then(|index| self.get(index))?,
            _ => return None,
        }
        Some(())
    }

    fn make(&mut self, is_container: bool, inside: Vec<usize>) {
        self.stack.push(self.inside.len());
        self.inside.push(inside);
        self.is_container.push(is_container);
    }

    fn scalar(&mut self, rest: &mut &[u8], size: usize) -> Option<()> {
        take(rest, size)?;
        self.make(false, Vec::new());
        Some(())
    }

    fn counted(&mut self, rest: &mut &[u8], width: usize) -> Option<()> {
        let size = number(rest, width)?;
        self.scalar(rest, size)
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&mut self, count: usize) -> Option<Vec<usize>> {
        let start = self.stack.len().checked_sub(count)?;
        (start >= self.floor()).then(|| self.stack.split_off(start))
    }

    fn marked(&mut self) -> Option<Vec<usize>> {
        let start = self.marks.pop()?;
        Some(self.stack.split_off(start))
    }

    fn fill(&mut self, inside: Vec<usize>) -> Option<()> {
        let target = *self.stack[self.floor()..].last()?;
        self.inside[target].extend(inside);
        self.is_container[target].then_some(())
    }

    fn put(&mut self, index: usize) -> Option<()> {
        let value = *self.stack[self.floor()..].last()?;
        if index == self.memo.len() {
            self.memo.push(value);
        }
        *self.memo.get_mut(index)? = value;
        Some(())
    }

    fn get(&mut self, index: usize) -> Option<()> {
        self.stack.push(*self.memo.get(index)?);
        Some(())
    }

    /// The depth of each value, from the innermost out; `None` when some are inside of themselves.
    fn depths(&self) -> Option<Vec<usize>> {
        let mut depths = vec![0; self.inside.len()];
        let mut waiting: Vec<_> = self.inside.iter().map(Vec::len).collect();
        let mut around = vec![Vec::new(); self.inside.len()];
        for (value, inside) in self.inside.iter().enumerate() {
            for inner in inside {
                around[*inner].push(value);
            }
        }
        let mut ready: Vec<_> = (0..waiting.len())
            .filter(|value| waiting[*value] == 0)
            .collect();
        let mut done = 0;
        while let Some(value) = ready.pop() {
            done += 1;
            depths[value] += usize::from(self.is_container[value]);
            for outer in &around[value] {
                depths[*outer] = depths[*outer].max(depths[value]);
                waiting[*outer] -= 1;
                if waiting[*outer] == 0 {
                    ready.push(*outer);
                }
            }
        }
        (done == depths.len()).then_some(depths)
    }
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (taken, others) = rest.split_at_checked(size)?;
    *rest = others;
    Some(taken)
}

/// The content of the frame that begins here.
fn frame<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    take(rest, 1)?;
    let size = number(rest, 8)?;
    take(rest, size)
}

fn number(rest: &mut &[u8], width: usize) -> Option<usize> {
    let bytes = take(rest, width)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | usize::from(*byte)),
    )
}
