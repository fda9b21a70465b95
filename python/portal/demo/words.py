"""What players type, made safe to show, and the names they may choose. Pure functions."""

import unicodedata

NAME_LENGTHS = range(2, 21)  # letters
# Words that a name must not be, for `tell` and the room would be unclear with it.
RESERVED_NAMES = frozenset({"you", "me", "all", "everybody", "someone", "nobody", "guest"})
# Control characters, line and paragraph separators, halves of surrogate pairs, and what turns the
# direction of all text behind it. (Joiners stay: many scripts and signs are made of them.)
HIDDEN_CATEGORIES = frozenset({"Cc", "Zl", "Zp", "Cs"})
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def clean_line(line: str) -> str:
    """Take out of a line what is no text; spaces at its ends go as well."""
    kept = (
        " " if character == "\t" else character
        for character in line
        if character == "\t"
        or (character not in TURNING and unicodedata.category(character) not in HIDDEN_CATEGORIES)
    )
    return "".join(kept).strip()


def escape_markup(text: str) -> str:
    """Make a player's text show as it was typed, whatever codes are in it."""
    return text.replace("|", "||").replace("{", "{{")


def fold_name(name: str) -> str:
    """Return what two spellings of one name have in common."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def choose_name(line: str) -> str:
    """Make a name of what was typed: composed letters, the first one a capital.

    Raises ValueError with a sentence for the player when it can be none.
    """
    name = unicodedata.normalize("NFC", line.strip())
    if not name:
        raise ValueError("Please type a name.")
    if not name.isalpha():
        raise ValueError("A name is one word of letters only, such as Anna.")
    if len(name) not in NAME_LENGTHS:
        raise ValueError("A name has 2 to 20 letters.")
    if fold_name(name) in RESERVED_NAMES:
        raise ValueError("That name would confuse people. Please choose another.")
    return name[0].upper() + name[1:]
