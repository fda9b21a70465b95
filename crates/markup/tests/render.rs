//! One table of texts, and what each kind of player sees of them.

use markup::{Change, Piece, Style, pieces, to_ansi, to_html, to_plain};
use proptest::prelude::*;
use std::borrow::Cow;

/// text, ANSI, HTML, plain
const TEXTS: &[(&str, &str, &str, &str)] = &[
    ("", "", "", ""),
    ("look", "look", "look", "look"),
    (
        "|rred|n",
        "\x1b[1m\x1b[31mred\x1b[0m",
        r#"<span class="color-009">red</span>"#,
        "red",
    ),
    (
        "|Rred",
        "\x1b[22m\x1b[31mred",
        r#"<span class="color-001">red</span>"#,
        "red",
    ),
    (
        "|[rback|nfront",
        "\x1b[41mback\x1b[0mfront",
        r#"<span class="bgcolor-009">back</span>front"#,
        "backfront",
    ),
    (
        "|[Bback",
        "\x1b[44mback",
        r#"<span class="bgcolor-004">back</span>"#,
        "back",
    ),
    (
        "|y|[Xboth|g!|n",
        "\x1b[1m\x1b[33m\x1b[40mboth\x1b[1m\x1b[32m!\x1b[0m",
        r#"<span class="color-011 bgcolor-000">both</span><span class="color-010 bgcolor-000">!</span>"#,
        "both!",
    ),
    (
        "|xgrey|Xblack",
        "\x1b[1m\x1b[30mgrey\x1b[22m\x1b[30mblack",
        r#"<span class="color-008">grey</span><span class="color-000">black</span>"#,
        "greyblack",
    ),
    (
        "|ha|Gb|hc|Hd",
        "\x1b[1ma\x1b[22m\x1b[32mb\x1b[1mc\x1b[22md",
        concat!(
            r#"<span class="color-015">a</span><span class="color-002">b</span>"#,
            r#"<span class="color-010">c</span><span class="color-002">d</span>"#
        ),
        "abcd",
    ),
    ("a|/b|-c|_d", "a\nb\tc d", "a\nb\tc d", "a\nb\tc d"),
    ("a||b||||c|||n", "a|b||c|\x1b[0m", "a|b||c|", "a|b||c|"),
    ("|r|n", "\x1b[1m\x1b[31m\x1b[0m", "", ""),
    // No codes: they stay.
    ("|", "|", "|", "|"),
    ("a|", "a|", "a|", "a|"),
    ("|[", "|[", "|[", "|["),
    ("|[q|z|5|é", "|[q|z|5|é", "|[q|z|5|é", "|[q|z|5|é"),
    ("\x1b", "\x1b", "\x1b", "\x1b"),
    (
        "\x1b[2J\x1b[31",
        "\x1b[2J\x1b[31",
        "\x1b[2J\x1b[31",
        "\x1b[2J\x1b[31",
    ),
    (
        "\x07bell\x08",
        "\x07bell\x08",
        "\x07bell\x08",
        "\x07bell\x08",
    ),
    // What a game wrote as ANSI itself.
    (
        "\x1b[1;31mred\x1b[m.",
        "\x1b[1;31mred\x1b[m.",
        r#"<span class="color-009">red</span>."#,
        "red.",
    ),
    (
        "\x1b[38;5;208mx\x1b[39;48;5;16my\x1b[49mz",
        "\x1b[38;5;208mx\x1b[39;48;5;16my\x1b[49mz",
        r#"<span class="color-208">x</span><span class="bgcolor-016">y</span>z"#,
        "xyz",
    ),
    (
        "\x1b[38;2;1;31;4mx\x1b[4;38:5:1;999mx\x1b[38mx\x1b[48;7mx\x1b[38;5mx",
        "\x1b[38;2;1;31;4mx\x1b[4;38:5:1;999mx\x1b[38mx\x1b[48;7mx\x1b[38;5mx",
        "xxxxx",
        "xxxxx",
    ),
    (
        "\x1b[95;102ma\x1b[22;35;42mb",
        "\x1b[95;102ma\x1b[22;35;42mb",
        r#"<span class="color-013 bgcolor-010">a</span><span class="color-005 bgcolor-002">b</span>"#,
        "ab",
    ),
    // Nothing of a text becomes HTML.
    (
        r#"<b class="x">a & b's|r<|n"#,
        "<b class=\"x\">a & b's\x1b[1m\x1b[31m<\x1b[0m",
        concat!(
            "&lt;b class=&quot;x&quot;&gt;a &amp; b&#x27;s",
            r#"<span class="color-009">&lt;</span>"#
        ),
        r#"<b class="x">a & b's<"#,
    ),
];

#[test]
fn every_player_sees_their_form() {
    for (text, ansi, html, plain) in TEXTS {
        assert_eq!(to_ansi(text), *ansi, "ANSI of {text:?}");
        assert_eq!(to_html(text), *html, "HTML of {text:?}");
        assert_eq!(to_plain(text), *plain, "plain of {text:?}");
    }
}

#[test]
fn every_colour_has_its_number() {
    for (number, letter) in "xrgybmcw".chars().enumerate() {
        let dark = letter.to_ascii_uppercase();
        let bright_ansi = format!("\x1b[1m\x1b[3{number}m\x1b[4{number}m");
        let dark_ansi = format!("\x1b[22m\x1b[3{number}m\x1b[4{number}m");
        assert_eq!(to_ansi(&format!("|{letter}|[{letter}")), bright_ansi);
        assert_eq!(to_ansi(&format!("|{dark}|[{dark}")), dark_ansi);
    }
}

#[test]
fn what_has_no_codes_is_not_copied() {
    assert!(matches!(to_ansi("a < b"), Cow::Borrowed("a < b")));
    assert!(matches!(to_plain("a < b"), Cow::Borrowed("a < b")));
    assert!(matches!(to_html("a b"), Cow::Borrowed("a b")));
}

#[test]
fn text_is_handed_out_in_runs() {
    let found: Vec<Piece<'_>> = pieces("a|q b||\x1b[1mc|[Rd").collect();
    let expected = [
        Piece::Text("a|q b"),
        Piece::Text("|"),
        Piece::Sgr("1"),
        Piece::Text("c"),
        Piece::Change(Change::Background {
            colour: 1,
            bright: false,
        }),
        Piece::Text("d"),
    ];
    assert_eq!(found, expected);
}

/// Texts in which codes, ANSI and HTML meet.
fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            3 => prop::sample::select(vec![
                "|", "||", "|r", "|R", "|[g", "|[", "|n", "|/", "|h", "\x1b", "\x1b[", "1;31m",
                "\x1b[0m", "<", ">", "&", "\"", "'", "</span>", "<span class=\"color-001\">",
            ])
            .prop_map(str::to_owned),
            1 => "\\PC{0,3}",
            1 => any::<char>().prop_map(String::from),
        ],
        0..24,
    )
    .prop_map(|parts| parts.concat())
}

/// Take out the spans of ours; None where one is not closed or closed without being open.
fn without_spans(html: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find("<span class=\"") {
        out.push_str(&rest[..at]);
        let (tag, inside) = rest[at..].split_once("\">")?;
        tag.bytes()
            .skip(13)
            .all(|each| b"color-bg 0123456789".contains(&each))
            .then_some(())?;
        let (inside, after) = inside.split_once("</span>")?;
        out.push_str(inside);
        rest = after;
    }
    Some(out + rest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn html_holds_no_tag_but_ours(text in text()) {
        let html = to_html(&text);
        let shown = without_spans(&html);
        prop_assert!(shown.is_some(), "spans of {html:?}");
        let shown = shown.unwrap_or_default();
        prop_assert!(!shown.contains(['<', '>', '"', '\'']), "{html:?}");
        let read = shown
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#x27;", "'")
            .replace("&amp;", "&");
        prop_assert_eq!(read, to_plain(&text));
    }

    #[test]
    fn plain_text_stays(text in "[^|\\x1b]*") {
        prop_assert_eq!(to_plain(&text), text.as_str());
        prop_assert_eq!(to_ansi(&text), text.as_str());
    }

    #[test]
    fn ansi_and_plain_show_the_same_text(text in text()) {
        // A literal `|` may form a code with what follows: the second time it is escaped.
        let ansi = to_ansi(&text).replace('|', "||");
        let plain = to_plain(&text).into_owned();
        prop_assert_eq!(to_plain(&ansi), plain);
    }

    #[test]
    fn an_escaped_text_is_shown_as_it_was(text in "[^\\x1b]*") {
        let escaped = text.replace('|', "||");
        prop_assert_eq!(to_plain(&escaped), text.as_str());
    }

    #[test]
    fn no_parameters_upset_a_style(parameters in "[0-9;:]{0,24}") {
        let mut style = Style::default();
        style.apply_sgr(&parameters);
        style.apply_sgr("0");
        prop_assert_eq!(style, Style::default());
    }
}
