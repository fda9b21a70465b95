//! For terminals, of whatever abilities, and for those who want no colours at all.

use crate::address;
use crate::colour::Colour;
use crate::piece::{ESCAPE, Piece, Pieces};
use crate::rules::Rules;
use crate::style::Change;

/// What a player's terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // they are independent of each other
pub struct Abilities {
    /// Colours and styles.
    pub ansi: bool,
    /// Colours of xterm's palette of 256.
    pub xterm256: bool,
    /// Colours of red, green and blue.
    pub truecolour: bool,
    /// Links, as MXP has them; the rest of the text is escaped for it.
    pub mxp: bool,
}

const RESET: &str = "\x1b[0m";
/// The next tag is the game's, and no other.
const SECURE: &str = "\x1b[4z";

/// Write a text for a terminal. Colours that it leaves on are reset, before the line ends at its
/// end.
pub(crate) fn render(pieces: Pieces<'_>, abilities: Abilities, size: usize) -> String {
    let mut terminal = Terminal {
        abilities,
        out: String::with_capacity(size + size / 4 + RESET.len()),
        coloured: false,
    };
    let rules = pieces.rules();
    let mut hidden = false; // the text of a link whose address is shown instead
    let mut tag = "";
    for piece in pieces {
        match piece {
            Piece::LinkEnd => {
                terminal.close_tag(std::mem::take(&mut tag));
                hidden = false;
            }
            _ if hidden => {}
            Piece::Text(text) => terminal.push(text),
            Piece::Change(change) => terminal.change(change),
            Piece::Sgr(parameters) => terminal.sgr(parameters),
            Piece::Control(sequence) => terminal.control(sequence),
            Piece::Command(command) => {
                tag = terminal.open_tag("SEND", &plain(command, rules));
            }
            Piece::Address(address) => {
                let address = plain(address, rules);
                let target = address::target(&address).filter(|_| abilities.mxp);
                match target {
                    Some(target) => tag = terminal.open_tag("A", &target),
                    None => terminal.push(&address),
                }
                hidden = tag.is_empty();
            }
        }
    }
    terminal.finish()
}

/// The text of a part of a link.
pub(crate) fn plain(markup: &str, rules: Option<&Rules>) -> String {
    let mut out = String::with_capacity(markup.len());
    for piece in Pieces::without_links(markup, rules) {
        if let Piece::Text(text) = piece {
            out.extend(
                text.chars()
                    .map(|each| if each.is_control() { ' ' } else { each }),
            );
        }
    }
    out
}

struct Terminal {
    abilities: Abilities,
    out: String,
    coloured: bool,
}

impl Terminal {
    fn push(&mut self, text: &str) {
        if self.abilities.mxp {
            push_mxp(text, "\"", &mut self.out);
        } else {
            self.out.push_str(text);
        }
    }

    fn open_tag(&mut self, name: &'static str, target: &str) -> &'static str {
        if !self.abilities.mxp {
            return "";
        }
        self.out.extend([SECURE, "<", name, " HREF=\""]);
        push_mxp(target, "&quot;", &mut self.out);
        self.out.push_str("\">");
        name
    }

    fn close_tag(&mut self, name: &str) {
        if !name.is_empty() {
            self.out.extend([SECURE, "</", name, ">"]);
        }
    }

    fn control(&mut self, sequence: &str) {
        // Sequences that end in z are MXP's own: in a text they would open its tags.
        if !self.abilities.mxp || !sequence.ends_with('z') {
            self.out.push_str(sequence);
        }
    }

    fn sgr(&mut self, parameters: &str) {
        if self.abilities.ansi {
            self.out.extend(["\x1b[", parameters, "m"]);
            self.coloured = !matches!(parameters, "" | "0");
        }
    }

    fn change(&mut self, change: Change) {
        if !self.abilities.ansi {
            return;
        }
        self.coloured = change != Change::Reset;
        match change {
            Change::Foreground(colour, bright) => self.foreground(colour, bright),
            Change::Background(colour) => self.colour(b'4', colour),
            _ => self.out.push_str(sequence(change)),
        }
    }

    fn foreground(&mut self, colour: Colour, bright: Option<bool>) {
        let colour = self.known(colour);
        let bright = match colour {
            Colour::Ansi(_) => bright,
            _ if self.shows(colour) => None,
            _ => colour.in_sixteen().1,
        };
        if let Some(bright) = bright {
            self.out.push_str(sequence(Change::Bright(bright)));
        }
        self.colour(b'3', colour);
    }

    /// The colour itself, or what stands in for it in the palette.
    fn known(&self, colour: Colour) -> Colour {
        if self.abilities.truecolour {
            colour
        } else {
            colour.in_palette()
        }
    }

    fn shows(&self, colour: Colour) -> bool {
        match colour {
            Colour::Ansi(_) => true,
            Colour::Palette(_) => self.abilities.xterm256,
            Colour::Rgb(..) => self.abilities.truecolour,
        }
    }

    /// Write a colour, `ground` being the digit that begins its parameters.
    fn colour(&mut self, ground: u8, colour: Colour) {
        let colour = self.known(colour);
        self.out.push_str("\x1b[");
        self.out.push(char::from(ground));
        match colour {
            Colour::Palette(number) if self.abilities.xterm256 => {
                self.out.push_str("8;5;");
                push_number(number, &mut self.out);
            }
            Colour::Rgb(red, green, blue) => {
                self.out.push_str("8;2");
                for part in [red, green, blue] {
                    self.out.push(';');
                    push_number(part, &mut self.out);
                }
            }
            _ => push_number(colour.in_sixteen().0, &mut self.out),
        }
        self.out.push('m');
    }

    fn finish(mut self) -> String {
        if self.coloured {
            let end = self.out.trim_end_matches(['\r', '\n']).len();
            self.out.insert_str(end, RESET);
        }
        self.out
    }
}

/// What a terminal is sent for a change that is no colour.
fn sequence(change: Change) -> &'static str {
    match change {
        Change::Bright(true) => "\x1b[1m",
        Change::Bright(false) => "\x1b[22m",
        Change::Underline(true) => "\x1b[4m",
        Change::Underline(false) => "\x1b[24m",
        Change::Italic(true) => "\x1b[3m",
        Change::Italic(false) => "\x1b[23m",
        Change::Strike(true) => "\x1b[9m",
        Change::Strike(false) => "\x1b[29m",
        Change::Inverse => "\x1b[7m",
        Change::Blink => "\x1b[5m",
        Change::Reset | Change::Foreground(..) | Change::Background(_) => RESET,
    }
}

fn push_number(number: u8, out: &mut String) {
    if number >= 100 {
        out.push(char::from(b'0' + number / 100));
    }
    if number >= 10 {
        out.push(char::from(b'0' + number / 10 % 10));
    }
    out.push(char::from(b'0' + number % 10));
}

/// Whether an MXP client would take a byte of a text for something else.
pub(crate) fn is_special(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'&' | b'"' | ESCAPE)
}

/// Write a text so that an MXP client shows it as it is. An ESC that a text holds and that begins
/// no whole sequence is left out: with what follows it could become one of MXP's.
fn push_mxp(text: &str, quote: &str, out: &mut String) {
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        if is_special(byte) {
            out.push_str(&text[copied..at]);
            out.push_str(match byte {
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'&' => "&amp;",
                b'"' => quote,
                _ => "",
            });
            copied = at + 1;
        }
    }
    out.push_str(&text[copied..]);
}
