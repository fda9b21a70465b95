//! Codes that a game adds to the usual ones, or has instead of them.

use crate::code::background;
use crate::colour::Colour;
use crate::style::Change;
use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input, PatternID};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;
use std::collections::HashMap;

/// The longest text that one rule may stand for, in bytes. Without a bound, a search could run to
/// the end of the text again and again.
pub const LONGEST_MATCH: usize = 64;

/// What a game adds; lists are in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// The usual codes are not known; `||`, links and `|#rrggbb` are all the same.
    pub only: bool,
    /// Tags, and the ANSI sequences or the text that each stands for.
    pub codes: Vec<(String, String)>,
    /// Tags of bright backgrounds, and the tag of a palette's background for each.
    pub bright_backgrounds: Vec<(String, String)>,
    /// Regular expressions with three groups: red, green and blue, 0 to 5 each.
    pub foregrounds: Vec<String>,
    /// The same for what is behind the text.
    pub backgrounds: Vec<String>,
    /// Regular expressions with one group: a letter, `a` (black) to `z` (white).
    pub grey_foregrounds: Vec<String>,
    /// The same for what is behind the text.
    pub grey_backgrounds: Vec<String>,
}

/// A rule that cannot be followed; the others are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The field of `Additions`.
    pub list: &'static str,
    /// The tag or expression.
    pub rule: String,
    /// What is wrong with it, in one line.
    pub reason: String,
}

/// The rules of a game, compiled.
pub(crate) struct Rules {
    only: bool,
    regex: Regex,
    /// What each pattern of the regex stands for.
    kinds: Vec<Rule>,
}

#[derive(Clone)]
enum Rule {
    Given(String),
    Ground(Colour),
    Cube { behind: bool },
    Grey { behind: bool },
}

/// What was found in a text.
#[derive(Clone, Copy)]
pub(crate) enum Meaning<'a> {
    /// A change of the style.
    Change(Change),
    /// Text, and sequences that begin with ESC.
    Given(&'a str),
}

/// The last match of the rules: nothing is searched twice.
#[derive(Clone, Copy, Default)]
pub(crate) struct Found {
    start: usize,
    end: usize,
    pattern: usize,
    /// So far the text was searched, and this is the first match from there.
    searched: bool,
}

impl Rules {
    /// Compile what a game adds. Returns the rules, if there are any, and those refused.
    pub(crate) fn compile(additions: &Additions) -> (Option<Self>, Vec<Refused>) {
        let mut compiler = Compiler::default();
        let expressions = [
            (
                "foregrounds",
                &additions.foregrounds,
                Rule::Cube { behind: false },
            ),
            (
                "backgrounds",
                &additions.backgrounds,
                Rule::Cube { behind: true },
            ),
            (
                "grey_foregrounds",
                &additions.grey_foregrounds,
                Rule::Grey { behind: false },
            ),
            (
                "grey_backgrounds",
                &additions.grey_backgrounds,
                Rule::Grey { behind: true },
            ),
        ];
        for (list, rules, kind) in expressions {
            for rule in rules {
                let hir = read(rule, kind.groups());
                compiler.add(list, rule, hir.map(|hir| (hir, kind.clone())));
            }
        }
        compiler.add_grounds(additions);
        for (tag, given) in &additions.codes {
            let rule = Rule::Given(given.replace("\r\n", "\n"));
            compiler.add("codes", tag, literal(tag).map(|hir| (hir, rule)));
        }
        let rules = compiler.build(additions.only);
        (rules, compiler.refused)
    }

    pub(crate) fn with_default(&self) -> bool {
        !self.only
    }

    /// Where the next rule is met from a place on, `end` if that is not before it.
    pub(crate) fn find(&self, text: &str, from: usize, end: usize, found: &mut Found) -> usize {
        if !found.searched || found.start < from {
            *found = match self.regex.find(Input::new(text).range(from..)) {
                Some(met) => Found {
                    start: met.start(),
                    end: met.end(),
                    pattern: met.pattern().as_usize(),
                    searched: true,
                },
                None => Found::NOTHING,
            };
        }
        if found.end > end { end } else { found.start }
    }

    /// What is met at a place, if the last search found it there, and its length.
    pub(crate) fn at<'a>(
        &'a self,
        text: &str,
        at: usize,
        found: &Found,
    ) -> Option<(Meaning<'a>, usize)> {
        if found.start != at || !found.searched {
            return None;
        }
        let meaning = match &self.kinds[found.pattern] {
            Rule::Given(given) => Meaning::Given(given),
            Rule::Ground(colour) => Meaning::Change(Change::Background(*colour)),
            Rule::Cube { behind } => {
                let [red, green, blue] = self.parts(text, found)?;
                let part = |text: &str| text.parse().ok().filter(|part| *part <= 5);
                colour(Colour::cube(part(red)?, part(green)?, part(blue)?), *behind)
            }
            Rule::Grey { behind } => {
                let [letter] = self.parts(text, found)?;
                let &[letter @ b'a'..=b'z'] = letter.as_bytes() else {
                    return None;
                };
                colour(Colour::grey(letter), *behind)
            }
        };
        Some((meaning, found.end - found.start))
    }

    /// What the groups of a match hold, those that took no part left out.
    fn parts<'t, const N: usize>(&self, text: &'t str, found: &Found) -> Option<[&'t str; N]> {
        let mut captures = self.regex.create_captures();
        let pattern = PatternID::new(found.pattern).ok()?;
        let input = Input::new(text)
            .range(found.start..found.end)
            .anchored(Anchored::Pattern(pattern));
        self.regex.captures(input, &mut captures);
        let groups = captures.iter().skip(1).flatten();
        let parts: Vec<_> = groups.map(|span| &text[span.range()]).collect();
        parts.try_into().ok()
    }
}

fn colour(colour: Colour, behind: bool) -> Meaning<'static> {
    Meaning::Change(if behind {
        Change::Background(colour)
    } else {
        Change::Foreground(colour, None)
    })
}

impl Rule {
    fn groups(&self) -> usize {
        match self {
            Self::Cube { .. } => 3,
            Self::Grey { .. } => 1,
            Self::Given(_) | Self::Ground(_) => 0,
        }
    }
}

impl Found {
    const NOTHING: Self = Self {
        start: usize::MAX,
        end: usize::MAX,
        pattern: 0,
        searched: true,
    };
}

/// Collects the rules that can be followed, and those that cannot.
#[derive(Default)]
struct Compiler {
    rules: Vec<(String, Hir, Rule)>,
    refused: Vec<Refused>,
}

impl Compiler {
    fn add(&mut self, list: &'static str, rule: &str, read: Result<(Hir, Rule), String>) {
        match read {
            Ok((hir, kind)) => self.rules.push((rule.to_owned(), hir, kind)),
            Err(reason) => self.refuse(list, rule, reason),
        }
    }

    fn refuse(&mut self, list: &'static str, rule: &str, reason: String) {
        self.refused.push(Refused {
            list,
            rule: rule.to_owned(),
            reason,
        });
    }

    /// Add the bright backgrounds, before all others: their tags are longer than those of which
    /// they are made.
    fn add_grounds(&mut self, additions: &Additions) {
        let others = std::mem::take(&mut self.rules);
        for (tag, ground) in &additions.bright_backgrounds {
            let colour = meant_ground(ground, &others, additions.only)
                .ok_or_else(|| format!("{ground:?} is no background of the palette"));
            let read = colour.and_then(|colour| Ok((literal(tag)?, Rule::Ground(colour))));
            self.add("bright_backgrounds", tag, read);
        }
        self.rules.extend(others);
    }

    fn build(&mut self, only: bool) -> Option<Rules> {
        let mut kinds: Vec<Rule> = Vec::new();
        let mut hirs: Vec<Hir> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (rule, hir, kind) in std::mem::take(&mut self.rules) {
            // A tag that comes twice means what it is said to mean last.
            if let (Rule::Given(_), Some(place)) = (&kind, places.get(&rule)) {
                kinds[*place] = kind;
                continue;
            }
            if matches!(kind, Rule::Given(_)) {
                places.insert(rule, kinds.len());
            }
            hirs.push(hir);
            kinds.push(kind);
        }
        if hirs.is_empty() && !only {
            return None;
        }
        match Regex::builder().build_many_from_hir(&hirs) {
            Ok(regex) => Some(Rules { only, regex, kinds }),
            Err(error) => {
                self.refuse("codes", "all of them together", one_line(&error));
                None
            }
        }
    }
}

/// The colour of a tag of a background, if the whole of it is one.
fn meant_ground(tag: &str, rules: &[(String, Hir, Rule)], only: bool) -> Option<Colour> {
    if let Some(rest) = tag.strip_prefix("|[").filter(|_| !only) {
        return background(rest.as_bytes())
            .filter(|(_, length)| *length == rest.len())
            .map(|(colour, _)| colour);
    }
    rules.iter().find_map(|(_, hir, rule)| {
        let regex = Regex::builder().build_from_hir(hir).ok()?;
        let only_rule = Rules {
            only,
            regex,
            kinds: vec![rule.clone()],
        };
        let mut found = Found::default();
        only_rule.find(tag, 0, tag.len(), &mut found);
        match only_rule.at(tag, 0, &found)? {
            (Meaning::Change(Change::Background(colour)), length) if length == tag.len() => {
                Some(colour)
            }
            _ => None,
        }
    })
}

/// Read a regular expression; it must have groups for the parts of a colour.
fn read(rule: &str, groups: usize) -> Result<Hir, String> {
    let hir = ParserBuilder::new()
        .dot_matches_new_line(true)
        .build()
        .parse(rule)
        .map_err(|error| one_line(&error))?;
    let properties = hir.properties();
    if properties.explicit_captures_len() < groups {
        let plural = if groups == 1 { "" } else { "s" };
        return Err(format!("expected {groups} group{plural} in it"));
    }
    let lengths = (properties.minimum_len(), properties.maximum_len());
    check_length(lengths.0.unwrap_or_default(), lengths.1)?;
    Ok(hir)
}

fn literal(tag: &str) -> Result<Hir, String> {
    check_length(tag.len(), Some(tag.len()))?;
    Ok(Hir::literal(tag.as_bytes()))
}

fn check_length(least: usize, most: Option<usize>) -> Result<(), String> {
    if least == 0 {
        return Err("it stands for an empty text".to_owned());
    }
    if most.is_none_or(|most| most > LONGEST_MATCH) {
        return Err(format!("it may stand for more than {LONGEST_MATCH} bytes"));
    }
    Ok(())
}

/// What is wrong, without the picture of the expression above it.
pub(crate) fn one_line(error: &impl ToString) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
