"""The schedule studio (notebook 05) in a real Chromium: β by mouse, by finger and by keyboard."""

import re

import pytest
from helpers.browser import drag, is_focused, on_page, press, swipe

from tutorial_utils.studios.schedule import DRAWN, HEAD, LEFT, RIGHT
from tutorial_utils.topics.schedules import COLUMNS, PRESETS, train_schedule

pytestmark = pytest.mark.browser
SETUP = "from tutorial_utils.studios.schedule import schedule_composer\n"
SHOW = "schedule_composer()"
STUDIO, READY, OPTIONS = ".vae-composer", ".vae-run-table table", {"has_touch": True}
WATCH_TRAINING = """() => {
  window.seen = [];
  const keep = () => window.seen.push([
    document.querySelector(".vae-train button").textContent,
    Number(document.querySelector(".vae-sweep").getAttribute("d")?.split(" ")[1] ?? 0),
  ]);
  const texts = { subtree: true, childList: true, characterData: true };
  const options = { ...texts, attributeFilter: ["d"], attributes: true };
  new MutationObserver(keep).observe(document.querySelector(".vae-composer"), options);
}"""
ALL_AT_ONE = """document.querySelector('.vae-beta-line').getAttribute('d').match(/ 3 H/g)?.length
  === 15"""
CUT_OFF = """(composer) => [...composer.querySelectorAll("*")]
  .filter((node) => node.clientWidth && node.scrollWidth > node.clientWidth + 1)
  .map((node) => node.className)"""
FONT_SIZES = """(composer) => [...composer.querySelectorAll("text, td, th, p, div")]
  .map((node) => parseFloat(getComputedStyle(node).fontSize))"""
OVERLAPS = """(composer) => {
  const touch = (p, q) => p.left < q.right && q.left < p.right
    && p.top + 2 < q.bottom - 2 && q.top + 2 < p.bottom - 2;
  return [...composer.querySelectorAll(".vae-beta, .vae-term-chart")].flatMap((chart) => {
    const boxes = [...chart.querySelectorAll("text")]
      .map((text) => [text.textContent, text.getBoundingClientRect()]);
    return boxes.flatMap(([a, p], i) => boxes.slice(i + 1)
      .filter(([_, q]) => touch(p, q)).map(([b]) => `${a} / ${b}`));
  });
}"""


@pytest.fixture
def chart(page, studio):
    """The chart on which β is drawn, β = 1 everywhere."""
    page.get_by_role("button", name="constant 1", exact=True).click()
    page.wait_for_function(ALL_AT_ONE)
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


def train(page, press_button) -> list[str]:
    """Call `press_button(button)` and wait for the run; returns the first row of the table."""
    rows = page.locator(".vae-runs tbody tr")
    number = int(re.search(r"\d+|$", rows.first.inner_text())[0] or 0) + 1
    press_button(page.get_by_role("button", name="Train", exact=True))
    page.locator(".vae-said", has_text=f"Run {number},").wait_for()
    page.locator(".vae-newest th").get_by_text(str(number), exact=True).wait_for()
    return rows.first.locator("th, td").all_inner_texts()


def check_run(cells: list[str], values: list[float], seed: int) -> None:
    """A row of the table has the scores that training with these values gives."""
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
    check_run(train(page, lambda button: button.click()), values, 0)


def test_a_fast_mouse_leaves_no_column_out_and_the_edges_are_the_ends(page, chart):
    left, top = on_page(chart, (0, 0))
    bottom = on_page(chart, (0, 1))[1]
    page.mouse.move(*on_page(chart, (0.5, 0.5)))
    page.mouse.down()
    page.mouse.move(left - 30, top - 30)  # in one step
    page.mouse.move(left - 30, bottom + 30)
    page.mouse.up()
    values = values_on(page)
    assert values[0] == 0 and values[8:] == [1] * 7
    assert values[1:8] == sorted(values[1:8], reverse=True) and values[1] > 3 and 1 < values[7] < 4


def test_the_keyboard_draws_and_another_seed_trains_another_run(page, chart):
    chart.focus()
    for key in ("End", "Home", "ArrowLeft"):
        press(page, key)
    press(page, "ArrowRight", 2)
    press(page, "ArrowUp", 2)
    press(page, "Shift+ArrowUp")
    assert chart.get_attribute("aria-valuetext") == "epochs 5–6: β = 1.7"
    assert float(chart.get_attribute("aria-valuenow")) == pytest.approx(1.7)
    press(page, "End")
    press(page, "ArrowDown", 15)
    expected = [1, 1, 1.7] + [1] * 11 + [0]
    assert values_on(page) == expected and is_focused(chart)
    press(page, "Tab")
    press(page, "ControlOrMeta+A")
    page.keyboard.type("4")
    press(page, "Tab")
    check_run(train(page, lambda _button: press(page, "Enter")), expected, 4)
    assert page.locator(".vae-beta-chart .vae-behind path").count() >= 2


def test_a_second_press_does_nothing_and_the_training_is_seen(page, chart):
    page.evaluate(WATCH_TRAINING)
    page.get_by_role("button", name="cyclical").click()
    rows = page.locator(".vae-runs tbody tr")
    before = rows.count()
    cells = train(page, lambda button: (button.dblclick(), page.mouse.click(1, 1)))
    check_run(cells, list(PRESETS["cyclical"]), int(cells[2]))
    assert cells[1] == "cyclical"
    page.wait_for_timeout(1000)  # a second run would be there
    assert rows.count() == before + 1
    seen = page.evaluate("window.seen")
    sweep = [place for text, place in seen if text != "Train" and place > 0]
    assert len(set(sweep)) > 3 and sweep == sorted(sweep) and max(sweep) < COLUMNS
    assert seen[-1] == ["Train", 0]


def test_a_finger_draws_and_does_not_scroll_the_page(page, chart):
    before = chart.bounding_box()
    swipe(page, [on_page(chart, share(chart, column, 3)) for column in range(3, 9)])
    page.wait_for_timeout(200)
    assert values_on(page) == [1] * 3 + [3] * 6 + [1] * 6
    assert chart.bounding_box() == before


@pytest.mark.parametrize("width", [1210, 420])
def test_nothing_is_cut_off_covered_or_too_small_to_read(page, studio, chart, width):
    page.set_viewport_size({"width": width, "height": 1000})
    if width == 420:
        press(page, "ControlOrMeta+b")  # closes the side bar
    page.wait_for_timeout(700)
    assert studio.evaluate(CUT_OFF) == [] and studio.evaluate(OVERLAPS) == []
    assert min(studio.evaluate(FONT_SIZES)) >= 11
