//! The codes that every game has: what stands behind a `|`.

use crate::colour::{Colour, letter_colour};
use crate::piece::Piece;
use crate::style::Change;

/// The code that a text begins with, and its length; links are not among them.
pub(crate) fn code(bytes: &[u8]) -> Option<(Piece<'static>, usize)> {
    let change = |change, length| Some((Piece::Change(change), length));
    let foreground = |colour, length| change(Change::Foreground(colour, None), length);
    match *bytes.get(1)? {
        b'[' => {
            let (colour, length) = background(&bytes[2..])?;
            change(Change::Background(colour), length + 2)
        }
        b'0'..=b'5' => foreground(cube(&bytes[1..])?, 4),
        b'#' => {
            let (colour, length) = hexadecimal(&bytes[1..])?;
            foreground(colour, length + 1)
        }
        b'=' => foreground(grey(&bytes[1..])?, 3),
        b'!' => {
            let letter = *bytes.get(2)?;
            let (number, bright) = letter_colour(letter)?;
            (!bright).then_some(())?;
            foreground(Colour::Ansi(number), 3)
        }
        letter => Some((letter_code(letter)?, 2)),
    }
}

/// The colour that follows `|[`, and its length.
pub(crate) fn background(bytes: &[u8]) -> Option<(Colour, usize)> {
    match *bytes.first()? {
        b'0'..=b'5' => Some((cube(bytes)?, 3)),
        b'#' => hexadecimal(bytes),
        b'=' => Some((grey(bytes)?, 2)),
        letter => {
            let (number, bright) = letter_colour(letter)?;
            Some((
                if bright {
                    bright_ground(number)
                } else {
                    Colour::Ansi(number)
                },
                1,
            ))
        }
    }
}

/// ANSI has no bright backgrounds: those of the cube stand in for them.
fn bright_ground(number: u8) -> Colour {
    const DARK_GREY: u8 = 2;
    const FULL: u8 = 5;
    match number {
        0 => Colour::cube(DARK_GREY, DARK_GREY, DARK_GREY),
        _ => Colour::cube(
            FULL * (number & 1),
            FULL * (number >> 1 & 1),
            FULL * (number >> 2 & 1),
        ),
    }
}

/// `rgb`, each 0 to 5.
pub(crate) fn cube(bytes: &[u8]) -> Option<Colour> {
    let part = |at: usize| match *bytes.get(at)? {
        digit @ b'0'..=b'5' => Some(digit - b'0'),
        _ => None,
    };
    Some(Colour::cube(part(0)?, part(1)?, part(2)?))
}

/// `=` and a letter.
fn grey(bytes: &[u8]) -> Option<Colour> {
    let letter = *bytes.get(1)?;
    letter.is_ascii_lowercase().then(|| Colour::grey(letter))
}

/// `#rrggbb`, or `#rgb` where that is no whole one; and its length.
pub(crate) fn hexadecimal(bytes: &[u8]) -> Option<(Colour, usize)> {
    let mut digits = [0u8; 6];
    let mut found = 0;
    for (digit, byte) in digits.iter_mut().zip(bytes.get(1..)?) {
        let Some(value) = char::from(*byte).to_digit(16) else {
            break;
        };
        *digit = u8::try_from(value).unwrap_or_default();
        found += 1;
    }
    let pair = |at: usize| digits[at] << 4 | digits[at + 1];
    let twice = |at: usize| digits[at] * 0x11;
    match found {
        6 => Some((Colour::Rgb(pair(0), pair(2), pair(4)), 7)),
        3.. => Some((Colour::Rgb(twice(0), twice(1), twice(2)), 4)),
        _ => None,
    }
}

/// The meaning of `|` and one letter or sign.
fn letter_code(letter: u8) -> Option<Piece<'static>> {
    Some(match letter {
        b'/' => Piece::Text("\n"),
        b'-' => Piece::Text("\t"),
        b'>' => Piece::Text("    "),
        b'_' => Piece::Text(" "),
        b'n' => Piece::Change(Change::Reset),
        b'h' | b'H' => Piece::Change(Change::Bright(letter == b'h')),
        b'u' | b'U' => Piece::Change(Change::Underline(letter == b'u')),
        b'i' | b'I' => Piece::Change(Change::Italic(letter == b'i')),
        b's' | b'S' => Piece::Change(Change::Strike(letter == b's')),
        b'*' => Piece::Change(Change::Inverse),
        b'^' => Piece::Change(Change::Blink),
        _ => {
            let (number, bright) = letter_colour(letter)?;
            Piece::Change(Change::Foreground(Colour::Ansi(number), Some(bright)))
        }
    })
}
