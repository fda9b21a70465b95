//! One table of texts, and what each kind of player sees of them.

use markup::{Abilities, Change, Colour, Markup, Piece, Style, text_to_html};
use proptest::prelude::*;
use std::borrow::Cow;

const SIXTEEN: Abilities = Abilities {
    ansi: true,
    xterm256: false,
    truecolour: false,
    mxp: false,
};
const PALETTE: Abilities = Abilities {
    xterm256: true,
    ..SIXTEEN
};
const ALL: Abilities = Abilities {
    truecolour: true,
    ..PALETTE
};
const MXP: Abilities = Abilities {
    mxp: true,
    ..SIXTEEN
};

fn to_ansi(text: &str) -> String {
    Markup::default().to_terminal(text, SIXTEEN).into_owned()
}

fn to_html(text: &str) -> String {
    Markup::default().to_html(text, true).into_owned()
}

fn to_plain(text: &str) -> String {
    Markup::default().to_plain(text).into_owned()
}

/// text, ANSI of sixteen colours, HTML, plain
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
        "\x1b[22m\x1b[31mred\x1b[0m",
        r#"<span class="color-001">red</span>"#,
        "red",
    ),
    (
        "|[rback|nfront",
        "\x1b[41mback\x1b[0mfront",
        r#"<span class="bgcolor-196">back</span>front"#,
        "backfront",
    ),
    (
        "|[Bback\r\n",
        "\x1b[44mback\x1b[0m\r\n",
        r#"<span class="bgcolor-004">back<br></span>"#,
        "back\r\n",
    ),
    (
        "|y|[Xboth|g!|n",
        "\x1b[1m\x1b[33m\x1b[40mboth\x1b[1m\x1b[32m!\x1b[0m",
        r#"<span class="bgcolor-000 color-011">both</span><span class="bgcolor-000 color-010">!</span>"#,
        "both!",
    ),
    (
        "|xgrey|Xblack|n",
        "\x1b[1m\x1b[30mgrey\x1b[22m\x1b[30mblack\x1b[0m",
        r#"<span class="color-008">grey</span><span class="color-000">black</span>"#,
        "greyblack",
    ),
    (
        "|ha|Gb|hc|Hd|!Re|n",
        "\x1b[1ma\x1b[22m\x1b[32mb\x1b[1mc\x1b[22md\x1b[31me\x1b[0m",
        concat!(
            r#"<span class="color-015">a</span><span class="color-002">b</span>"#,
            r#"<span class="color-010">c</span><span class="color-002">d</span>"#,
            r#"<span class="color-001">e</span>"#
        ),
        "abcde",
    ),
    (
        "|uu|Un|ii|In|ss|Sn|^b|n",
        "\x1b[4mu\x1b[24mn\x1b[3mi\x1b[23mn\x1b[9ms\x1b[29mn\x1b[5mb\x1b[0m",
        concat!(
            r#"<span class="underline">u</span>n<span class="italic">i</span>n"#,
            r#"<span class="strikethrough">s</span>n<span class="blink">b</span>"#
        ),
        "uninsnb",
    ),
    (
        "|*a|rb|[Gc|n",
        "\x1b[7ma\x1b[1m\x1b[31mb\x1b[42mc\x1b[0m",
        concat!(
            r#"<span class="bgcolor-007 color-000">a</span>"#,
            r#"<span class="bgcolor-009 color-000">b</span>"#,
            r#"<span class="bgcolor-009 color-002">c</span>"#
        ),
        "abc",
    ),
    (
        "|500a|[050b|=kc|[=zd|#ff8000e|[#08fg|n",
        concat!(
            "\x1b[1m\x1b[31ma\x1b[42mb\x1b[1m\x1b[30mc\x1b[47md",
            "\x1b[1m\x1b[31me\x1b[44mg\x1b[0m"
        ),
        concat!(
            r#"<span class="color-196">a</span><span class="bgcolor-046 color-196">b</span>"#,
            r#"<span class="bgcolor-046 color-241">c</span>"#,
            r#"<span class="bgcolor-231 color-241">d</span>"#,
            r#"<span class="bgcolor-231" style="color: #ff8000;">e</span>"#,
            r#"<span class="" style="color: #ff8000;background-color: #0088ff;">g</span>"#
        ),
        "abcdeg",
    ),
    (
        "a|/b|-c|_d|>e",
        "a\nb\tc d    e",
        "a<br>b    c d    e",
        "a\nb\tc d    e",
    ),
    ("a||b||||c|||n", "a|b||c|\x1b[0m", "a|b||c|", "a|b||c|"),
    ("{{r {r {{{", "{r {r {{", "{r {r {{", "{r {r {{"),
    ("|r|n", "\x1b[1m\x1b[31m\x1b[0m", "", ""),
    // No codes: they stay.
    ("|", "|", "|", "|"),
    ("a|", "a|", "a|", "a|"),
    ("|[", "|[", "|[", "|["),
    (
        "|[q|z|5|é|60",
        "|[q|z|5|é|60",
        "|[q|z|5|é|60",
        "|[q|z|5|é|60",
    ),
    (
        "|!r|=A|=|12|[=|#12|#é|[#x",
        "|!r|=A|=|12|[=|#12|#é|[#x",
        "|!r|=A|=|12|[=|#12|#é|[#x",
        "|!r|=A|=|12|[=|#12|#é|[#x",
    ),
    ("\x1b", "\x1b", "", "\x1b"),
    (
        "\x1b[2J\x1b[31\x1b[?1h",
        "\x1b[2J\x1b[31\x1b[?1h",
        "[31",
        "\x1b[2J\x1b[31\x1b[?1h",
    ),
    ("\x07bell\x08", "\x07bell\x08", "bell", "\x07bell\x08"),
    // What a game wrote as ANSI itself.
    (
        "\x1b[1;31mred\x1b[m.",
        "\x1b[1;31mred\x1b[m.",
        r#"<span class="color-009">red</span>."#,
        "red.",
    ),
    (
        "\x1b[38;5;208mx\x1b[39;48;5;16my\x1b[49mz\x1b[0m",
        "\x1b[38;5;208mx\x1b[39;48;5;16my\x1b[49mz\x1b[0m",
        r#"<span class="color-208">x</span><span class="bgcolor-016">y</span>z"#,
        "xyz",
    ),
    (
        "\x1b[38;2;1;31;4mx\x1b[0;4;38:5:1;999mx\x1b[24;38mx\x1b[48;7mx\x1b[38;5mx\x1b[0m",
        "\x1b[38;2;1;31;4mx\x1b[0;4;38:5:1;999mx\x1b[24;38mx\x1b[48;7mx\x1b[38;5mx\x1b[0m",
        r#"<span class="" style="color: #011f04;">x</span><span class="underline">x</span>xxx"#,
        "xxxxx",
    ),
    (
        "\x1b[95;102ma\x1b[22;35;42mb\x1b[0m",
        "\x1b[95;102ma\x1b[22;35;42mb\x1b[0m",
        r#"<span class="bgcolor-010 color-013">a</span><span class="bgcolor-002 color-005">b</span>"#,
        "ab",
    ),
    (
        "\x1b[3;4;5;7;9ma\x1b[23;24;25;27;29mb\x1b[0m",
        "\x1b[3;4;5;7;9ma\x1b[23;24;25;27;29mb\x1b[0m",
        r#"<span class="underline blink italic strikethrough bgcolor-007 color-000">a</span>b"#,
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
    let bright_grounds = [102, 196, 46, 226, 21, 201, 51, 231];
    for (number, letter) in "xrgybmcw".chars().enumerate() {
        let dark = letter.to_ascii_uppercase();
        let ground = if letter == 'x' { 0 } else { number };
        let bright_ansi = format!("\x1b[1m\x1b[3{number}m\x1b[4{ground}m\x1b[0m");
        let dark_ansi = format!("\x1b[22m\x1b[3{number}m\x1b[4{number}m\x1b[0m");
        assert_eq!(to_ansi(&format!("|{letter}|[{letter}")), bright_ansi);
        assert_eq!(to_ansi(&format!("|{dark}|[{dark}")), dark_ansi);
        let bright_palette = format!("\x1b[48;5;{}m\x1b[0m", bright_grounds[number]);
        let shown = Markup::default();
        assert_eq!(
            shown.to_terminal(&format!("|[{letter}"), PALETTE),
            bright_palette
        );
    }
}

/// code, and what is sent for sixteen colours, for the palette, and for all
const COLOURS: &[(&str, &str, &str, &str)] = &[
    (
        "|500",
        "\x1b[1m\x1b[31m",
        "\x1b[38;5;196m",
        "\x1b[38;5;196m",
    ),
    ("|100", "\x1b[22m\x1b[31m", "\x1b[38;5;52m", "\x1b[38;5;52m"),
    ("|[123", "\x1b[44m", "\x1b[48;5;67m", "\x1b[48;5;67m"),
    ("|=a", "\x1b[22m\x1b[30m", "\x1b[38;5;16m", "\x1b[38;5;16m"),
    (
        "|=b",
        "\x1b[22m\x1b[30m",
        "\x1b[38;5;232m",
        "\x1b[38;5;232m",
    ),
    ("|=y", "\x1b[1m\x1b[37m", "\x1b[38;5;255m", "\x1b[38;5;255m"),
    (
        "|#ff0000",
        "\x1b[1m\x1b[31m",
        "\x1b[38;5;196m",
        "\x1b[38;2;255;0;0m",
    ),
    (
        "|[#414141",
        "\x1b[40m",
        "\x1b[48;5;16m",
        "\x1b[48;2;65;65;65m",
    ),
    (
        "|#696969",
        "\x1b[1m\x1b[30m",
        "\x1b[38;5;102m",
        "\x1b[38;2;105;105;105m",
    ),
    (
        "|r",
        "\x1b[1m\x1b[31m",
        "\x1b[1m\x1b[31m",
        "\x1b[1m\x1b[31m",
    ),
];

#[test]
fn a_terminal_is_sent_what_it_can_show() {
    let markup = Markup::default();
    for (code, sixteen, palette, all) in COLOURS {
        for (abilities, expected) in [(SIXTEEN, sixteen), (PALETTE, palette), (ALL, all)] {
            let shown = markup.to_terminal(code, abilities);
            assert_eq!(
                shown,
                format!("{expected}\x1b[0m"),
                "{code} for {abilities:?}"
            );
        }
        assert_eq!(markup.to_plain(code), "");
    }
}

/// text, without MXP, with MXP, HTML
const LINKS: &[(&str, &str, &str, &str)] = &[
    (
        "go |lcnorth \"x\" & y|ltNorth <|le!",
        "go North <!",
        "go \x1b[4z<SEND HREF=\"north &quot;x&quot; &amp; y\">North &lt;\x1b[4z</SEND>!",
        concat!(
            r##"go <a id="mxplink" href="#" onclick="Evennia.msg(&quot;text&quot;,"##,
            r#"[&quot;north \&quot;x\&quot; &amp; y&quot;],{});return false;">North &lt;</a>!"#
        ),
    ),
    (
        "|luhttps://a.b/?c=1&d=2|ltsite|le.",
        "https://a.b/?c=1&d=2.",
        "\x1b[4z<A HREF=\"https://a.b/?c=1&amp;d=2\">site\x1b[4z</A>.",
        concat!(
            r#"<a id="mxplink" href="https://a.b/?c=1&amp;d=2" target="_blank" "#,
            r#"rel="noopener noreferrer">site</a>."#
        ),
    ),
    (
        "|lujavascript:alert(1)|ltsite|le",
        "javascript:alert(1)",
        "javascript:alert(1)",
        "site",
    ),
    (
        "|lcx\\\u{2028}\n\x1b[1z|rred|lta|le",
        "a",
        "\x1b[4z<SEND HREF=\"x\\\u{2028} red\">a\x1b[4z</SEND>",
        concat!(
            r##"<a id="mxplink" href="#" onclick="Evennia.msg(&quot;text&quot;,"##,
            r#"[&quot;x\\  red&quot;],{});return false;">a</a>"#
        ),
    ),
    // Colours go on behind a link, but no span reaches over its ends.
    (
        "|ra|lcb|ltc|gd|lee|n",
        "\x1b[1m\x1b[31mac\x1b[1m\x1b[32mde\x1b[0m",
        "\x1b[1m\x1b[31ma\x1b[4z<SEND HREF=\"b\">c\x1b[1m\x1b[32md\x1b[4z</SEND>e\x1b[0m",
        concat!(
            r##"<span class="color-009">a</span><a id="mxplink" href="#" onclick="Evennia.msg("##,
            r#"&quot;text&quot;,[&quot;b&quot;],{});return false;"><span class="color-009">c</span>"#,
            r#"<span class="color-010">d</span></a><span class="color-010">e</span>"#
        ),
    ),
    // What is no link stays.
    (
        "||lca||ltb||le",
        "|lca|ltb|le",
        "|lca|ltb|le",
        "|lca|ltb|le",
    ),
    ("|lca|ltb", "|lca|ltb", "|lca|ltb", "|lca|ltb"),
    ("|lca|ltb||le", "|lca|ltb|le", "|lca|ltb|le", "|lca|ltb|le"),
    (
        "|lta|le|lqb|l",
        "|lta|le|lqb|l",
        "|lta|le|lqb|l",
        "|lta|le|lqb|l",
    ),
    // A link within a link is text.
    (
        "|lca|ltb|lcc|ltd|lee",
        "b|lcc|ltde",
        "\x1b[4z<SEND HREF=\"a\">b|lcc|ltd\x1b[4z</SEND>e",
        concat!(
            r##"<a id="mxplink" href="#" onclick="Evennia.msg(&quot;text&quot;,[&quot;a&quot;]"##,
            r#",{});return false;">b|lcc|ltd</a>e"#
        ),
    ),
    (
        "|lc|lca|lt|le",
        "",
        "\x1b[4z<SEND HREF=\"|lca\">\x1b[4z</SEND>",
        concat!(
            r##"<a id="mxplink" href="#" onclick="Evennia.msg(&quot;text&quot;,[&quot;|lca"##,
            r#"&quot;],{});return false;"></a>"#
        ),
    ),
    // Sequences of MXP that a player wrote do nothing.
    (
        "\x1b[1z<send>\x1b[2J\x1b\x1b[4|nz",
        "\x1b[1z<send>\x1b[2J\x1b\x1b[4\x1b[0mz",
        "&lt;send&gt;\x1b[2J[4\x1b[0mz",
        "&lt;send&gt;[4z",
    ),
];

#[test]
fn links_can_be_clicked_where_that_is_known() {
    let markup = Markup::default();
    for (text, plain, mxp, html) in LINKS {
        assert_eq!(to_ansi(text), *plain, "{text:?}");
        assert_eq!(markup.to_terminal(text, MXP), *mxp, "MXP of {text:?}");
        assert_eq!(markup.to_html(text, true), *html, "HTML of {text:?}");
    }
    assert!(markup.to_html("|r|lca|ltb|le", false).ends_with("\">b</a>"));
}

#[test]
fn addresses_in_a_text_become_links() {
    let table = [
        (
            "see http://a.b/c?x=1&y=2. Now",
            "see ",
            "http://a.b/c?x=1&y=2",
            ". Now",
        ),
        ("(HTTPS: https://a.b)", "(HTTPS: ", "https://a.b", ")"),
        ("ftp://a.b/\u{e9}!", "", "ftp://a.b/\u{e9}", "!"),
        ("www.example.com/x, www.", "", "www.example.com/x", ", www."),
        ("\"http://a:80\"", "\"", "http://a:80", "\""),
    ];
    for (text, before, address, after) in table {
        let scheme = if address.contains("://") {
            ""
        } else {
            "http://"
        };
        let link = format!(
            "{}<a href=\"{scheme}{href}\" target=\"_blank\" rel=\"noopener noreferrer\">{href}</a>{}",
            text_to_html(before),
            text_to_html(after),
            href = address.replace('&', "&amp;"),
        );
        assert_eq!(to_html(text), link);
    }
    for text in [
        "http:",
        "http://",
        "://x",
        "xhttp://a",
        "\u{e9}http://a",
        "www.",
        "www.x",
        "www.a.B",
        "awww.example.com",
        "w: www",
        "javascript://x",
        "www.-.",
    ] {
        assert!(!to_html(text).contains("<a "), "{text}");
    }
    let twice = to_html("http://a.b http://c.d");
    assert_eq!(twice.matches("</a>").count(), 2);
    assert!(!to_html("|lchttp://a|lthttp://b|le").contains("<a href"));
}

#[test]
fn what_has_no_codes_is_not_copied() {
    let markup = Markup::default();
    assert!(matches!(
        markup.to_terminal("a < b", SIXTEEN),
        Cow::Borrowed("a < b")
    ));
    assert!(matches!(markup.to_plain("a < b"), Cow::Borrowed("a < b")));
    assert!(matches!(
        markup.to_html("a b: ww", true),
        Cow::Borrowed("a b: ww")
    ));
    assert!(matches!(
        markup.to_terminal("a b", MXP),
        Cow::Borrowed("a b")
    ));
}

#[test]
fn text_is_handed_out_in_runs() {
    let markup = Markup::default();
    let found: Vec<Piece<'_>> = markup
        .pieces("a|q b||\x1b[1mc|[R|lce|ltd|le\x1b[K")
        .collect();
    let expected = [
        Piece::Text("a|q b"),
        Piece::Text("|"),
        Piece::Sgr("1"),
        Piece::Text("c"),
        Piece::Change(Change::Background(Colour::Ansi(1))),
        Piece::Command("e"),
        Piece::Text("d"),
        Piece::LinkEnd,
        Piece::Control("\x1b[K"),
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
                "|lc", "|lu", "|lt", "|le", "|l", "{{", "|500", "|#ff0000", "|=", "|u", "|*",
                "http://", "www.a.bc", "</a>", "\r", "\n", "\t", "\x1b[1z",
            ])
            .prop_map(str::to_owned),
            1 => "\\PC{0,3}",
            1 => any::<char>().prop_map(String::from),
        ],
        0..24,
    )
    .prop_map(|parts| parts.concat())
}

/// Take out the tags of ours; None where one is not closed or closed without being open.
fn without_tags(html: &str) -> Option<String> {
    let mut out = String::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let (tag, after) = rest[at + 1..].split_once('>')?;
        rest = after;
        if tag == "br" {
            out.push('\n');
        } else if let Some(name) = tag.strip_prefix('/') {
            (open.pop()? == name).then_some(())?;
        } else {
            let (name, attributes) = tag.split_once(' ')?;
            (attributes.matches('"').count() % 2 == 0).then_some(())?;
            let allowed = match name {
                "span" => !open.contains(&"span"),
                "a" => open.is_empty() || open == ["span"],
                _ => false,
            };
            allowed.then_some(())?;
            open.push(name);
        }
    }
    open.is_empty().then(|| out + rest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn html_holds_no_tag_but_ours(text in text()) {
        for styled in [true, false] {
            let markup = Markup::default();
            let html = markup.to_html(&text, styled);
            let shown = without_tags(&html);
            prop_assert!(shown.is_some(), "tags of {html:?}");
            let shown = shown.unwrap_or_default();
            prop_assert!(!shown.contains(['<', '>', '"', '\'']), "{html:?}");
        }
    }

    #[test]
    fn text_without_markup_is_shown_as_it_is(text in "[^|{\\x00-\\x1f\\x7f]*") {
        prop_assert_eq!(to_plain(&text), text.as_str());
        prop_assert_eq!(to_ansi(&text), text.as_str());
        let shown = without_tags(&to_html(&text)).unwrap_or_default();
        let read = shown
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#x27;", "'")
            .replace("&amp;", "&");
        prop_assert_eq!(read, text);
    }

    #[test]
    fn ansi_and_plain_show_the_same_text(text in text()) {
        // Literal signs may form a code with what follows: the second time they are escaped.
        let ansi = to_ansi(&text).replace('|', "||").replace('{', "{{");
        let plain = to_plain(&text);
        prop_assert_eq!(to_plain(&ansi), plain);
    }

    #[test]
    fn an_escaped_text_is_shown_as_it_was(text in "[^\\x1b]*") {
        let escaped = text.replace('|', "||").replace('{', "{{");
        prop_assert_eq!(to_plain(&escaped), text.as_str());
    }

    #[test]
    fn nobody_but_the_game_writes_tags_of_mxp(text in text()) {
        let markup = Markup::default();
        for abilities in [MXP, Abilities { ansi: false, ..MXP }] {
            let shown = markup.to_terminal(&text, abilities).into_owned();
            let mut rest = shown.as_str();
            while let Some(at) = rest.find("\x1b[4z<") {
                prop_assert!(!rest[..at].contains(['<', '>']), "{shown:?}");
                let (tag, after) = rest[at + 5..].split_once('>').unwrap_or_default();
                prop_assert!(
                    ["SEND HREF=\"", "A HREF=\"", "/SEND", "/A"].iter().any(|each| tag.starts_with(each))
                );
                rest = after;
            }
            prop_assert!(!rest.contains(['<', '>']), "{shown:?}");
            prop_assert!(!rest.contains("\x1b[1z"), "{shown:?}");
        }
    }

    #[test]
    fn no_parameters_upset_a_style(parameters in "[0-9;:]{0,24}") {
        let mut style = Style::default();
        style.apply_sgr(&parameters);
        style.apply_sgr("0");
        prop_assert_eq!(style, Style::default());
    }
}
