//! How text looks at one place, and what changes it.

/// What a markup code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Back to normal.
    Reset,
    /// Bright or not, in whatever colour.
    Bright(bool),
    /// One of the eight colours, 0 to 7, bright or dark.
    Foreground {
        /// The colour's number in the order of ANSI.
        colour: u8,
        /// The brighter one of the two.
        bright: bool,
    },
    /// The same behind the text.
    Background {
        /// The colour's number in the order of ANSI.
        colour: u8,
        /// The brighter one of the two.
        bright: bool,
    },
}

/// How text looks; the default is how the player's program shows it anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// The colour of the text, a number of the xterm palette.
    pub foreground: Option<u8>,
    /// The colour behind it, a number of the xterm palette.
    pub background: Option<u8>,
    /// Bright: one of the first eight colours is shown as its brighter one.
    pub bright: bool,
}

const LIGHT_GREY: u8 = 7;

impl Style {
    /// The colour of the text as it is seen, brightness included.
    #[must_use]
    pub fn seen_foreground(&self) -> Option<u8> {
        match self.foreground {
            Some(colour @ 0..=7) if self.bright => Some(colour + 8),
            None if self.bright => Some(LIGHT_GREY + 8),
            colour => colour,
        }
    }

    /// Follow a markup code.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Reset => *self = Self::default(),
            Change::Bright(bright) => self.bright = bright,
            Change::Foreground { colour, bright } => {
                self.foreground = Some(colour);
                self.bright = bright;
            }
            Change::Background { colour, bright } => {
                self.background = Some(if bright { colour + 8 } else { colour });
            }
        }
    }

    /// Follow the parameters of `ESC[...m`. What has no meaning here is passed over.
    pub fn apply_sgr(&mut self, parameters: &str) {
        let mut numbers = parameters.split(';').map(|each| {
            if each.is_empty() {
                Some(0)
            } else {
                each.parse().ok()
            }
        });
        while let Some(number) = numbers.next() {
            match number {
                Some(0) => *self = Self::default(),
                Some(1) => self.bright = true,
                Some(22) => self.bright = false,
                Some(colour @ 30..=37) => self.foreground = Some(colour - 30),
                Some(38) => self.foreground = palette(&mut numbers).or(self.foreground),
                Some(39) => self.foreground = None,
                Some(colour @ 40..=47) => self.background = Some(colour - 40),
                Some(48) => self.background = palette(&mut numbers).or(self.background),
                Some(49) => self.background = None,
                Some(colour @ 90..=97) => self.foreground = Some(colour - 90 + 8),
                Some(colour @ 100..=107) => self.background = Some(colour - 100 + 8),
                _ => {}
            }
        }
    }
}

/// Read what follows 38 or 48: `5;n`, a number of the palette. `2;r;g;b` is read over.
fn palette(numbers: &mut impl Iterator<Item = Option<u8>>) -> Option<u8> {
    match numbers.next()? {
        Some(5) => numbers.next()?,
        Some(2) => {
            numbers.nth(2);
            None
        }
        _ => None,
    }
}
