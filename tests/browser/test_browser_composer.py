"""The schedule composer in JupyterLab, in a real Chromium: β is drawn by mouse, by finger and by keyboard."""

import re

import pytest
from helpers.browser import drag, open_unsaved

from tutorial_utils.studios.schedule import DRAWN, HEAD, LEFT, RIGHT
from tutorial_utils.topics.schedules import COLUMNS, PRESETS, train_schedule

pytestmark = pytest.mark.browser
SOURCE = """
from tutorial_utils.studios.schedule import schedule_composer
schedule_composer()
"""


@pytest.fixture(scope="module")
def page(lab, chromium):
    """A notebook with the composer as its output."""
    page = open_unsaved(chromium, lab, "composer", SOURCE, ".vae-beta", has_touch=True)
    page.locator(".vae-run-table table").wait_for()
    yield page
    page.close()


@pytest.fixture
def chart(page):
    """The chart on which β is drawn, β = 1 everywhere."""
    page.get_by_role("button", name="constant 1", exact=True).click()
    page.wait_for_function(
        "document.querySelector('.vae-beta-line').getAttribute('d').match(/ 3 H/g)?.length === 15"
    )
    chart = page.locator(".vae-beta")
    chart.scroll_into_view_if_needed()
    return chart


def values_on(page) -> list[float]:
    """β of each column, as the page draws it."""
    line = page.locator(".vae-beta-line").get_attribute("d")
    return [round(4 - float(y), 1) for y in re.findall(r"[ML] \d+ ([\d.]+) H", line)]


def share(chart, column: float, beta: float) -> tuple[float, float]:
    """A place on the chart, as shares of its width and height, in the middle of a column."""
    height = chart.bounding_box()["height"]
    right = LEFT + (RIGHT - LEFT) * (column + 0.5) / COLUMNS
    return right / 100, (HEAD + DRAWN * (1 - beta / 4)) / height


def trained_on(page, press) -> list[str]:
    """Press the button with `press(button)`, wait for the run; returns the first row of the table."""
    rows = page.locator(".vae-runs tbody tr")
    number = int(re.search(r"\d+|$", rows.first.inner_text())[0] or 0) + 1
    press(page.get_by_role("button", name="Train", exact=True))
    page.locator(".vae-said", has_text=f"Run {number},").wait_for()
    page.locator(".vae-newest th").get_by_text(str(number), exact=True).wait_for()
    return rows.first.locator("th, td").all_inner_texts()


def check_run(cells: list[str], values: list[float], seed: int) -> None:
    """A row of the table says what training with these values gives."""
    scores = train_schedule(values, seed).scores
    assert int(cells[2]) == seed and int(cells[5]) == pytest.approx(scores["active"], abs=1)
    found = [float(cell) for cell in cells[3:5]]
    assert found == pytest.approx([scores["-ELBO"], scores["kl"]], abs=0.02)


def test_beta_is_drawn_with_the_mouse_and_trained(page, chart):
    drag(page, chart, share(chart, 2, 3.5), share(chart, 12, 0.5))
    values = values_on(page)
    assert values[:2] == [1, 1] and values[13:] == [1, 1]
    assert values[2:13] == pytest.approx([3.5 - 0.3 * k for k in range(11)], abs=0.31)
    assert values[2:13] == sorted(values[2:13], reverse=True)
    check_run(trained_on(page, lambda button: button.click()), values, 0)


def test_a_fast_mouse_leaves_no_column_out_and_the_edges_are_the_ends(page, chart):
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] - 30, box["y"] - 30)  # in one step
    page.mouse.move(box["x"] - 30, box["y"] + box["height"] + 30)
    page.mouse.up()
    values = values_on(page)
    assert values[0] == 0 and values[8:] == [1] * 7
    assert values[1:8] == sorted(values[1:8], reverse=True) and values[1] > 3 and 1 < values[7] < 4


def test_the_keyboard_draws_and_another_seed_trains_another_run(page, chart):
    chart.focus()
    for key in (
        "End",
        "Home",
        "ArrowLeft",
        "ArrowRight",
        "ArrowRight",
        "ArrowUp",
        "ArrowUp",
        "Shift+ArrowUp",
    ):
        page.keyboard.press(key)
    assert chart.get_attribute("aria-valuetext") == "epochs 5–6: β = 1.7"
    assert float(chart.get_attribute("aria-valuenow")) == pytest.approx(1.7)
    page.keyboard.press("End")
    for _ in range(15):
        page.keyboard.press("ArrowDown")
    expected = [1, 1, 1.7] + [1] * 11 + [0]
    assert values_on(page) == expected
    assert chart.evaluate("(node) => node === document.activeElement")
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("4")
    page.keyboard.press("Tab")
    check_run(trained_on(page, lambda _button: page.keyboard.press("Enter")), expected, 4)
    assert len(page.locator(".vae-beta-chart .vae-behind path").all()) >= 2


def test_a_second_press_does_nothing_and_the_training_is_seen(page, chart):
    page.evaluate("""() => {
      window.seen = [];
      const keep = () => window.seen.push([
        document.querySelector(".vae-train button").textContent,
        Number(document.querySelector(".vae-sweep").getAttribute("d")?.split(" ")[1] ?? 0),
      ]);
      const options = { subtree: true, childList: true, characterData: true, attributeFilter: ["d"], attributes: true };
      new MutationObserver(keep).observe(document.querySelector(".vae-composer"), options);
    }""")
    page.get_by_role("button", name="cyclical").click()
    before = len(page.locator(".vae-runs tbody tr").all())
    cells = trained_on(page, lambda button: (button.dblclick(), button.page.mouse.click(1, 1)))
    check_run(cells, list(PRESETS["cyclical"]), int(cells[2]))
    assert cells[1] == "cyclical"
    page.wait_for_timeout(1000)  # a second run would be there
    assert len(page.locator(".vae-runs tbody tr").all()) == before + 1
    seen = page.evaluate("window.seen")
    sweep = [place for text, place in seen if text != "Train" and place > 0]
    assert len(set(sweep)) > 3 and sweep == sorted(sweep) and max(sweep) < COLUMNS
    assert seen[-1] == ["Train", 0]


def test_a_finger_draws_and_does_not_scroll_the_page(page, chart):
    before = chart.bounding_box()
    places = [share(chart, column, 3) for column in range(3, 9)]
    session = page.context.new_cdp_session(page)
    for k, (right, down) in enumerate(places):
        at = {
            "x": before["x"] + right * before["width"],
            "y": before["y"] + down * before["height"],
        }
        session.send(
            "Input.dispatchTouchEvent",
            {"type": "touchMove" if k else "touchStart", "touchPoints": [at]},
        )
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(200)
    assert values_on(page) == [1] * 3 + [3] * 6 + [1] * 6
    assert chart.bounding_box() == before


CUT_OFF = """(composer) => [...composer.querySelectorAll("*")]
  .filter((node) => node.clientWidth && node.scrollWidth > node.clientWidth + 1).map((node) => node.className)"""
FONT_SIZES = """(composer) => [...composer.querySelectorAll("text, td, th, p, div")]
  .map((node) => parseFloat(getComputedStyle(node).fontSize))"""
OVERLAPS = """(composer) => [...composer.querySelectorAll(".vae-beta, .vae-term-chart")].flatMap((chart) => {
  const boxes = [...chart.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  const touch = (p, q) => p.left < q.right && q.left < p.right && p.top + 2 < q.bottom - 2 && q.top + 2 < p.bottom - 2;
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([_, q]) => touch(p, q)).map(([b]) => `${a} / ${b}`));
})"""


@pytest.mark.parametrize("width", [1210, 420])
def test_nothing_is_cut_off_covered_or_too_small_to_read(page, chart, width):
    page.set_viewport_size({"width": width, "height": 1000})
    if width == 420:
        page.keyboard.press("ControlOrMeta+b")  # closes the side bar
    page.wait_for_timeout(700)
    composer = page.locator(".vae-composer")
    assert composer.evaluate(CUT_OFF) == [] and composer.evaluate(OVERLAPS) == []
    assert min(composer.evaluate(FONT_SIZES)) >= 11


def test_nothing_complains(page):
    assert page.complaints == []
