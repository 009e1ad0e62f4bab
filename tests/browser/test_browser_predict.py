"""A question (`predict`) in a real Chromium: by keyboard alone, in the saved file, and folded."""

import pytest
from helpers.browser import check_fits, is_focused, press, window_of
from helpers.lab import open_saved, run_all_cells
from helpers.notebooks import a_notebook, a_print
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
SETUP = """
from tutorial_utils.studios.predict import predict

question = "What does the KL of a <collapsed> dimension come to, summed over the batch?"
studio = predict(question, ["0 nats", "1 nat", "as many nats as β says"], "0 nats", "q is p.")
"""
SHOW, STUDIO, READY = "studio", ".vae-predict", ".widget-radio-box input"
TWIN = "[class^=vae-twin]"


def saved_outputs(page) -> list[dict]:
    """What lies in the outputs of the first cell when the notebook is saved now."""
    with page.expect_request(lambda request: request.method == "PUT") as put:
        page.keyboard.press("Control+s")
    cells = put.value.post_data_json["content"]["cells"]
    return [output["data"] for output in cells[0]["outputs"]]


def test_by_keyboard_alone(page, studio, made):
    radios, button = studio.get_by_role("radio"), studio.get_by_role("button")
    expect(studio.get_by_role("radiogroup", name=made["question"])).to_be_visible()
    assert button.is_disabled() and page.locator(TWIN).count() == 1
    expect(page.locator(TWIN)).to_be_hidden()  # its answer could be unfolded
    expect(studio.get_by_role("status")).to_have_text("")
    assert "You guessed" not in str(saved_outputs(page))
    radios.first.focus()
    press(page, "ArrowDown", 2)
    expect(radios.nth(2)).to_be_checked()
    press(page, "ArrowUp")
    expect(radios.nth(1)).to_be_checked()
    expect(button).to_be_enabled()
    press(page, "Tab")
    assert is_focused(button) and button.inner_text() == "This is my guess"
    press(page, "Enter")
    answer = studio.get_by_role("status")
    expect(answer).to_have_text("✗ You guessed 1 nat. It is 0 nats.q is p.")
    assert answer.get_attribute("aria-live") == "polite" and is_focused(answer)
    expect(button).to_be_hidden()
    assert all(radio.is_disabled() for radio in radios.all()) and radios.nth(1).is_checked()
    expect(page.locator(TWIN)).to_be_hidden()


def test_the_guess_is_in_the_saved_file(page, studio, made):
    """After the test above."""
    widget, twin = saved_outputs(page)
    assert widget["text/plain"] == "" and "You guessed <b>1 nat</b>" in "".join(twin["text/html"])
    assert "You guessed 1 nat." in "".join(twin["text/plain"])


@pytest.mark.parametrize("width", [956, 676])
def test_it_fits(page, studio, width):
    with window_of(page, width):
        check_fits(studio)


# ---- without a kernel ----


def twin_of(made: dict) -> tuple:
    """A cell as the build saves it."""
    fresh = made["predict"](made["question"], ["0 nats", "1 nat"], "0 nats", "q is p.")
    return "predict(…)", new_output("display_data", data=fresh.twin)


@pytest.mark.parametrize("viewer", ["lab", "converted"])
def test_the_answer_of_a_saved_notebook_is_folded(viewer, request, chromium, made):
    if viewer == "lab":
        page = open_saved(chromium, request.getfixturevalue("lab"), [twin_of(made)])
    else:
        page = chromium.new_page()
        page.route("https://**", lambda route: route.abort())
        page.set_content(HTMLExporter().from_notebook_node(a_notebook(twin_of(made)))[0])
    twin, answer = page.locator(TWIN).or_(page.locator(".jp-OutputArea")), page.get_by_text("q is")
    expect(twin.get_by_text(made["question"])).to_be_visible()
    expect(answer).to_be_hidden()
    page.locator("summary").press("Enter")
    expect(answer).to_be_visible()
    page.close()


def test_what_the_build_folds_is_folded_until_its_cell_runs(lab, chromium):
    cell = new_code_cell(
        "# Your guess first\nprint('the', 'result')", outputs=[a_print("the result")]
    )
    cell.metadata = {"jupyter": {"source_hidden": True, "outputs_hidden": True}, "collapsed": True}
    page = open_saved(chromium, lab, [cell])
    code, result = page.locator(".jp-CodeCell .cm-content"), page.get_by_text("the result")
    expect(page.locator(".jp-CodeCell")).to_contain_text("# Your guess first")
    expect(code).to_be_hidden()
    expect(result).to_be_hidden()
    for _ in range(60):  # until the kernel is there, the menu does nothing
        run_all_cells(page)
        page.wait_for_timeout(1000)
        if result.is_visible():
            break
    expect(result).to_be_visible()
    expect(code).to_be_hidden()
    page.close()
