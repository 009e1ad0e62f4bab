"""Playground page: one file in a real Chromium; what it draws is what PyTorch computes."""

import base64
import math
import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from helpers.browser import drag
from helpers.pages import open_file
from playwright.sync_api import Locator, Page
from torch import nn

from tutorial_utils.latent import great_circle, straight_line
from tutorial_utils.losses import kl_per_dimension, negative_elbo
from tutorial_utils.models import VAE, Autoencoder, decode_images, mlp, start_at_mean_image
from tutorial_utils.pages.playground import MAX_BYTES, export_playground
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.studios.drawing import image_of_strokes
from tutorial_utils.studios.pad import nearest_code
from tutorial_utils.training import constant, fit, local_seed

browser_test = pytest.mark.browser
DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
DEVICES = {
    "laptop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}
READ_PIXELS = """canvas => {
  const {height, width} = canvas;
  const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [height, width, btoa(String.fromCharCode(...data))];
}"""
READ_MANY = f"""codes => codes.map(code => {{
  playground.setPoint(code);
  playground.flush();
  return ({READ_PIXELS})(document.getElementById("point-image"));
}})"""
STROKES = {
    "a line": [[[0.2, 0.3], [0.7, 0.9]]],
    "a seven": [[[0.3, 0.2], [0.7, 0.22], [0.45, 0.8]], [[0.35, 0.5], [0.6, 0.52]]],
    "a circle": [[[0.5 + 0.2 * math.cos(k / 5), 0.4 + 0.3 * math.sin(k / 5)] for k in range(33)]],
    "a dot": [[[0.9, 0.1]]],
    "a small dot": [[[0.5, 0.5], [0.51, 0.5]]],
    "a dot that is none": [[[0.5, 0.5], [0.53, 0.5]]],
    "a line over the edge": [[[-0.4, 0.1], [1.3, 0.2]]],
    "nothing": [],
}


# ---- models and pages ----


@pytest.fixture(scope="module")
def vae_64(mnist) -> VAE:
    """784-400-128 and 64-400-784, trained for a moment."""
    with local_seed(0):
        vae = VAE(
            mlp([784, 400, 2 * 64]), mlp([64, 400, 784], out_shape=(1, 28, 28)), latent_dim=64
        )
    start_at_mean_image(vae.decoder, mnist.x_train)
    loss_fn = partial(negative_elbo, beta=1.0)
    settings = {
        "epochs": 1,
        "batch_size": 128,
        "lr": 2e-3,
        "seed": 0,
        "schedule": constant,
        "show_progress": False,
    }
    fit(vae, mnist.x_train[:5000], loss_fn, **settings)
    return vae.eval()


@pytest.fixture(scope="module")
def models(vae_64) -> dict[str, VAE]:
    return {"2-D": load_pretrained("vae_2d"), "64-D": vae_64}


@pytest.fixture(scope="module")
def files(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("playground")
    return {
        name: export_playground(model, folder / f"{name}.html") for name, model in models.items()
    }


@pytest.fixture(scope="module")
def open_page(chromium):
    """A function that opens a file on a laptop or a phone."""
    pages = []

    def open_(path, device="laptop", **settings) -> Page:
        ready = "() => window.playground"
        pages.append(open_file(chromium, path, ready, **DEVICES[device], **settings))
        return pages[-1]

    yield open_
    for page in pages:  # nothing went wrong, and nothing was asked of a network
        assert page.complaints == []
        page.context.close()


@pytest.fixture(scope="module")
def pages(files, open_page):
    return {name: open_page(path) for name, path in files.items()}


@pytest.fixture(scope="module")
def phone(files, open_page):
    return open_page(files["2-D"], "phone")


def settle(page: Page) -> None:
    """Wait for two frames: what was asked for is on the screen."""
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def shown(picture: Locator) -> np.ndarray:
    """The gray values of a canvas, read from its pixels."""
    return grays(*picture.evaluate(READ_PIXELS))


def grays(height: int, width: int, data: str) -> np.ndarray:
    pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4).astype(int)
    assert (pixels[..., 3] == 255).all() and (pixels[..., :1] == pixels[..., :3]).all()
    return pixels[..., 0]


def same_picture(picture: Locator, image: torch.Tensor) -> None:
    """What the canvas shows is `image` [H, W], to one gray value."""
    assert abs(shown(picture) - 255 * image.double().numpy()).max() <= 1


def point(page: Page) -> torch.Tensor:
    return torch.tensor(page.evaluate("playground.z"), dtype=torch.float32)


def same_point(page: Page, model: nn.Module) -> None:
    """Beside the map stands what the model decodes at the point."""
    settle(page)
    same_picture(page.locator("#point-image"), decode_images(model, point(page)[None])[0])


def ends(page: Page, part: str = "code") -> list[torch.Tensor]:
    return [
        torch.tensor(end[part], dtype=torch.float32) for end in page.evaluate("playground.ends")
    ]


def swipe(
    page: Page, target: Locator, start: tuple[float, float], end: tuple[float, float]
) -> None:
    """`drag` with a finger."""
    target.scroll_into_view_if_needed()
    box, client = target.bounding_box(), page.context.new_cdp_session(page)
    for k in range(11):
        share = [a + (b - a) * k / 10 for a, b in zip(start, end, strict=True)]
        place = {"x": box["x"] + share[0] * box["width"], "y": box["y"] + share[1] * box["height"]}
        client.send(
            "Input.dispatchTouchEvent",
            {"type": "touchMove" if k else "touchStart", "touchPoints": [place]},
        )
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    client.detach()


# ---- what it draws ----


@browser_test
@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_picture_is_pytorchs_at_a_hundred_codes(name, pages, models, mnist):
    model, page = models[name], pages[name]
    with torch.no_grad():
        mu, _ = model.encode(mnist.x_test[100:150])
    z = torch.cat(
        [torch.randn(50, model.latent_dim, generator=torch.Generator().manual_seed(0)), mu]
    )
    there = np.stack([grays(*pixels) for pixels in page.evaluate(READ_MANY, z.tolist())])
    assert (
        abs(there - 255 * decode_images(model, z).double().numpy()).max() <= 1
    )  # half of it is the rounding


@browser_test
@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_encoded_means_move_by_far_less_than_the_posterior_is_wide(name, pages, models, mnist):
    with torch.no_grad():
        mu, logvar = models[name].encode(mnist.x_test[:100])
    bytes_ = base64.b64encode(mnist.x_test[:100].mul(255).round().byte().numpy().tobytes()).decode()
    script = """data => {
      const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
      const pixels = (k) => bytes.subarray(784 * k, 784 * (k + 1));
      const image = (k) => Float32Array.from(pixels(k), byte => byte / 255);
      return Array.from({length: 100}, (_, k) => playground.encode(image(k)));
    }"""
    there = torch.tensor(pages[name].evaluate(script, bytes_))
    moved = (there - mu).abs() / (0.5 * logvar).exp()
    assert moved.mean() < 0.03 and moved.max() < 0.3


@browser_test
@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_map_shows_the_two_dimensions_with_the_largest_kl(name, pages, models, mnist):
    with torch.no_grad():
        order = (
            kl_per_dimension(*models[name].encode(mnist.x_test)).argsort(descending=True).tolist()
        )
    if name == "2-D":
        order = [0, 1]
    page = pages[name]
    labels = [text.translate(DIGITS) for text in page.locator("#sliders label").all_inner_texts()]
    assert labels == [f"z{axis + 1}" for axis in order[:10]]
    page.locator("#reset").click()
    page.locator("#pad").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    z = point(page)
    assert z.nonzero().flatten().tolist() == sorted(order[:2]) and z[order[1]] == pytest.approx(
        5 * z[order[0]]
    )


@browser_test
@pytest.mark.parametrize("name", STROKES)
def test_strokes_become_the_image_that_python_makes_of_them(name, pages):
    image = torch.tensor(
        pages["2-D"].evaluate("playground.imageOfStrokes", STROKES[name]), dtype=torch.float32
    )
    torch.testing.assert_close(
        image.reshape(1, 28, 28), image_of_strokes(STROKES[name]).float(), atol=1e-4, rtol=0
    )


@browser_test
def test_every_layer_computes_what_pytorch_does(open_page, digits, tmp_path):
    layers = [
        nn.SiLU(),
        nn.GELU(),
        nn.ReLU(),
        nn.Tanh(),
        nn.LeakyReLU(0.2),
        nn.Softplus(2, 5),
        nn.Sigmoid(),
        nn.GELU(),
    ]
    with local_seed(3):
        hidden = [
            nn.Sequential(nn.Linear(40, 40, bias=k % 2 == 0), layer)
            for k, layer in enumerate(layers)
        ]
        encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 40), nn.Dropout(), nn.Sequential(*hidden), nn.Linear(40, 3)
        )
        decoder = nn.Sequential(
            nn.Tanh(), nn.Linear(3, 40), nn.Identity(), nn.Sequential(*hidden), nn.Linear(40, 64)
        )
        model = Autoencoder(encoder, decoder.append(nn.Unflatten(1, (1, 8, 8))))
        for parameter in model.parameters():
            parameter.data.mul_(3)
    path = export_playground(model, tmp_path / "layers.html", x=digits.x_test, y=digits.y_test)
    assert model.training and model.encoder[2].training
    page, x = open_page(path), digits.x_test[:50]
    model.eval()
    with torch.no_grad():
        z = model.encode(x)
        images = model.decode(z).sigmoid().flatten(1)
    there = torch.tensor(page.evaluate("zs => zs.map(playground.decode)", z.tolist()))
    torch.testing.assert_close(there, images, atol=1 / 255 / 2, rtol=0)
    there = torch.tensor(page.evaluate("xs => xs.map(playground.encode)", x.flatten(1).tolist()))
    torch.testing.assert_close(there, z, atol=2e-3 * float(z.std()), rtol=0)
    text = page.content().partition("<script")[0] + page.locator("main").inner_text()
    assert "decoded image at z = (" in text.replace("\u00a0", " ")
    for word in ("prior", "p(x|z)", "q(z|x)", "KL", "variational"):
        assert word not in text
    assert not page.locator("#paper").is_visible()  # strokes become images of 28 x 28 pixels


# ---- turn one digit into another ----


@browser_test
@pytest.mark.parametrize("path", ["straight line", "great circle", "cross-fade of pixels"])
@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_morph_and_strip_are_what_the_path_says(name, path, pages, models):
    page = pages[name]
    page.get_by_role("radio", name=path).check()
    page.locator("#from-class").select_option("4")
    page.get_by_role("button", name="Another 4").click()
    page.locator("#to-class").select_option("2")
    page.locator("#t").focus()
    page.keyboard.press("Home")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    settle(page)
    t = torch.cat([torch.tensor([0.3]), torch.linspace(0, 1, 9)])
    if path == "cross-fade of pixels":
        images = straight_line(*ends(page, "pixels"), t).reshape(-1, 28, 28)
    else:
        along = straight_line if path == "straight line" else great_circle
        images = decode_images(models[name], along(*ends(page), t))
    same_picture(page.locator("#morph-image"), images[0])
    same_picture(page.locator("#strip"), torch.cat(list(images[1:]), dim=1))
    assert "t = 0.30" in page.locator("#morph-image").get_attribute("aria-label")
    assert ("no network" if "fade" in path else "mean of p(x|z)") in page.locator(
        "#morph-text"
    ).inner_text()


@browser_test
@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_ends_are_the_test_images_of_the_chosen_class_with_their_codes(name, pages, models, mnist):
    page = pages[name]
    seen = set()
    page.locator("#from-class").select_option("8")
    for _ in range(5):
        settle(page)
        picture = page.locator("#from-image")
        index = int(
            re.fullmatch(r"test image ([\d,]+), an 8", picture.get_attribute("aria-label"))[
                1
            ].replace(",", "")
        )
        assert mnist.y_test[index] == 8
        same_picture(picture, mnist.x_test[index, 0])
        with torch.no_grad():
            mu, _ = models[name].encode(mnist.x_test[index][None])
        torch.testing.assert_close(ends(page)[0], mu[0], atol=1e-4, rtol=1e-4)
        seen.add(index)
        page.get_by_role("button", name="Another 8").click()
    assert len(seen) == 5


@browser_test
def test_t_by_mouse_by_touch_and_by_arrow_keys_from_anywhere(pages, phone):
    page = pages["2-D"]
    drag(page, page.locator("#t"), (0.5, 0.5), (0.8, 0.5))
    assert page.evaluate("playground.t") == pytest.approx(0.8, abs=0.03)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert page.evaluate("playground.t") == pytest.approx(0.8 - 0.12, abs=0.03)
    swipe(phone, phone.locator("#t"), (0.5, 0.5), (0.2, 0.5))
    settle(phone)
    assert phone.evaluate("playground.t") == pytest.approx(0.2, abs=0.06)


@browser_test
@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_moves_t_until_pause_and_in_steps_where_motion_is_not_wanted(motion, files, open_page):
    page = open_page(files["2-D"], reduced_motion=motion)
    page.evaluate("""() => {
      window.seen = new Set();
      const look = () => { seen.add(playground.t); requestAnimationFrame(look); };
      look();
    }""")
    button = page.locator("#play")
    button.click()
    page.wait_for_function("() => seen.size > 2")
    assert button.inner_text() == "Pause"
    button.click()
    settle(page)
    before = page.evaluate("playground.t")
    seen = sorted(page.evaluate("[...seen]"))
    steps = np.diff(seen)
    assert button.inner_text() == "Play" and (
        steps.max() < 0.05 if motion != "reduce" else steps.min() > 0.12
    )
    page.wait_for_timeout(200)
    assert page.evaluate("playground.t") == before


# ---- the map and the sliders ----


@browser_test
def test_pad_by_mouse_and_by_keyboard(pages, models):
    page, model = pages["2-D"], models["2-D"]
    pad = page.locator("#pad")
    extent = float(pad.get_attribute("aria-valuemax"))
    drag(page, pad, (0.4, 0.4), (0.75, 0.9))
    assert point(page).tolist() == pytest.approx([0.5 * extent, -0.8 * extent], abs=0.05)
    same_point(page, model)
    drag(page, pad, (0.5, 0.5), (1.2, 0.5))
    assert point(page)[0] == extent  # over the edge, it stays on the map
    page.keyboard.press("Home")
    assert point(page).tolist() == [0, 0]
    for key, place in (
        ("Shift+ArrowRight", [0.1, 0]),
        ("ArrowUp", [0.1, 0.02]),
        ("ArrowLeft", [0.08, 0.02]),
    ):
        page.keyboard.press(key)
        assert point(page).tolist() == pytest.approx([part * extent for part in place], abs=1e-6)
        same_point(page, model)
    page.keyboard.press("ArrowDown")
    assert point(page)[1] == pytest.approx(0, abs=1e-6)
    assert pad.evaluate("node => node === document.activeElement")


@browser_test
def test_pad_by_finger_while_the_page_stays_where_it_is(phone, models):
    pad = phone.locator("#pad")
    extent = float(pad.get_attribute("aria-valuemax"))
    pad.scroll_into_view_if_needed()
    before = phone.evaluate("scrollY")
    swipe(phone, pad, (0.5, 0.8), (0.25, 0.25))
    same_point(phone, models["2-D"])
    assert point(phone).tolist() == pytest.approx([-0.5 * extent, 0.5 * extent], abs=0.1)
    box = pad.bounding_box()
    phone.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    same_point(phone, models["2-D"])
    assert point(phone).tolist() == pytest.approx([0.5 * extent, 0], abs=0.1)
    assert phone.evaluate("scrollY") == before
    assert (
        phone.locator("#point-image").bounding_box()["y"] >= 0
    )  # on a phone it stays above the map, in sight


@browser_test
@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_sliders_reset_and_random_move_the_same_point(name, pages, models):
    page, model = pages[name], models[name]
    page.locator("#reset").click()
    assert not point(page).any()
    settle(page)  # the sliders follow with the next frame
    slider = page.locator("#sliders input").nth(1)
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    z = point(page)
    assert (z != 0).sum() == 1 and z.max() == pytest.approx(
        20 * float(slider.get_attribute("step"))
    )
    same_point(page, model)
    page.locator("#random").click()
    first = point(page)
    same_point(page, model)
    labels = page.locator("#sliders label").all_inner_texts()
    axes = [int(text.translate(DIGITS)[1:]) - 1 for text in labels]
    values = [
        float(text.replace("−", "-")) for text in page.locator("#sliders output").all_inner_texts()
    ]
    assert values == pytest.approx(first[axes].tolist(), abs=0.006) and len(values) == min(
        10, model.latent_dim
    )
    page.locator("#random").click()
    assert (point(page) != first).all() and point(page).abs().max() < 6


@browser_test
def test_random_is_a_draw_of_the_prior(pages):
    draw = """button => Array.from({length: 60}, () => {
      button.click();
      return playground.z;
    })"""
    z = torch.tensor(pages["64-D"].locator("#random").evaluate(draw)).flatten()
    assert abs(float(z.mean())) < 0.1 and float(z.std()) == pytest.approx(1, abs=0.06)
    assert float((z.abs() < 1).float().mean()) == pytest.approx(0.683, abs=0.04)


@browser_test
def test_a_thousand_changes_end_in_the_picture_of_the_last_one_and_leave_nothing_behind(
    pages, models
):
    page = pages["2-D"]
    count = "document.querySelectorAll('*').length"
    before = page.evaluate(count)
    page.evaluate(
        "for (let k = 0; k < 1000; k++) { playground.setPoint([k / 400, -1]); playground.flush(); }"
    )
    same_point(page, models["2-D"])
    assert point(page)[0] == pytest.approx(999 / 400)
    assert page.evaluate(count) == before


@browser_test
def test_many_changes_within_a_frame_are_drawn_once(pages):
    script = """async () => {
      let asked = 0;
      const original = window.requestAnimationFrame;
      window.requestAnimationFrame = (f) => (asked++, original(f));
      for (let k = 0; k < 50; k++) playground.setPoint([k / 50, 0]);
      await new Promise(done => original(() => original(done)));
      window.requestAnimationFrame = original;
      return asked;
    }"""
    assert pages["2-D"].evaluate(script) == 1


# ---- draw a digit ----


def same_drawing(page: Page, model: nn.Module) -> None:
    """The encoder's image is Python's image of the strokes, the point its code; both are shown."""
    settle(page)
    drawing = page.evaluate("playground.drawing")
    image = image_of_strokes(drawing["strokes"]).float()
    same_picture(page.locator("#seen-image"), image[0])
    with torch.no_grad():
        mu, logvar = model.encode(image[None])
    moved = (torch.tensor(drawing["code"]) - mu[0]).abs() / (0.5 * logvar[0]).exp()
    assert moved.max() < 0.3 and point(page).tolist() == pytest.approx(drawing["code"])
    same_picture(
        page.locator("#again-image"), decode_images(model, torch.tensor(drawing["code"])[None])[0]
    )
    same_point(page, model)


@browser_test
@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_drawing_by_mouse_is_encoded_and_can_be_an_end_of_the_morph(name, pages, models):
    page, paper = pages[name], pages[name].locator("#paper")
    page.locator("#clear").click()
    drag(page, paper, (0.3, 0.2), (0.7, 0.2))
    drag(page, paper, (0.7, 0.2), (0.4, 0.9))
    settle(page)
    strokes = page.evaluate("playground.drawing.strokes")
    assert len(strokes) == 2 and strokes[1][0] == pytest.approx([0.7, 0.2], abs=0.01)
    assert strokes[1][-1] == pytest.approx([0.4, 0.9], abs=0.02)
    assert paper.get_attribute("aria-label") == "your drawing, 2 strokes"
    same_drawing(page, models[name])
    page.get_by_role("button", name="Morph to it").click()
    page.get_by_role("radio", name="straight line").check()
    settle(page)
    assert page.locator("#to-class").input_value() == "drawing"
    drag(page, paper, (0.4, 0.5), (0.6, 0.5))  # the morph follows the drawing
    settle(page)
    drawing = torch.tensor(page.evaluate("playground.drawing.code"))
    torch.testing.assert_close(ends(page)[1], drawing)
    images = decode_images(models[name], straight_line(*ends(page), torch.linspace(0, 1, 9)))
    same_picture(page.locator("#strip"), torch.cat(list(images), dim=1))
    page.locator("#clear").click()
    settle(page)
    assert not shown(page.locator("#seen-image")).any()
    assert "nothing drawn yet" in page.locator("#to-image").get_attribute("aria-label")
    page.locator("#to-class").select_option("0")


@browser_test
def test_drawing_by_finger(phone, models):
    phone.locator("#clear").tap()
    swipe(phone, phone.locator("#paper"), (0.5, 0.1), (0.45, 0.9))
    settle(phone)
    assert len(phone.evaluate("playground.drawing.strokes")) == 1
    same_drawing(phone, models["2-D"])


@browser_test
def test_without_a_pointer_a_test_image_does_what_a_drawing_does(pages, models, mnist):
    page = pages["2-D"]
    page.locator("#instead").focus()
    page.keyboard.press("6")
    page.locator("#instead-next").press("Enter")
    settle(page)
    label = page.locator("#seen-image").get_attribute("aria-label")
    index = int(re.fullmatch(r"test image ([\d,]+), a 6", label)[1].replace(",", ""))
    same_picture(page.locator("#seen-image"), mnist.x_test[index, 0])
    with torch.no_grad():
        mu, logvar = models["2-D"].encode(mnist.x_test[index][None])
    assert ((point(page) - mu[0]).abs() / (0.5 * logvar[0]).exp()).max() < 0.3
    same_point(page, models["2-D"])
    page.locator("#as-from").press("Enter")
    assert page.evaluate("playground.ends[0].text") == label


# ---- for everybody ----


@browser_test
@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_what_is_seen_is_also_said(name, pages, models, mnist):
    page, model = pages[name], models[name]
    z = torch.full((model.latent_dim,), 0.1)
    page.evaluate("z => playground.setPoint(z)", z.tolist())
    with torch.no_grad():
        codes = model.encode(mnist.x_test[:2000])[0]
    index, distance = nearest_code(codes, z)
    said = page.locator("#live")
    page.wait_for_function("() => document.getElementById('live').textContent.includes('nearest')")
    text = said.inner_text()
    label = int(mnist.y_test[index])
    article = "an" if label == 8 else "a"
    found = re.match(
        rf"mean of p\(x\|z\) at .*; nearest test code is {article} {label}, ([\d.]+) away", text
    )
    assert float(found[1]) == pytest.approx(distance, abs=0.006 if name == "2-D" else 0.06)
    if name == "2-D":
        assert text.startswith("mean of p(x|z) at z = (0.10, 0.10); nearest")
    assert said.get_attribute("aria-live") == "polite"
    assert page.locator("#point-text").inner_text().replace("\u00a0", " ") == text
    for canvas in page.locator("canvas").all():
        assert canvas.get_attribute("role") == "img" and len(canvas.get_attribute("aria-label")) > 8


@browser_test
def test_live_sentences_are_throttled(pages):
    script = """async () => {
      const told = [];
      const begin = performance.now();
      const live = document.getElementById("live");
      const changes = {childList: true, characterData: true, subtree: true};
      new MutationObserver(() => told.push(live.textContent)).observe(live, changes);
      for (let k = 0; k < 60; k++) {
        playground.setPoint([k / 100, 1]);
        await new Promise(requestAnimationFrame);
      }
      await new Promise(done => setTimeout(done, 1200));
      return [told, (performance.now() - begin) / 1000];
    }"""
    told, seconds = pages["2-D"].evaluate(script)
    assert 1 <= len(told) <= seconds + 1 and "z = (0.59, 1.00)" in told[-1]


@browser_test
@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_every_control_has_a_name_and_the_tab_key_reaches_it(name, files, open_page):
    page = open_page(files[name])
    client = page.context.new_cdp_session(page)
    nodes = client.send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "combobox", "slider", "radio", "link", "spinbutton", "textbox", "checkbox")
    controls = [node for node in nodes if node.get("role", {}).get("value") in roles]
    names = [node["name"]["value"] for node in controls]
    assert len(names) >= 18 and all(names) and len(set(names)) == len(names)
    everything = "button, input, select, a[href], textarea, [tabindex], [role=slider]"
    wanted = page.locator(everything).evaluate_all(
        "nodes => nodes.filter(n => n.type !== 'radio' || n.checked).length"
    )
    page.evaluate("() => { window.reached = new Set(); }")
    for _ in range(wanted):
        page.keyboard.press("Tab")
        page.evaluate("reached.add(document.activeElement)")
    assert page.evaluate("[...reached].filter(node => node !== document.body).length") == wanted
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"  # and where it is can be seen
    assert page.locator("html").get_attribute("lang") == "en" and page.title()
    levels = page.locator("h1, h2, h3").evaluate_all("nodes => nodes.map(node => node.tagName)")
    assert levels == ["H1", "H2", "H2", "H3", "H2"]


CONTRAST = """() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.slice(0, 3).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const color = parts(getComputedStyle(node).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const texts = "h1, h2, h3, p, label, legend, button, select, output, figcaption, a";
  const shown = (node) => node.offsetParent && node.textContent;
  return Array.from(document.querySelectorAll(texts)).filter(shown).map(node => {
    const lights = [light(parts(getComputedStyle(node).color)), light(ground(node))];
    const [dark, bright] = lights.sort((a, b) => a - b);
    return [node.id || node.textContent, (bright + 0.05) / (dark + 0.05)];
  });
}"""


@browser_test
@pytest.mark.parametrize("device", ["laptop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_readable_and_the_page_is_as_wide_as_the_screen(scheme, device, files, open_page):
    for path in files.values():
        page = open_page(path, device, color_scheme=scheme)
        contrasts = dict(page.evaluate(CONTRAST))
        assert len(contrasts) > 25 and min(contrasts.values()) >= 4.5
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, re.findall(r"\d+", ground))) < 60) == (scheme == "dark")
        assert (
            page.evaluate("document.documentElement.scrollWidth")
            == DEVICES[device]["viewport"]["width"]
        )
        if device == "phone":  # fingers are wide
            heights = page.locator("button, select").evaluate_all(
                "nodes => nodes.map(node => node.offsetHeight)"
            )
            assert min(heights) >= 40
        last = page.locator(".paths").bounding_box()
        assert (
            last["y"] + last["height"] <= DEVICES[device]["viewport"]["height"]
        )  # the morph fits on the first screen
        page.context.close()


@browser_test
def test_a_browser_that_is_too_old_is_told_so(files, chromium):
    page = chromium.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(files["2-D"].as_uri())
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "DecompressionStream" in alert.inner_text() and "2023" in alert.inner_text()
    page.close()


# ---- the file ----


def test_one_file_that_refers_to_nothing_outside(files):
    for path in files.values():
        page = path.read_text(encoding="utf-8")
        assert path.stat().st_size <= MAX_BYTES == 1_500_000
        addresses = re.findall(r"(?:src|href|url|action)\s*[=(]\s*[\"']?([^\"')\s>]+)", page)
        assert set(addresses) == {"data:,", "https://creativecommons.org/licenses/by-sa/3.0/"}
        assert "default-src 'none'" in page and "<!-- " not in page and "Yann LeCun" in page
    assert [file.suffix for file in path.parent.iterdir()] == [".html"] * len(files)


def test_own_images_carry_no_credit_of_mnist_and_strings_are_paths(make_vae, digits, tmp_path):
    path = export_playground(
        make_vae(), str(tmp_path / "new" / "a.html"), x=digits.x_test, y=digits.y_test
    )
    assert path == tmp_path / "new" / "a.html" and "LeCun" not in path.read_text(encoding="utf-8")


def test_deep_reference_model_fits(tmp_path, mnist):
    encoder = mlp([784, 256, 128, 64, 4], activation=nn.GELU)
    decoder = mlp([2, 64, 128, 256, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    path = export_playground(VAE(encoder, decoder, latent_dim=2), tmp_path / "a.html")
    assert path.stat().st_size <= MAX_BYTES


def shifted(model: VAE) -> VAE:
    model.decode = lambda z: model.decoder(z) + 1
    return model


def without_encoder(model: VAE) -> VAE:
    del model.encoder
    return model


def convolution() -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (2, 1, 1)), nn.ConvTranspose2d(2, 1, 8))


def encoder_of(*layers: nn.Module) -> Callable:
    """Makes an autoencoder with these layers, and with the decoder of the VAE that `make` makes."""
    return lambda make: Autoencoder(nn.Sequential(*layers), make().decoder)


def with_nan(model: VAE) -> VAE:
    for bias in (layer.bias for layer in model.modules() if isinstance(layer, nn.Linear)):
        nn.init.constant_(bias, math.nan)
    return model


BAD = {  # {name: (a function of make_vae, the error, its message)}
    "a convolution": (
        lambda make: VAE(make().encoder, convolution(), latent_dim=2),
        TypeError, "decoder.*ConvTranspose2d",
    ),
    "batch norm": (
        encoder_of(nn.Flatten(), nn.Linear(64, 2), nn.BatchNorm1d(2)),
        TypeError, "encoder.*BatchNorm1d",
    ),
    "tanh GELU": (
        encoder_of(nn.Flatten(), nn.GELU("tanh"), nn.Linear(64, 2)), ValueError, "encoder.*tanh",
    ),
    "no encoder": (lambda make: without_encoder(make()), TypeError, "encoder.*NoneType"),
    "a decode of its own": (
        lambda make: shifted(make()), ValueError, "model.decode must be model.decoder",
    ),
    "one latent number": (lambda make: make(latent_dim=1), ValueError, "two latent numbers"),
    "images of another size": (
        lambda make: load_pretrained("vae_2d"), ValueError, r"shape.*\[360, 1, 8, 8\]",
    ),
    "a row-wise layer": (
        encoder_of(nn.Linear(8, 8), nn.Flatten(), nn.Linear(64, 2)),
        ValueError, "flatten.*64 numbers",
    ),
    "NaN": (lambda make: with_nan(make()), ValueError, "finite"),
    "too wide": (
        lambda make: Autoencoder(mlp([64, 6000, 2]), mlp([2, 6000, 200, 64], out_shape=(1, 8, 8))),
        ValueError, r"too large.*[2-9]\.\d\d MB.*1\.50",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    case, make_vae, digits, tmp_path
):
    make_model, error, message = BAD[case]
    with pytest.raises(error, match=message):
        export_playground(
            make_model(make_vae), tmp_path / "a.html", x=digits.x_test, y=digits.y_test
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (torch.rand(5, 1, 8, 8), None, ValueError, "together"),
        (None, torch.arange(5), ValueError, "together"),
        (torch.rand(5, 1, 8, 8), torch.arange(4), ValueError, "x and y must have the same length"),
        (torch.rand(5, 3, 8, 8), torch.arange(5), ValueError, "gray"),
        (2 * torch.ones(5, 1, 8, 8), torch.arange(5), ValueError, r"\[0, 1\]"),
        (torch.rand(5, 1, 8, 8), torch.rand(5), TypeError, "whole numbers"),
        (torch.rand(300, 1, 8, 8), torch.arange(300), ValueError, "255 classes"),
    ],
)
def test_bad_images_are_refused(x, y, error, message, make_vae, tmp_path):
    with pytest.raises(error, match=message):
        export_playground(make_vae(), tmp_path / "a.html", x=x, y=y)
