"""The report in a browser: what people see and press. Skipped where there is no Chromium."""

import json
import shutil

import pytest
from planted_study import plant

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PHONE, SCREEN = 360, 1280
PAPER = 1030  # pixels between the margins of an A4 page that lies
RUNS = (
    "hdc",
    "coupled_single_level",
    "random_init",
    *(f"another_long_name_{n}" for n in range(18)),
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium, found none")

# As many factors as the synthetic videos have, whose table is the widest.
FACTORS = ("motion_kind", "motion_axis", "motion_direction", "background", "phase_x", "phase_y")
FACTORS += ("phase_size", "angle", "speed", "shape_hue")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory, call, root):
    """The page of a planted study of which one record is missing."""

    def make(**planted):
        folder = tmp_path_factory.mktemp("browser")
        comparison = {
            "question": "Does the whole of it beat a network that has seen nothing?",
            "run": "hdc",
            "against": ["random_init"],
            "measure": ["top1"],
            "backbone": "r3d18",
            "data": "synthetic",
        }
        study = plant(folder, comparisons=[comparison], question="Does <it> help?", **planted)
        for path in folder.rglob("evaluate.json"):
            record = json.loads(path.read_text())
            for probes in record["metrics"]["linear"].values():
                probes |= dict.fromkeys(FACTORS, probes["shape"])
            path.write_text(json.dumps(record))
        (folder / "runs/r3d18/hdc/seed0/synthetic-split1/pretrain.json").unlink()
        arguments = (f"study={study}", f"output_dir={folder / 'out'}")
        call("hdc.report", *arguments, cwd=root, check=True)
        return folder / "out/report.html"

    return make


@pytest.fixture(scope="module")
def small(report):
    return report(seeds=(0, 1, 2, 3, 4))


@pytest.fixture(scope="module")
def large(report):
    return report(ablations=RUNS, splits=(1,))


@pytest.fixture
def visit(browser):
    """Open a page; the address of whatever it asks for and what it complains of are kept in it."""
    opened = []

    def open_page(path, width=SCREEN):
        page = browser.new_page(viewport={"width": width, "height": 800})
        opened.append(page)
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield open_page
    for page in opened:
        page.close()


def test_it_asks_for_nothing_and_complains_of_nothing(visit, small):
    page = visit(small)
    outside = [address for address in page.asked if not address.startswith("data:")]
    assert outside == [small.as_uri()]
    assert page.complaints == []
    assert page.locator("header p").first.inner_text() == "Does <it> help?"


def test_every_image_is_whole(visit, large):
    images = visit(large).locator("img")
    assert images.count() >= 3
    assert images.evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 0)")


@pytest.mark.parametrize("width", [PHONE, SCREEN])
def test_only_tables_and_figures_scroll_sideways(visit, large, width):
    page = visit(large, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = """all => all.filter(one => !one.closest('.scroll') && !one.closest('[popover]')
        && one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML.slice(0, 80))"""
    assert page.locator("body *").evaluate_all(beyond) == []
    small = """all => all.filter(one => parseFloat(getComputedStyle(one).fontSize) < 14)
        .map(one => one.outerHTML.slice(0, 80))"""
    assert page.locator("body *:not(svg *)").evaluate_all(small) == []


def test_the_run_stays_in_view_where_a_wide_table_scrolls(visit, large):
    page = visit(large, PHONE)
    name = page.locator("#factors tbody th").first
    before = name.bounding_box()["x"]
    page.locator("#factors .scroll").evaluate("box => box.scrollLeft = 200")
    assert page.locator("#factors .scroll").evaluate("box => box.scrollLeft") == 200
    assert name.bounding_box()["x"] == before


@pytest.mark.parametrize("width", [PHONE, SCREEN])
def test_a_cell_opens_how_it_was_measured(visit, small, width):
    page = visit(small, width)
    cell = page.locator("#ablation tbody button").first
    assert "hdc, top-1 (%): " in cell.get_attribute("aria-label")
    card = page.locator(f"#{cell.get_attribute('popovertarget')}")
    assert not card.is_visible()
    cell.click()
    assert card.is_visible()
    for words in ("fine-tuning", "clips per video", "last step", "10 of 10", "0, 1, 2, 3, 4"):
        assert words in card.inner_text()
    box = card.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    page.keyboard.press("Escape")
    assert not card.is_visible()


def test_the_keyboard_reaches_a_cell_and_its_card(visit, small):
    page = visit(small)
    cell = page.locator("#ablation tbody button").first
    page.locator("#ablation .scroll").focus()
    page.keyboard.press("Tab")
    assert cell.evaluate("one => one === document.activeElement")
    page.keyboard.press("Enter")
    card = page.locator(f"#{cell.get_attribute('popovertarget')}")
    assert card.is_visible()
    card.get_by_role("button", name="Close").click()
    assert not card.is_visible()


def test_a_card_says_which_records_are_missing(visit, small):
    page = visit(small)
    page.locator("#cost tbody button").first.click()
    card = page.locator("[popover]:popover-open")
    assert "9 of 10" in card.inner_text() and "no record: " in card.inner_text()


def test_every_anchor_leads_somewhere(visit, small):
    page = visit(small)
    links = page.locator("nav a").evaluate_all("all => all.map(one => one.hash.slice(1))")
    assert len(links) > 10 and len(set(links)) == len(links)
    assert all(page.locator(f"[id='{name}']").count() == 1 for name in links)


def test_on_paper_no_table_is_cut_and_no_card_is_shown(visit, large):
    page = visit(large, PAPER)
    page.emulate_media(media="print")
    widths = page.locator("table").evaluate_all("all => all.map(one => one.offsetWidth)")
    assert max(widths) <= PAPER
    assert not page.locator("nav").is_visible()
    protocol = page.locator("#protocol details").last
    assert "averaging" in protocol.inner_text()
    assert page.locator(".card").evaluate_all("all => all.every(one => !one.checkVisibility())")
    assert len(page.pdf(prefer_css_page_size=True)) > 10_000


def test_the_picture_of_the_workflow_keeps_its_words_inside(visit, large):
    page = visit(large, PHONE)
    outside = """all => all.filter(text => {
        const [inner, outer] = [text, text.parentNode.querySelector('rect')]
            .map(one => one.getBoundingClientRect());
        return inner.left < outer.left || inner.right > outer.right || inner.height < 14;
    }).length"""
    texts = page.locator(".dag text")
    assert texts.count() == 12 and texts.evaluate_all(outside) == 0
    assert "41 of 42" in page.locator(".dag").inner_html()


@pytest.mark.slow
def test_the_largest_study_is_below_15_megabytes(visit, report):
    backbones, data_sets = ("r3d18", "c3d", "r2plus1d10"), ("synthetic", "hmdb51")
    path = report(
        ablations=RUNS, seeds=range(5), splits=(1,), backbones=backbones, data_sets=data_sets
    )
    assert path.stat().st_size < 15 * 10**6
    page = visit(path, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
