"""Names in any script: drawn where a font is installed, else said with the package that has one."""

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from planted_study import plant

from hdc.analysis.results import read_results
from hdc.report import page
from hdc.reporting.figures import fonts
from hdc.reporting.figures.all import all_figures
from hdc.reporting.figures.style import Picture, drawn_alike, text_width


@pytest.fixture
def only(monkeypatch):
    """Let some families be all there are, and some files be all that is installed."""

    def install(families, files=()):
        monkeypatch.setattr(fonts, "FAMILIES", families)
        monkeypatch.setattr(fonts, "findSystemFonts", lambda: [str(file) for file in files])
        monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
        fonts.families.cache_clear()

    yield install
    fonts.families.cache_clear()


@pytest.fixture
def font(tmp_path):
    """A font with a square for one Japanese character."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = [".notdef", "run"]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord("走"): "run"})
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Square Script", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    file = tmp_path / "square.ttf"
    builder.save(file)
    return file


def drawn(text):
    with drawn_alike():
        figure = Figure(figsize=(1, 1))
        figure.text(0.1, 0.1, text)
        return Picture("it", "", "", figure)


def test_a_font_installed_since_matplotlib_looked_is_drawn_with(only, font):
    only(("DejaVu Sans",))
    box = drawn("走")
    assert fonts.without_font(box.texts) == {"fonts-noto-cjk": "走"} and box.png
    only(("DejaVu Sans", "No Such Font", "Square Script"), [font, font.with_name("none.ttf")])
    assert fonts.families() == ["DejaVu Sans", "Square Script"]
    square = drawn("走")
    assert fonts.without_font(square.texts) == {}
    assert square.png != box.png and square.pdf.startswith(b"%PDF")


@pytest.mark.parametrize(
    ("character", "package"),
    [("走", "fonts-noto-cjk"), ("ひ", "fonts-noto-cjk"), ("한", "fonts-noto-cjk"),
     ("ह", "fonts-noto-core"), ("ក", "fonts-noto-core"), ("🏃", "fonts-symbola")],
)  # fmt: skip
def test_the_package_with_a_font(character, package, only):
    only(("DejaVu Sans",))
    assert fonts.without_font([f"a {character}\n\u200b{character}"]) == {package: character}


def test_the_page_names_once_what_cannot_be_drawn(only, tmp_path):
    only(("DejaVu Sans",))
    results = read_results(plant(tmp_path, classes=("走る", "歩く"), splits=(1,)))
    pictures = all_figures(results)
    [line] = [line for line in page(results, [], pictures).split("\n") if "No installed" in line]
    assert "No installed font has くる歩走:" in line and "fonts-noto-cjk" in line
    english = read_results(plant(tmp_path / "english", splits=(1,)))
    assert "No installed font" not in page(english, [], [])


def test_wide_characters_take_their_room():
    assert text_width(["走走"], 10.0) == pytest.approx(1.6 * text_width(["ab"], 10.0))
