//! Codes that games add, and texts that are as hostile as can be.

use markup::{Abilities, Additions, LONGEST_MATCH, Markup, Refused, Speech};
use proptest::prelude::*;

const PALETTE: Abilities = Abilities {
    ansi: true,
    xterm256: true,
    truecolour: false,
    mxp: false,
};

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|each| (*each).to_owned()).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(tag, given)| ((*tag).to_owned(), (*given).to_owned()))
        .collect()
}

fn mux() -> Additions {
    Additions {
        codes: pairs(&[
            ("%cn", "\x1b[0m"),
            ("%ch", "\x1b[1m"),
            ("%cr", "\x1b[31m"),
            ("%r", "\r\n"),
            ("%t", "\t"),
            ("|x", "\x1b[4mold\x1b"),
            ("|x", "\x1b[4mnew\x1b"),
            ("%e", ""),
        ]),
        bright_backgrounds: pairs(&[("%ch%cR", "%c[500"), ("%ch%cX", "|[222"), ("%g", "%c[=m")]),
        foregrounds: texts(&["%c([0-5])([0-5])([0-5])", r"%([0-9])\.([0-9])\.([0-9])"]),
        backgrounds: texts(&[r"%c\[([0-5])([0-5])([0-5])"]),
        grey_foregrounds: texts(&["%c=([a-z])|%=(.)"]),
        grey_backgrounds: texts(&[r"%c\[=([a-z])"]),
        only: false,
    }
}

#[test]
fn a_game_has_codes_of_its_own() {
    let (markup, refused) = Markup::new(&mux());
    assert_eq!(refused, []);
    for (text, shown) in [
        ("a%cr%chb%rc", "a\x1b[31m\x1b[1mb\nc\x1b[0m"),
        ("%c500a%c[050b", "\x1b[38;5;196ma\x1b[48;5;46mb\x1b[0m"),
        (
            "%c=ba%c[=zb%=y",
            "\x1b[38;5;232ma\x1b[48;5;231mb\x1b[38;5;255m\x1b[0m",
        ),
        (
            "%ch%cRa%ch%cXb%gc",
            "\x1b[48;5;196ma\x1b[48;5;102mb\x1b[48;5;243mc\x1b[0m",
        ),
        ("|ra|xb|n", "\x1b[1m\x1b[31ma\x1b[4mnew\x1bb\x1b[0m"),
        ("%5.0.0a", "\x1b[38;5;196ma\x1b[0m"),
        // No colours: they stay.
        ("%9.0.0%=A%=\u{e9}%c50", "%9.0.0%=A%=\u{e9}%c50"),
        ("||x%%r%e.%", "|x%\n.%"),
        ("|lc%cr|lt%ra|le%r", "\na\n"),
    ] {
        assert_eq!(markup.to_terminal(text, PALETTE), shown, "{text:?}");
    }
    assert_eq!(
        markup.to_html("%cra", true),
        "<span class=\"color-001\">a</span>"
    );
    assert_eq!(markup.to_html("plain", true), "plain");
}

#[test]
fn a_game_may_have_none_of_the_usual_codes() {
    let only = Additions {
        only: true,
        bright_backgrounds: pairs(&[("{[r", "{[500")]),
        backgrounds: texts(&[r"\{\[([0-5])([0-5])([0-5])"]),
        ..Additions::default()
    };
    let (markup, refused) = Markup::new(&only);
    assert_eq!(refused, []);
    let text = "|r|500|[r|/||{{{[r|#f00|[#0f0|lca|ltb|le|#|[|";
    let shown = "|r|500|[r|/|{\x1b[48;5;196m\x1b[38;5;196m\x1b[48;5;46mb|#|[|\x1b[0m";
    assert_eq!(markup.to_terminal(text, PALETTE), shown);
    let (nothing, _) = Markup::new(&Additions {
        only: true,
        ..Additions::default()
    });
    assert_eq!(nothing.to_plain("|ra||"), "|ra|");
}

#[test]
fn what_cannot_be_followed_is_named_and_left_out() {
    let long = "%".repeat(LONGEST_MATCH + 1);
    let (markup, refused) = Markup::new(&Additions {
        codes: pairs(&[("", "x"), (&long, "x"), ("%r", "\n")]),
        bright_backgrounds: pairs(&[("%R", "%500"), ("%G", "|[5000"), ("%B", "|[")]),
        foregrounds: texts(&[
            "([0-5",
            "%([0-5])",
            "(a)(b)(c)+",
            "(?=x)(a)(b)(c)",
            r"(a)(b)\1",
        ]),
        backgrounds: texts(&["()()()"]),
        grey_foregrounds: texts(&["%[a-z]"]),
        ..Additions::default()
    });
    let named: Vec<_> = refused
        .iter()
        .map(|Refused { list, reason, .. }| (*list, reason.as_str()))
        .collect();
    let too_long = "it may stand for more than 64 bytes";
    assert_eq!(
        named,
        [
            ("foregrounds", "unclosed character class"),
            ("foregrounds", "expected 3 groups in it"),
            ("foregrounds", too_long),
            (
                "foregrounds",
                "look-around, including look-ahead and look-behind, is not supported"
            ),
            ("foregrounds", "backreferences are not supported"),
            ("backgrounds", "it stands for an empty text"),
            ("grey_foregrounds", "expected 1 group in it"),
            (
                "bright_backgrounds",
                "\"%500\" is no background of the palette"
            ),
            (
                "bright_backgrounds",
                "\"|[5000\" is no background of the palette"
            ),
            (
                "bright_backgrounds",
                "\"|[\" is no background of the palette"
            ),
            ("codes", "it stands for an empty text"),
            ("codes", too_long),
        ]
    );
    assert_eq!(markup.to_plain("a%rb|r"), "a\nb");
}

#[test]
fn a_screen_reader_is_spared() {
    let speech = Speech::new(r"\+-+|\+$|\+~|--+|~~+|==+").unwrap_or_else(|error| panic!("{error}"));
    for (text, left) in [
        ("+----+\n| a |\n+====+", "\n| a |\n+"),
        ("well-known - and -- x", "well-known - and  x"),
        ("~~~ a+\nb+", " a\nb"),
        ("plain", "plain"),
        ("--", ""),
    ] {
        assert_eq!(speech.strip(text), left, "{text:?}");
    }
    assert!(Speech::new("(").is_err());
}

/// Parts of codes, in which they meet. (How long a megabyte of each takes is tested from Python.)
const HOSTILE: &[&str] = &[
    "|",
    "||",
    "|l",
    "|lc",
    "|lu",
    "|lt",
    "|le",
    "|lca|lt",
    "|lca|ltb|le",
    "|lc|lt",
    "|[",
    "|#",
    "|#12",
    "\x1b",
    "\x1b[",
    "\x1b[1",
    "\x1b[1;",
    "\x1b[1m",
    "1;",
    "{",
    "{{",
    "http://",
    "www.",
    "http:",
    "://",
    "www.a.bc/",
    "w",
    ":",
    "&",
    "<",
    "|r",
    "|r|n",
    "|500",
    "|=a",
    "%",
    "%c",
    "%cr",
    "%c5",
    "%ch%c",
    "-",
    "+",
    "+-",
    "=~",
    "\u{e9}",
    "\n",
    "\r",
    "|x",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_upsets_the_codes_of_a_game(
        parts in prop::collection::vec(prop::sample::select(HOSTILE), 0..24)
    ) {
        let (markup, _) = Markup::new(&mux());
        let text = parts.concat();
        let _ = markup.to_html(&text, true);
        let plain = markup.to_plain(&text).into_owned();
        prop_assert!(!plain.contains("|x|n"));
    }

    #[test]
    fn no_rule_upsets_the_markup(rule in "[%(|)\\[\\]a0-5*+?.^$\\\\{},]{0,12}", text in "[%a0-5|]{0,24}") {
        let list = vec![rule.clone()];
        let (markup, _) = Markup::new(&Additions {
            codes: vec![(rule.clone(), "x".to_owned())],
            bright_backgrounds: vec![(rule.clone(), rule.clone())],
            foregrounds: list.clone(),
            backgrounds: list.clone(),
            grey_foregrounds: list.clone(),
            grey_backgrounds: list,
            only: false,
        });
        let _ = markup.to_html(&text, true);
        let _ = Speech::new(&rule).map(|speech| speech.strip(&text).len());
    }
}
