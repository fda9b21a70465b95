//! For browsers: spans and links in the form of Evennia's web client, and nothing of the text
//! taken for HTML.

use crate::address;
use crate::colour::Colour;
use crate::piece::{Piece, Pieces};
use crate::rules::Rules;
use crate::style::Style;
use crate::terminal::plain;

/// Write a text as HTML; without `styled` there are links but no spans.
pub(crate) fn render(pieces: Pieces<'_>, styled: bool, size: usize) -> String {
    let rules = pieces.rules();
    let mut page = Page::new(size);
    for piece in pieces {
        match piece {
            Piece::Text(text) => page.push(text),
            Piece::Command(command) => page.open_command(&plain(command, rules)),
            Piece::Address(address) => page.open_address(&plain(address, rules)),
            Piece::LinkEnd => page.close_link(),
            Piece::Change(change) if styled => page.style.apply(change),
            Piece::Sgr(parameters) if styled => page.style.apply_sgr(parameters),
            Piece::Change(_) | Piece::Sgr(_) | Piece::Control(_) => {}
        }
    }
    page.close_link();
    page.out
}

/// Write a text that is no markup as HTML.
pub(crate) fn render_plain(text: &str) -> String {
    let mut page = Page::new(text.len());
    page.push(text);
    page.out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Text,
    /// Written in another way.
    Replaced,
    /// An address may stand here.
    Address,
}

const MEANINGS: [Meaning; 256] = {
    let mut table = [Meaning::Text; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = Meaning::Replaced;
        control += 1;
    }
    table[0x7f] = Meaning::Replaced;
    table[b'<' as usize] = Meaning::Replaced;
    table[b'>' as usize] = Meaning::Replaced;
    table[b'&' as usize] = Meaning::Replaced;
    table[b'"' as usize] = Meaning::Replaced;
    table[b'\'' as usize] = Meaning::Replaced;
    table[b':' as usize] = Meaning::Address;
    table[b'w' as usize] = Meaning::Address;
    table
};

/// What stands in HTML for a byte that is replaced. Control characters show nothing in a browser.
fn replacement(byte: u8) -> &'static str {
    match byte {
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'&' => "&amp;",
        b'"' => "&quot;",
        b'\'' => "&#x27;",
        b'\n' => "<br>",
        b'\t' => "    ",
        _ => "",
    }
}

/// HTML in the making. A span is begun only when there is text to put into it.
struct Page {
    out: String,
    style: Style,
    shown: Style,
    in_link: bool,
}

impl Page {
    fn new(size: usize) -> Self {
        Self {
            out: String::with_capacity(size + size / 2 + 32),
            style: Style::default(),
            shown: Style::default(),
            in_link: false,
        }
    }

    fn push(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.style != self.shown {
            self.close();
            self.open();
        }
        let bytes = text.as_bytes();
        let mut copied = 0;
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            match MEANINGS[usize::from(byte)] {
                Meaning::Replaced => {
                    self.out.push_str(&text[copied..at]);
                    copied = at + 1;
                    // CR LF is one line end, and so is a CR alone.
                    let ends = byte == b'\r' && bytes.get(copied) != Some(&b'\n');
                    self.out
                        .push_str(replacement(if ends { b'\n' } else { byte }));
                }
                Meaning::Address if !self.in_link => {
                    if let Some((start, end)) = address::find(text, copied, at) {
                        self.out.push_str(&text[copied..start]);
                        self.push_address(&text[start..end]);
                        copied = end;
                        at = end;
                        continue;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        self.out.push_str(&text[copied..]);
    }

    /// A link of an address in the text to where it leads.
    fn push_address(&mut self, address: &str) {
        let scheme = if address.contains("://") {
            ""
        } else {
            "http://"
        };
        self.out.extend(["<a href=\"", scheme]);
        escape(address, &mut self.out);
        self.out.push_str(ELSEWHERE);
        escape(address, &mut self.out);
        self.out.push_str("</a>");
    }

    fn open_command(&mut self, command: &str) {
        self.close();
        // The command is a text of JavaScript within an attribute of HTML: escaped for both.
        self.out.push_str(
            "<a id=\"mxplink\" href=\"#\" onclick=\"Evennia.msg(&quot;text&quot;,[&quot;",
        );
        escape_script(command, &mut self.out);
        self.out.push_str("&quot;],{});return false;\">");
        self.in_link = true;
    }

    fn open_address(&mut self, address: &str) {
        if let Some(target) = address::target(address) {
            self.close();
            self.out.push_str("<a id=\"mxplink\" href=\"");
            escape(&target, &mut self.out);
            self.out.push_str(ELSEWHERE);
            self.in_link = true;
        }
    }

    fn close_link(&mut self) {
        self.close();
        if self.in_link {
            self.out.push_str("</a>");
            self.in_link = false;
        }
    }

    fn open(&mut self) {
        self.shown = self.style;
        if self.shown == Style::default() {
            return;
        }
        let (colour, ground) = self.shown.seen();
        self.out.push_str("<span class=\"");
        let begun = self.out.len();
        let names = [
            (self.shown.underline, "underline"),
            (self.shown.blink, "blink"),
            (self.shown.italic, "italic"),
            (self.shown.strike, "strikethrough"),
        ];
        for name in names
            .into_iter()
            .filter_map(|(on, name)| on.then_some(name))
        {
            self.push_class(begun, name);
        }
        for (name, colour) in [("bgcolor-", ground), ("color-", colour)] {
            if let Some(Colour::Palette(number)) = colour {
                self.push_class(begun, name);
                self.out
                    .extend([number / 100, number / 10 % 10, number % 10].map(digit));
            }
        }
        self.out.push('"');
        self.push_colours(colour, ground);
        self.out.push('>');
    }

    fn push_class(&mut self, begun: usize, name: &str) {
        if self.out.len() > begun {
            self.out.push(' ');
        }
        self.out.push_str(name);
    }

    /// Colours that have no class.
    fn push_colours(&mut self, colour: Option<Colour>, ground: Option<Colour>) {
        let mut before = " style=\"";
        for (name, colour) in [("color: #", colour), ("background-color: #", ground)] {
            if let Some(Colour::Rgb(red, green, blue)) = colour {
                self.out.extend([before, name]);
                for part in [red, green, blue] {
                    self.out.extend([part >> 4, part & 15].map(hexadecimal));
                }
                self.out.push(';');
                before = "";
            }
        }
        if before.is_empty() {
            self.out.push('"');
        }
    }

    fn close(&mut self) {
        if self.shown != Style::default() {
            self.out.push_str("</span>");
            self.shown = Style::default();
        }
    }
}

/// Behind the address of a link: it opens beside the game, and learns nothing of it.
const ELSEWHERE: &str = "\" target=\"_blank\" rel=\"noopener noreferrer\">";

fn digit(number: u8) -> char {
    char::from(b'0' + number)
}

fn hexadecimal(number: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(number)])
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match u8::try_from(letter) {
            Ok(byte) if MEANINGS[usize::from(byte)] == Meaning::Replaced => {
                out.push_str(replacement(byte));
            }
            _ => out.push(letter),
        }
    }
}

/// Escape what stands between the quotes of a text in JavaScript, and that for HTML.
fn escape_script(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\&quot;"),
            '\\' => out.push_str("\\\\"),
            // Line ends for JavaScript, though not for HTML.
            '\u{2028}' | '\u{2029}' => out.push(' '),
            _ => escape(letter.encode_utf8(&mut [0; 4]), out),
        }
    }
}

/// Whether a text is its own HTML.
pub(crate) fn changes_nothing(text: &str, rules: Option<&Rules>) -> bool {
    rules.is_none()
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| match MEANINGS[usize::from(byte)] {
                Meaning::Text => !matches!(byte, b'|' | b'{'),
                Meaning::Replaced => false,
                Meaning::Address => !address::may_be_near(text.as_bytes(), at),
            })
}
