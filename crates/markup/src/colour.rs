//! Colours, and what stands in for them where a terminal has fewer.

/// The colour of text or of what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// One of the eight colours, 0 to 7 in the order of ANSI.
    Ansi(u8),
    /// A colour of xterm's palette of 256.
    Palette(u8),
    /// Red, green and blue.
    Rgb(u8, u8, u8),
}

/// For each colour of xterm's cube, red outermost and blue innermost, the nearest of the sixteen:
/// a small letter is a bright one.
const NEAREST_OF_CUBE: &[u8; 216] = b"\
    XBBbbbGCCbbbGCCbbbgggcccgggcccgggccc\
    RMMbbbYxxbbbGxxbbbgggcccgggcccgggccc\
    RMMbbbYxxbbbYxxWbbggWWccgggcccgggccc\
    rrrmmmrrrmmmrrWWmmyyWWWcyyyWWcyyyccc\
    rrrmmmrrrmmmrrrmmmyyyWWmyyyWWwyyyyww\
    rrrmmmrrrmmmrrrmmmyyyymmyyyywwyyyyww";

/// The same for the greys, 232 to 255.
const NEAREST_OF_GREYS: &[u8; 24] = b"XXxxxxxxxxxxWWWWWWWWWWww";

const CUBE: u8 = 16;
const GREYS: u8 = 232;

impl Colour {
    /// The number in the palette of a colour of the cube; its parts are 0 to 5.
    #[must_use]
    pub fn cube(red: u8, green: u8, blue: u8) -> Self {
        Self::Palette(CUBE + 36 * red + 6 * green + blue)
    }

    /// A grey by its letter, `a` (black) to `z` (white). Only the 24 between have a place of their
    /// own in the palette.
    #[must_use]
    pub fn grey(letter: u8) -> Self {
        Self::Palette(match letter {
            b'a' => CUBE,
            b'z' => GREYS - 1,
            _ => GREYS + (letter - b'b'),
        })
    }

    /// What a terminal of 256 colours shows for it.
    #[must_use]
    pub fn in_palette(self) -> Self {
        match self {
            Self::Rgb(red, green, blue) => Self::cube(level(red), level(green), level(blue)),
            colour => colour,
        }
    }

    /// What a terminal of sixteen colours shows for it: one of the eight, and whether it is the
    /// bright one; None where that is not for the colour to say.
    #[must_use]
    pub fn in_sixteen(self) -> (u8, Option<bool>) {
        let letter = match self.in_palette() {
            Self::Ansi(number) => return (number, None),
            Self::Palette(number @ 0..CUBE) => return (number & 7, Some(number > 7)),
            Self::Palette(number @ GREYS..) => NEAREST_OF_GREYS[usize::from(number - GREYS)],
            Self::Palette(number) => NEAREST_OF_CUBE[usize::from(number - CUBE)],
            Self::Rgb(..) => unreachable!("a palette has no such colours"),
        };
        let (number, bright) = letter_colour(letter).unwrap_or_default();
        (number, Some(bright))
    }
}

/// The number of a colour in the order of ANSI, and whether it is the bright one of the two.
#[must_use]
pub(crate) fn letter_colour(letter: u8) -> Option<(u8, bool)> {
    let number = match letter | 0x20 {
        b'x' => 0,
        b'r' => 1,
        b'g' => 2,
        b'y' => 3,
        b'b' => 4,
        b'm' => 5,
        b'c' => 6,
        b'w' => 7,
        _ => return None,
    };
    Some((number, letter.is_ascii_lowercase()))
}

/// The nearest level of the cube, 0 to 5: they stand 40 apart, but for the first. What lies just
/// between two goes to the even one.
fn level(part: u8) -> u8 {
    const STEP: u8 = 40;
    let above = part.saturating_sub(45);
    let (whole, rest) = (above / STEP, above % STEP);
    let up = rest > STEP / 2 || (rest == STEP / 2 && whole % 2 == 1);
    whole + u8::from(up)
}
