"""Drawing and traversing in JupyterLab, in a real Chromium: by mouse, by finger, by keyboard."""

import math

import pytest
import torch
from helpers.browser import move_and_compare, numbers, open_unsaved, wait_until_equal

from tutorial_utils.models import decode_images, encode_image
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.studios.drawing import image_of_strokes

pytestmark = pytest.mark.browser
SOURCE = """
from IPython.display import display
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.data import load_images
from tutorial_utils.studios.drawing import drawing_studio
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.studios.traversal import traversal_panel
data, model = load_images("mnist"), load_pretrained("vae_2d")
x, y = data.x_test[:300], data.y_test[:300]
studio = interpolation_studio(model, x, y)
display(drawing_studio(model, x, y, studio=studio), studio, traversal_panel(model, x, y))
"""
ZIGZAG = [(0.2 + 0.012 * k, 0.3 if k % 2 else 0.7) for k in range(50)]


@pytest.fixture(scope="module")
def page(lab, chromium):
    """A notebook with the drawing, the studio and the traversal panel as its outputs."""
    page = open_unsaved(
        chromium, lab, "drawing", SOURCE, ".vae-traversal .vae-picture img", has_touch=True,
        viewport={"width": 1210, "height": 1400},
    )  # fmt: skip
    page.locator(".vae-canvas").wait_for()
    yield page
    page.close()


@pytest.fixture
def drawing(page):
    """The drawing with an empty canvas."""
    drawing = page.locator(".vae-draw")
    drawing.scroll_into_view_if_needed()
    drawing.get_by_role("button", name="Clear").click()
    drawing.get_by_text("of test image", exact=False).first.wait_for()
    return drawing


def pixels(canvas, points) -> list[tuple[int, int]]:
    """The pixels of the page nearest to points of the canvas: the mouse cannot point between them."""
    box = canvas.bounding_box()
    return [
        (round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"])) for x, y in points
    ]


def snapped(canvas, points) -> list[tuple[float, float]]:
    """These pixels as points of the canvas."""
    box, places = canvas.bounding_box(), pixels(canvas, points)
    return [
        ((right - box["x"]) / box["width"], (down - box["y"]) / box["height"])
        for right, down in places
    ]


def drawn(canvas, points) -> list[tuple[float, float]]:
    """Press the mouse, move it through the points, let go; returns the points that the canvas was told."""
    places, mouse = pixels(canvas, points), canvas.page.mouse
    mouse.move(*places[0])
    mouse.down()
    for place in places[1:]:
        mouse.move(*place)
    mouse.up()
    return snapped(canvas, points)


def ink_at(canvas, point) -> int:
    """How white the canvas is at a point, from 0 to 255."""
    script = "(node, [x, y]) => node.getContext('2d').getImageData(x * node.width, y * node.height, 1, 1).data[0]"
    return canvas.evaluate(script, list(point))


def test_a_fast_mouse_loses_no_point(page, drawing):
    canvas, model = drawing.locator(".vae-canvas"), load_pretrained("vae_2d")
    seen, decoded = (drawing.locator(".vae-end-picture").nth(k) for k in (0, 1))
    first = drawn(canvas, ZIGZAG)
    image = image_of_strokes([first])
    wait_until_equal(seen, lambda: image[0], page)
    wait_until_equal(
        decoded, lambda: decode_images(model, encode_image(model, image)[None])[0], page
    )
    assert all(ink_at(canvas, point) > 200 for point in ZIGZAG)
    assert max(ink_at(canvas, point) for point in ((0.05, 0.05), (0.5, 0.1), (0.9, 0.9))) == 0
    assert "q(z|x) of your drawing" in drawing.locator(".vae-label").first.inner_text()
    second = drawn(canvas, [(0.5, 0.9), (0.9, 0.9)])
    wait_until_equal(seen, lambda: image_of_strokes([first, second])[0], page)
    drawing.get_by_role("button", name="Undo stroke").click()
    wait_until_equal(seen, lambda: image[0], page)
    page.wait_for_timeout(300)
    assert ink_at(canvas, (0.7, 0.9)) == 0 and ink_at(canvas, ZIGZAG[20]) > 200


def test_leaving_the_canvas_ends_the_stroke(page, drawing):
    canvas, seen = drawing.locator(".vae-canvas"), drawing.locator(".vae-end-picture").first
    way = drawn(canvas, [(0.3, 0.3), (0.6, 0.5), (0.6, 1.2), (0.2, 1.2), (0.2, 0.2), (0.3, 0.8)])
    stroke = [*way[:2], (way[2][0], 1.0)]  # up to the edge
    wait_until_equal(seen, lambda: image_of_strokes([stroke])[0], page)


def test_a_finger_draws_and_does_not_scroll_the_page(page, drawing):
    canvas, seen = drawing.locator(".vae-canvas"), drawing.locator(".vae-end-picture").first
    before = canvas.bounding_box()
    points = [(0.5, 0.85 - 0.05 * k) for k in range(15)]
    session = page.context.new_cdp_session(page)
    for k, (right, down) in enumerate(pixels(canvas, points)):
        kind = "touchMove" if k else "touchStart"
        session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": right, "y": down}]}
        )
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    wait_until_equal(seen, lambda: image_of_strokes([snapped(canvas, points)])[0], page)
    assert canvas.bounding_box() == before


def test_the_keyboard_gets_past_the_canvas_and_chooses_a_test_image(page, drawing, mnist):
    canvas, seen = drawing.locator(".vae-canvas"), drawing.locator(".vae-end-picture").first
    assert canvas.get_attribute("title")
    drawn(canvas, [(0.2, 0.2), (0.8, 0.8)])
    page.wait_for_function(
        "!document.activeElement.matches('.vae-canvas')"
    )  # a stroke keeps no keys
    canvas.focus()
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.textContent === 'Clear'")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Undo stroke"
    another = drawing.get_by_role("button", name="Another")
    index = int(drawing.get_by_role("spinbutton").input_value())
    following = next(k for k in range(index + 1, 300) if mnist.y_test[k] == mnist.y_test[index])
    another.focus()
    move_and_compare(
        lambda: page.keyboard.press("Enter"), seen, lambda: mnist.x_test[following, 0], page
    )
    page.wait_for_timeout(300)
    assert ink_at(canvas, (0.2, 0.2)) == 0


def test_morph_to_it_changes_the_studio(page, drawing):
    image = image_of_strokes(
        [drawn(drawing.locator(".vae-canvas"), [(0.3, 0.2), (0.7, 0.2), (0.45, 0.85)])]
    )
    wait_until_equal(drawing.locator(".vae-end-picture").first, lambda: image[0], page)
    end = page.locator(".vae-studio .vae-end-picture").last
    move_and_compare(
        drawing.get_by_role("button", name="Morph to it").click, end, lambda: image[0], page
    )
    drawing.get_by_text("The morph in the studio ends with your drawing now.").wait_for()
    assert end.locator("img").get_attribute("alt").endswith("your drawing")


def test_traversal_by_keyboard_and_by_buttons(page, mnist):
    panel, model = page.locator(".vae-traversal"), load_pretrained("vae_2d")
    panel.scroll_into_view_if_needed()
    picture, label = panel.locator(".vae-picture"), panel.locator(".vae-label").first
    z = torch.zeros(2)
    wait_until_equal(picture, lambda: decode_images(model, z[None])[0], page)
    for k in (0, 1):
        name = panel.locator(".vae-sliders .widget-label").nth(k).inner_text()
        dim = ["z₁", "z₂"].index(name.split(" · ")[0])
        for key, step in (("ArrowRight", 0.05), ("ArrowLeft", -0.05)):
            z[dim] += (12 if key == "ArrowRight" else 5) * step

            def press(key=key, k=k):
                panel.locator(".noUi-handle").nth(k).focus()
                for _ in range(12 if key == "ArrowRight" else 5):
                    page.keyboard.press(key)

            move_and_compare(press, picture, lambda: decode_images(model, z[None])[0], page)
    assert numbers(label.inner_text()) == pytest.approx(z.tolist(), abs=0.011)
    assert (
        f"|z| = {z.norm():.2f}; typical of the prior: √2 = {math.sqrt(2):.2f}" in label.inner_text()
    )
    encoded = encode_image(model, mnist.x_test[0])
    button = panel.get_by_role("button", name="Encode this image")
    move_and_compare(button.click, picture, lambda: decode_images(model, encoded[None])[0], page)
    page.wait_for_timeout(500)  # the page's sliders, in whole steps, send nothing back that moves z
    wait_until_equal(picture, lambda: decode_images(model, encoded[None])[0], page)
    button = panel.get_by_role("button", name="Reset")
    move_and_compare(
        button.click, picture, lambda: decode_images(model, torch.zeros(1, 2))[0], page
    )


def test_nothing_complains(page):
    assert page.complaints == []
