"""The fonts of figures: several, so that names in any script are drawn, and what none of them has.

Pictures of names that DejaVu Sans has are the same everywhere: it comes with matplotlib.
"""

import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

from matplotlib.font_manager import (
    FontProperties,
    findfont,
    findSystemFonts,
    fontManager,
    get_font,
    get_font_names,
)

# In order: a character is drawn in the first that has it. A package of Debian and Ubuntu behind
# each group but the second, which is of other systems.
FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK JP", "IPAexGothic", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS", "Yu Gothic", "Malgun Gothic",
    "Microsoft YaHei",
    "Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Telugu",
    "Noto Sans Thai", "Noto Sans Hebrew", "Noto Sans Ethiopic", "Noto Sans Khmer",
    "Noto Sans Symbols", "Noto Sans Symbols2",
    "Symbola",
)  # fmt: skip
EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH",
              "HALFWIDTH")  # fmt: skip
FIRST_EMOJI = 0x1F000
UNDRAWN = ("C", "Z")  # categories of Unicode: control characters and spaces


@cache
def families() -> list[str]:
    """Those of FAMILIES that are installed; matplotlib warns of every other."""
    _add_new_fonts()
    installed = set(get_font_names())
    return [name for name in FAMILIES if name in installed]


def _add_new_fonts() -> None:
    """Tell matplotlib of fonts that were installed since it wrote its list of them, once for all.

    Otherwise who installs the package that a report names would see the same boxes again.
    """
    known = {entry.fname for entry in fontManager.ttflist}
    for file in sorted(set(findSystemFonts()) - known):
        with suppress(OSError, RuntimeError):  # a damaged font cannot be used
            fontManager.addfont(file)


def without_font(texts: Iterable[str]) -> dict[str, str]:
    """The characters of some texts that none of the families has, by the package that has them."""
    fonts = [get_font(findfont(FontProperties(family=[name]))) for name in families()]
    lacking: dict[str, str] = {}
    for character in sorted(set("".join(texts))):
        drawn = unicodedata.category(character)[0] not in UNDRAWN
        if drawn and not any(font.get_char_index(ord(character)) for font in fonts):
            name = package(character)
            lacking[name] = lacking.get(name, "") + character
    return lacking


def package(character: str) -> str:
    """The package of Debian and Ubuntu with a font for a character."""
    if unicodedata.name(character, "").startswith(EAST_ASIAN):
        return "fonts-noto-cjk"
    return "fonts-symbola" if ord(character) >= FIRST_EMOJI else "fonts-noto-core"


def letters(text: str) -> float:
    """How many letters of middling width are as wide as a text: a wide character is 1.6."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + 0.6 * wide
