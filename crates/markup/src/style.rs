//! How text looks at one place, and what changes it.

use crate::colour::Colour;

/// What a markup code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Back to normal.
    Reset,
    /// Bright or not, in whatever colour.
    Bright(bool),
    /// A line below the text.
    Underline(bool),
    /// Slanted letters.
    Italic(bool),
    /// A line through the text.
    Strike(bool),
    /// Text and what is behind it change their colours.
    Inverse,
    /// Blinking.
    Blink,
    /// The colour of the text. A bright or dark one of the eight says so.
    Foreground(Colour, Option<bool>),
    /// The colour behind the text.
    Background(Colour),
}

/// How text looks; the default is how the player's program shows it anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // they are independent of each other
pub struct Style {
    /// The colour of the text.
    pub foreground: Option<Colour>,
    /// The colour behind it.
    pub background: Option<Colour>,
    /// One of the eight colours is shown as its brighter one.
    pub bright: bool,
    /// A line below.
    pub underline: bool,
    /// Slanted.
    pub italic: bool,
    /// A line through it.
    pub strike: bool,
    /// The two colours change their places.
    pub inverse: bool,
    /// Blinking.
    pub blink: bool,
}

const BLACK: u8 = 0;
const LIGHT_GREY: u8 = 7;

impl Style {
    /// The colours of the text and behind it as they are seen: palette or RGB, with brightness and
    /// inversion included.
    #[must_use]
    pub fn seen(&self) -> (Option<Colour>, Option<Colour>) {
        let text = self.seen_text();
        let behind = self.background.map(as_palette);
        if self.inverse {
            (
                behind.or(Some(Colour::Palette(BLACK))),
                text.or(Some(Colour::Palette(LIGHT_GREY))),
            )
        } else {
            (text, behind)
        }
    }

    fn seen_text(&self) -> Option<Colour> {
        let bright = |number| Some(Colour::Palette(number + 8));
        match self.foreground {
            Some(Colour::Ansi(number)) if self.bright => bright(number),
            None if self.bright => bright(LIGHT_GREY),
            colour => colour.map(as_palette),
        }
    }

    /// Follow a markup code.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Reset => *self = Self::default(),
            Change::Bright(bright) => self.bright = bright,
            Change::Underline(on) => self.underline = on,
            Change::Italic(on) => self.italic = on,
            Change::Strike(on) => self.strike = on,
            Change::Inverse => self.inverse = true,
            Change::Blink => self.blink = true,
            Change::Foreground(colour, bright) => {
                self.foreground = Some(colour);
                self.bright = bright.unwrap_or(self.bright);
            }
            Change::Background(colour) => self.background = Some(colour),
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
                Some(38) => self.foreground = colour(&mut numbers).or(self.foreground),
                Some(48) => self.background = colour(&mut numbers).or(self.background),
                Some(number) => self.apply_number(number),
                None => {}
            }
        }
    }

    fn apply_number(&mut self, number: u8) {
        match number {
            0 => *self = Self::default(),
            1 => self.bright = true,
            3 | 23 => self.italic = number == 3,
            4 | 24 => self.underline = number == 4,
            5 | 25 => self.blink = number == 5,
            7 | 27 => self.inverse = number == 7,
            9 | 29 => self.strike = number == 9,
            22 => self.bright = false,
            30..=37 => self.foreground = Some(Colour::Ansi(number - 30)),
            39 => self.foreground = None,
            40..=47 => self.background = Some(Colour::Ansi(number - 40)),
            49 => self.background = None,
            90..=97 => self.foreground = Some(Colour::Palette(number - 90 + 8)),
            100..=107 => self.background = Some(Colour::Palette(number - 100 + 8)),
            _ => {}
        }
    }
}

fn as_palette(colour: Colour) -> Colour {
    match colour {
        Colour::Ansi(number) => Colour::Palette(number),
        colour => colour,
    }
}

/// Read what follows 38 or 48: `5;n`, a number of the palette, or `2;r;g;b`.
fn colour(numbers: &mut impl Iterator<Item = Option<u8>>) -> Option<Colour> {
    match numbers.next()?? {
        5 => numbers.next()?.map(Colour::Palette),
        2 => {
            let parts = [numbers.next()?, numbers.next()?, numbers.next()?];
            let [red, green, blue] = parts;
            Some(Colour::Rgb(red?, green?, blue?))
        }
        _ => None,
    }
}
