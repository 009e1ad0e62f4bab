"""Drawing a digit, and traversal (notebook 04) in a real Chromium: by mouse, finger, keyboard."""

import math

import pytest
import torch
from helpers.browser import move_and_compare, on_page, press, swipe, wait_until_equal
from helpers.widgets import code_in

from tutorial_utils.models import decode_images, encode_image
from tutorial_utils.studios.drawing import image_of_strokes

pytestmark = pytest.mark.browser
SETUP = """
from IPython.display import display
from tutorial_utils.data import load_images
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.studios.drawing import drawing_studio
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.studios.traversal import traversal_panel

data, model = load_images("mnist"), load_pretrained("vae_2d")
x, y = data.x_test[:300], data.y_test[:300]
"""
SHOW = """
studio = interpolation_studio(model, x, y)
display(drawing_studio(model, x, y, studio=studio), studio, traversal_panel(model, x, y))
"""
STUDIO, READY = ".vae-draw", ".vae-canvas"
OPTIONS = {"has_touch": True, "viewport": {"width": 1210, "height": 1400}}
ZIGZAG = [(0.2 + 0.012 * k, 0.3 if k % 2 else 0.7) for k in range(50)]
INK = """(node, [x, y]) => {
  const context = node.getContext('2d');
  return context.getImageData(x * node.width, y * node.height, 1, 1).data[0];
}"""


@pytest.fixture
def drawing(studio):
    """The drawing studio with an empty canvas."""
    studio.get_by_role("button", name="Clear").click()
    studio.get_by_text("of test image", exact=False).first.wait_for()
    return studio


@pytest.fixture
def canvas(drawing):
    return drawing.locator(".vae-canvas")


@pytest.fixture
def observed(drawing):
    """The picture of what the encoder gets."""
    return drawing.locator(".vae-end-picture").first


def whole_pixels(canvas, points) -> list[tuple[int, int]]:
    """The pixels of the page nearest to points of the canvas: the mouse points at nothing else."""
    return [tuple(map(round, on_page(canvas, point))) for point in points]


def on_canvas(canvas, points) -> list[tuple[float, float]]:
    """Those pixels as points of the canvas."""
    box, places = canvas.bounding_box(), whole_pixels(canvas, points)
    return [((x - box["x"]) / box["width"], (y - box["y"]) / box["height"]) for x, y in places]


def stroke(canvas, points) -> list[tuple[float, float]]:
    """Draw through the points with the mouse; returns the points that the canvas gets."""
    (first, *others), mouse = whole_pixels(canvas, points), canvas.page.mouse
    mouse.move(*first)
    mouse.down()
    for place in others:
        mouse.move(*place)
    mouse.up()
    return on_canvas(canvas, points)


def ink_at(canvas, point) -> int:
    """How white the canvas is at a point, from 0 to 255."""
    return canvas.evaluate(INK, list(point))


def test_a_fast_mouse_loses_no_point(page, made, drawing, canvas, observed):
    first = stroke(canvas, ZIGZAG)
    image = image_of_strokes([first])
    code = encode_image(made["model"], image)
    wait_until_equal(observed, lambda: image[0], page)
    decoded = drawing.locator(".vae-end-picture").nth(1)
    wait_until_equal(decoded, lambda: decode_images(made["model"], code[None])[0], page)
    assert all(ink_at(canvas, point) > 200 for point in ZIGZAG)
    assert max(ink_at(canvas, point) for point in ((0.05, 0.05), (0.5, 0.1), (0.9, 0.9))) == 0
    assert "q(z|x) of your drawing" in drawing.locator(".vae-label").first.inner_text()
    second = stroke(canvas, [(0.5, 0.9), (0.9, 0.9)])
    wait_until_equal(observed, lambda: image_of_strokes([first, second])[0], page)
    drawing.get_by_role("button", name="Undo stroke").click()
    wait_until_equal(observed, lambda: image[0], page)
    page.wait_for_timeout(300)
    assert ink_at(canvas, (0.7, 0.9)) == 0 and ink_at(canvas, ZIGZAG[20]) > 200


def test_leaving_the_canvas_ends_the_stroke(page, canvas, observed):
    way = stroke(canvas, [(0.3, 0.3), (0.6, 0.5), (0.6, 1.2), (0.2, 1.2), (0.2, 0.2), (0.3, 0.8)])
    inside = [*way[:2], (way[2][0], 1.0)]  # up to the edge
    wait_until_equal(observed, lambda: image_of_strokes([inside])[0], page)


def test_a_finger_draws_and_does_not_scroll_the_page(page, canvas, observed):
    before = canvas.bounding_box()
    points = [(0.5, 0.85 - 0.05 * k) for k in range(15)]
    swipe(page, whole_pixels(canvas, points))
    image = image_of_strokes([on_canvas(canvas, points)])[0]
    wait_until_equal(observed, lambda: image, page)
    assert canvas.bounding_box() == before


def test_the_keyboard_gets_past_the_canvas_and_chooses_a_test_image(
    page, made, drawing, canvas, observed
):
    assert canvas.get_attribute("title")
    stroke(canvas, [(0.2, 0.2), (0.8, 0.8)])
    page.wait_for_function("!document.activeElement.matches('.vae-canvas')")  # it keeps no keys
    canvas.focus()
    press(page, "Tab")
    page.wait_for_function("document.activeElement.textContent === 'Clear'")
    press(page, "Tab")
    assert page.evaluate("document.activeElement.textContent") == "Undo stroke"
    index, y = int(drawing.get_by_role("spinbutton").input_value()), made["y"]
    following = next(k for k in range(index + 1, 300) if y[k] == y[index])
    drawing.get_by_role("button", name="Another").focus()
    image = made["x"][following, 0]
    move_and_compare(lambda: press(page, "Enter"), observed, lambda: image, page)
    page.wait_for_timeout(300)
    assert ink_at(canvas, (0.2, 0.2)) == 0


def test_morph_to_it_changes_the_studio(page, drawing, canvas, observed):
    image = image_of_strokes([stroke(canvas, [(0.3, 0.2), (0.7, 0.2), (0.45, 0.85)])])[0]
    wait_until_equal(observed, lambda: image, page)
    end = page.locator(".vae-studio .vae-end-picture").last
    button = drawing.get_by_role("button", name="Morph to it")
    move_and_compare(button.click, end, lambda: image, page)
    drawing.get_by_text("The morph in the studio ends with your drawing now.").wait_for()
    assert end.locator("img").get_attribute("alt").endswith("your drawing")


def test_traversal_by_keyboard_and_by_buttons(page, made):
    panel, model = page.locator(".vae-traversal"), made["model"]
    panel.scroll_into_view_if_needed()
    picture, label = panel.locator(".vae-picture"), panel.locator(".vae-label").first
    z = torch.zeros(2)

    def image() -> torch.Tensor:
        return decode_images(model, z[None])[0]

    wait_until_equal(picture, image, page)
    for k in (0, 1):
        name = panel.locator(".vae-sliders .widget-label").nth(k).inner_text()
        dim = ["z₁", "z₂"].index(name.split(" · ")[0])
        for key, times, step in (("ArrowRight", 12, 0.05), ("ArrowLeft", 5, -0.05)):
            z[dim] += times * step

            def move(k=k, key=key, times=times) -> None:
                panel.locator(".noUi-handle").nth(k).focus()
                press(page, key, times)

            move_and_compare(move, picture, image, page)
    text = label.inner_text()
    assert code_in(text) == pytest.approx(z.tolist(), abs=0.011)
    assert f"|z| = {z.norm():.2f}; typical of the prior: √2 = {math.sqrt(2):.2f}" in text
    z = encode_image(model, made["x"][0])
    button = panel.get_by_role("button", name="Encode this image")
    move_and_compare(button.click, picture, image, page)
    page.wait_for_timeout(500)  # the page's sliders, in whole steps, send nothing back that moves z
    wait_until_equal(picture, image, page)
    z = torch.zeros(2)
    move_and_compare(panel.get_by_role("button", name="Reset").click, picture, image, page)
