//! For those who listen: what a screen reader would read out in vain is left out.

use regex_automata::meta::Regex;
use regex_syntax::ParserBuilder;
use std::borrow::Cow;

/// What a game wants left out for screen readers.
pub struct Speech {
    regex: Regex,
}

impl Speech {
    /// Compile a regular expression; `.` stands for line ends too, `^` and `$` for those of lines.
    /// The error says in one line what is wrong with it.
    pub fn new(expression: &str) -> Result<Self, String> {
        let hir = ParserBuilder::new()
            .multi_line(true)
            .dot_matches_new_line(true)
            .build()
            .parse(expression)
            .map_err(|error| crate::rules::one_line(&error))?;
        let regex = Regex::builder()
            .build_from_hir(&hir)
            .map_err(|error| crate::rules::one_line(&error))?;
        Ok(Self { regex })
    }

    /// Leave out all that matches; a text without any of it is handed back as it is.
    #[must_use]
    pub fn strip<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = String::new();
        let mut copied = 0;
        for found in self.regex.find_iter(text) {
            out.push_str(&text[copied..found.start()]);
            copied = found.end();
        }
        if copied == 0 && out.is_empty() {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[copied..]);
        Cow::Owned(out)
    }
}
