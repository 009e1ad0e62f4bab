"""The playground: one HTML file, driven in a real Chromium; it draws what PyTorch computes.

Of the three pages, "20-D" holds two models, of which the second is chosen.
"""

import math
import re
from functools import partial

import numpy as np
import pytest
import torch
from helpers.browser import (
    READ_PIXELS,
    drag,
    grays,
    is_focused,
    on_page,
    press,
    settle,
    shown,
    swipe,
)
from playwright.sync_api import Locator, Page
from torch import nn

from tutorial_utils.latent import great_circle, straight_line
from tutorial_utils.losses import kl_per_dimension, negative_elbo
from tutorial_utils.models import VAE, Autoencoder, decode_images, mlp, start_at_mean_image
from tutorial_utils.pages.playground import export_playground
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.studios.drawing import image_of_strokes
from tutorial_utils.studios.pad import nearest_code
from tutorial_utils.training import constant, fit, local_seed

pytestmark = pytest.mark.browser
every_model = pytest.mark.parametrize("name", ["2-D", "20-D", "64-D"])
READY = "() => window.playground"
DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
DEVICES = {
    "laptop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}
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
def models(mnist) -> dict[str, VAE]:
    """The models of notebook 00, and one with 64 latent numbers, trained for a moment."""
    with local_seed(0):
        encoder, decoder = mlp([784, 400, 128]), mlp([64, 400, 784], out_shape=(1, 28, 28))
        vae = VAE(encoder, decoder, latent_dim=64)
    start_at_mean_image(vae.decoder, mnist.x_train)
    settings = {"epochs": 1, "batch_size": 128, "lr": 2e-3, "seed": 0, "schedule": constant}
    loss_fn = partial(negative_elbo, beta=1.0)
    fit(vae, mnist.x_train[:5000], loss_fn, show_progress=False, **settings)
    shipped = {"2-D": load_pretrained("vae_2d"), "20-D": load_pretrained("vae_20d")}
    return shipped | {"64-D": vae.eval()}


@pytest.fixture(scope="module")
def files(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("playground")
    both = {"2 numbers": models["2-D"], "20 <numbers>": models["20-D"]}
    return {
        name: export_playground(both if name == "20-D" else model, folder / f"{name}.html")
        for name, model in models.items()
    }


@pytest.fixture(scope="module")
def pages(files, open_page):
    pages = {name: open_page(path, **DEVICES["laptop"]) for name, path in files.items()}
    pages["20-D"].get_by_role("radio", name="20 <numbers>").check()
    return pages


@pytest.fixture(scope="module")
def phone(files, open_page):
    return open_page(files["2-D"], **DEVICES["phone"])


def same_picture(picture: Locator, image: torch.Tensor) -> None:
    """What the canvas shows is `image` [H, W], to one gray value."""
    assert abs(shown(picture) - 255 * image.double().numpy()).max() <= 1


def same_strip(page: Page, images: torch.Tensor) -> None:
    """What the strip shows is these images [N, H, W], side by side."""
    same_picture(page.locator("#strip"), torch.cat(list(images), dim=1))


def point(page: Page) -> torch.Tensor:
    """The code that is decoded beside the map."""
    return torch.tensor(page.evaluate("playground.z"), dtype=torch.float32)


def same_point(page: Page, model: nn.Module) -> None:
    """Beside the map stands what the model decodes at the point."""
    settle(page)
    same_picture(page.locator("#point-image"), decode_images(model, point(page)[None])[0])


def ends(page: Page, part: str = "code") -> list[torch.Tensor]:
    """The codes, or the "pixels", of the two ends of the morph."""
    return [
        torch.tensor(end[part], dtype=torch.float32) for end in page.evaluate("playground.ends")
    ]


@torch.no_grad()
def moved(model: VAE, image: torch.Tensor, code) -> torch.Tensor:
    """How far the page's code of images is from Python's, in standard deviations of q(z|x)."""
    mu, logvar = model.encode(image)
    return (torch.as_tensor(code) - mu).abs() / (0.5 * logvar).exp()


def index_of(label: str, digit: int) -> int:
    """Which test image a label such as "test image 1,234, a 6" names; it must be that digit."""
    article = "an" if digit == 8 else "a"
    found = re.fullmatch(rf"test image ([\d,]+), {article} {digit}", label)
    return int(found[1].replace(",", ""))


def finger(page: Page, target: Locator, start, end) -> None:
    """Drag with a finger; places are shares of the target's width and height."""
    target.scroll_into_view_if_needed()
    steps = np.linspace(start, end, 11).tolist()
    swipe(page, [on_page(target, tuple(place)) for place in steps])


# ---- what it draws ----


@every_model
def test_picture_is_pytorchs_at_a_hundred_codes(name, pages, models, mnist):
    model, page = models[name], pages[name]
    with torch.no_grad():
        mu, _ = model.encode(mnist.x_test[100:150])
    noise = torch.randn(50, model.latent_dim, generator=torch.Generator().manual_seed(0))
    z = torch.cat([noise, mu])
    there = np.stack([grays(*pixels) for pixels in page.evaluate(READ_MANY, z.tolist())])
    here = 255 * decode_images(model, z).double().numpy()
    assert abs(there - here).max() <= 1  # half of it is the rounding


def test_weights_of_the_shelf_are_not_rounded_so_pixels_are_the_same(pages, models, mnist):
    page, model = pages["20-D"], models["20-D"]
    with torch.no_grad():
        z, _ = model.encode(mnist.x_test[:100])
    there = torch.tensor(page.evaluate("zs => zs.map(playground.decode)", z.tolist()))
    here = decode_images(model, z).flatten(1)
    assert 255 * (there - here).abs().max() < 0.02  # gray values, before they are whole numbers


@every_model
def test_encoded_means_move_by_far_less_than_the_posterior_is_wide(name, pages, models, mnist):
    images = mnist.x_test[:100]
    codes = pages[name].evaluate("xs => xs.map(playground.encode)", images.flatten(1).tolist())
    distances = moved(models[name], images, codes)
    assert distances.mean() < 0.03 and distances.max() < 0.3


@every_model
def test_map_shows_the_two_dimensions_with_the_largest_kl(name, pages, models, mnist):
    with torch.no_grad():
        kl = kl_per_dimension(*models[name].encode(mnist.x_test))
    order = [0, 1] if name == "2-D" else kl.argsort(descending=True).tolist()
    page = pages[name]
    labels = [text.translate(DIGITS) for text in page.locator("#sliders label").all_inner_texts()]
    assert labels == [f"z{axis + 1}" for axis in order[:10]]
    page.locator("#reset").click()
    page.locator("#pad").focus()
    press(page, "ArrowRight")
    press(page, "Shift+ArrowUp")
    z = point(page)
    assert z.nonzero().flatten().tolist() == sorted(order[:2])
    assert z[order[1]] == pytest.approx(5 * z[order[0]])


def test_strokes_become_the_image_that_python_makes_of_them(pages):
    for name, strokes in STROKES.items():
        there = torch.tensor(pages["2-D"].evaluate("playground.imageOfStrokes", strokes))
        here = image_of_strokes(strokes).flatten()
        torch.testing.assert_close(there.float().flatten(), here, atol=1e-4, rtol=0, msg=name)


def test_every_layer_computes_what_pytorch_does(open_page, digits, tmp_path):
    kinds = [nn.SiLU(), nn.GELU(), nn.ReLU(), nn.Tanh(), nn.LeakyReLU(0.2)]
    kinds += [nn.Softplus(2, 5), nn.Sigmoid(), nn.GELU()]
    with local_seed(3):
        layers = [
            nn.Sequential(nn.Linear(40, 40, bias=k % 2 == 0), kind) for k, kind in enumerate(kinds)
        ]
        hidden, first, last = nn.Sequential(*layers), nn.Linear(64, 40), nn.Linear(40, 64)
        encoder = nn.Sequential(nn.Flatten(), first, nn.Dropout(), hidden, nn.Linear(40, 3))
        decoder = nn.Sequential(nn.Tanh(), nn.Linear(3, 40), nn.Identity(), hidden, last)
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


@pytest.mark.parametrize("path", ["straight line", "great circle", "cross-fade of pixels"])
@every_model
def test_morph_and_strip_are_what_the_path_says(name, path, pages, models):
    page = pages[name]
    page.get_by_role("radio", name=path).check()
    page.locator("#from-class").select_option("4")
    page.get_by_role("button", name="Another 4").click()
    page.locator("#to-class").select_option("2")
    page.locator("#t").focus()
    press(page, "Home")
    press(page, "ArrowRight", 30)
    settle(page)
    t = torch.cat([torch.tensor([0.3]), torch.linspace(0, 1, 9)])
    if path == "cross-fade of pixels":
        images = straight_line(*ends(page, "pixels"), t).reshape(-1, 28, 28)
    else:
        along = straight_line if path == "straight line" else great_circle
        images = decode_images(models[name], along(*ends(page), t))
    same_picture(page.locator("#morph-image"), images[0])
    same_strip(page, images[1:])
    assert "t = 0.30" in page.locator("#morph-image").get_attribute("aria-label")
    words = "no network" if "fade" in path else "mean of p(x|z)"
    assert words in page.locator("#morph-text").inner_text()


@every_model
def test_ends_are_the_test_images_of_the_chosen_class_with_their_codes(name, pages, models, mnist):
    page = pages[name]
    seen = set()
    page.locator("#from-class").select_option("8")
    for _ in range(5):
        settle(page)
        picture = page.locator("#from-image")
        index = index_of(picture.get_attribute("aria-label"), 8)
        assert mnist.y_test[index] == 8
        same_picture(picture, mnist.x_test[index, 0])
        with torch.no_grad():
            mu, _ = models[name].encode(mnist.x_test[index][None])
        torch.testing.assert_close(ends(page)[0], mu[0], atol=1e-4, rtol=1e-4)
        seen.add(index)
        page.get_by_role("button", name="Another 8").click()
    assert len(seen) == 5


def test_t_by_mouse_by_touch_and_by_arrow_keys_from_anywhere(pages, phone):
    page = pages["2-D"]
    drag(page, page.locator("#t"), (0.5, 0.5), (0.8, 0.5))
    assert page.evaluate("playground.t") == pytest.approx(0.8, abs=0.03)
    page.evaluate("document.activeElement.blur()")
    press(page, "ArrowLeft")
    press(page, "Shift+ArrowLeft")
    assert page.evaluate("playground.t") == pytest.approx(0.8 - 0.12, abs=0.03)
    finger(phone, phone.locator("#t"), (0.5, 0.5), (0.2, 0.5))
    settle(phone)
    assert phone.evaluate("playground.t") == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_moves_t_until_pause_and_in_steps_where_motion_is_not_wanted(motion, files, open_page):
    page = open_page(files["2-D"], reduced_motion=motion, **DEVICES["laptop"])
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
    assert button.inner_text() == "Play"
    assert steps.min() > 0.12 if motion == "reduce" else steps.max() < 0.05
    page.wait_for_timeout(200)
    assert page.evaluate("playground.t") == before


# ---- the map and the sliders ----


def test_pad_by_mouse_and_by_keyboard(pages, models):
    page, model = pages["2-D"], models["2-D"]
    pad = page.locator("#pad")
    extent = float(pad.get_attribute("aria-valuemax"))
    drag(page, pad, (0.4, 0.4), (0.75, 0.9))
    assert point(page).tolist() == pytest.approx([0.5 * extent, -0.8 * extent], abs=0.05)
    same_point(page, model)
    drag(page, pad, (0.5, 0.5), (1.2, 0.5))
    assert point(page)[0] == extent  # over the edge, it stays on the map
    press(page, "Home")
    assert point(page).tolist() == [0, 0]
    for key, place in (
        ("Shift+ArrowRight", [0.1, 0]),
        ("ArrowUp", [0.1, 0.02]),
        ("ArrowLeft", [0.08, 0.02]),
    ):
        press(page, key)
        assert point(page).tolist() == pytest.approx([part * extent for part in place], abs=1e-6)
        same_point(page, model)
    press(page, "ArrowDown")
    assert point(page)[1] == pytest.approx(0, abs=1e-6)
    assert is_focused(pad)


def test_pad_by_finger_while_the_page_stays_where_it_is(phone, models):
    pad = phone.locator("#pad")
    extent = float(pad.get_attribute("aria-valuemax"))
    pad.scroll_into_view_if_needed()
    before = phone.evaluate("scrollY")
    finger(phone, pad, (0.5, 0.8), (0.25, 0.25))
    same_point(phone, models["2-D"])
    assert point(phone).tolist() == pytest.approx([-0.5 * extent, 0.5 * extent], abs=0.1)
    box = pad.bounding_box()
    phone.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    same_point(phone, models["2-D"])
    assert point(phone).tolist() == pytest.approx([0.5 * extent, 0], abs=0.1)
    assert phone.evaluate("scrollY") == before
    # on a phone the picture stays above the map, in sight
    assert phone.locator("#point-image").bounding_box()["y"] >= 0


@every_model
def test_sliders_reset_and_random_move_the_same_point(name, pages, models):
    page, model = pages[name], models[name]
    page.locator("#reset").click()
    assert not point(page).any()
    settle(page)  # the sliders follow with the next frame
    slider = page.locator("#sliders input").nth(1)
    slider.focus()
    press(page, "ArrowRight", 20)
    z, step = point(page), float(slider.get_attribute("step"))
    assert (z != 0).sum() == 1 and z.max() == pytest.approx(20 * step)
    same_point(page, model)
    page.locator("#random").click()
    first = point(page)
    same_point(page, model)
    labels = page.locator("#sliders label").all_inner_texts()
    axes = [int(text.translate(DIGITS)[1:]) - 1 for text in labels]
    texts = page.locator("#sliders output").all_inner_texts()
    values = [float(text.replace("−", "-")) for text in texts]
    assert values == pytest.approx(first[axes].tolist(), abs=0.006)
    assert len(values) == min(10, model.latent_dim)
    page.locator("#random").click()
    assert (point(page) != first).all() and point(page).abs().max() < 6


def test_random_is_a_draw_of_the_prior(pages):
    draw = """() => Array.from({length: 60}, () => {
      document.getElementById('random').click();
      return playground.z;
    })"""
    z = torch.tensor(pages["64-D"].evaluate(draw)).flatten()
    assert abs(float(z.mean())) < 0.1 and float(z.std()) == pytest.approx(1, abs=0.06)
    assert float((z.abs() < 1).float().mean()) == pytest.approx(0.683, abs=0.04)


def test_a_thousand_changes_end_in_the_picture_of_the_last_and_leave_nothing_behind(pages, models):
    page, count = pages["2-D"], "document.querySelectorAll('*').length"
    before = page.evaluate(count)
    page.evaluate("""for (let k = 0; k < 1000; k++) {
      playground.setPoint([k / 400, -1]);
      playground.flush();
    }""")
    same_point(page, models["2-D"])
    assert point(page)[0] == pytest.approx(999 / 400)
    assert page.evaluate(count) == before


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


# ---- the choice of a model ----


def test_models_are_chosen_by_keyboard_and_everything_follows(files, models, open_page, mnist):
    page = open_page(files["20-D"], **DEVICES["laptop"])
    labels = page.locator("#models label").all_inner_texts()
    assert labels == ["2 numbers", "20 <numbers>"]
    assert page.get_by_role("group", name="Model").is_visible()
    page.evaluate("playground.setT(0.3)")
    points = {}
    for key, name, others in (("ArrowRight", "20-D", 18), ("ArrowLeft", "2-D", 0)) * 2:
        page.locator("#models input:checked").focus()
        press(page, key)
        settle(page)
        model, t = models[name], torch.linspace(0, 1, 9)
        assert is_focused(page.get_by_role("radio", name="20 <numbers>" if others else "2 numbers"))
        same_strip(page, decode_images(model, straight_line(*ends(page), t)))
        morph = straight_line(*ends(page), torch.tensor([0.3]))
        same_picture(page.locator("#morph-image"), decode_images(model, morph)[0])
        for image, code in zip(ends(page, "pixels"), ends(page), strict=True):
            assert moved(model, image.view(1, 1, 28, 28), code).max() < 0.05
        same_point(page, model)
        assert point(page).tolist() == points.get(name, [0.0] * model.latent_dim)
        page.locator("#random").click()
        points[name] = point(page).tolist()  # each model has its own place on its own map
        same_point(page, model)
        observed = page.locator("#seen-image").get_attribute("aria-label")
        image = mnist.x_test[index_of(observed, 9)]
        code = torch.tensor(page.evaluate("playground.drawing.code"))
        assert moved(model, image[None], code).max() < 0.05
        same_picture(page.locator("#again-image"), decode_images(model, code[None])[0])
        assert page.locator("#sliders input").count() == (10 if others else 2)
        hint = page.locator("#map-hint").inner_text()
        assert ("the other 18 stay where they are" in hint) == bool(others)
        assert f"into {model.latent_dim} numbers" in page.locator("#about").inner_text()


def test_a_chosen_model_looks_as_if_it_were_alone(files, models, open_page, tmp_path):
    alone = export_playground(models["20-D"], tmp_path / "alone.html")
    pages = [open_page(path, **DEVICES["laptop"]) for path in (alone, files["20-D"])]
    pages[1].get_by_role("radio", name="20 <numbers>").check()
    for page in pages:
        settle(page)
    pictures = "nodes => nodes.map(node => [node.id, node.toDataURL(), node.ariaLabel])"
    texts = "nodes => nodes.map(node => [node.innerText, node.getAttribute('aria-valuetext')])"
    for selector, read in (("canvas", pictures), ("section *", texts)):
        first, second = (page.locator(selector).evaluate_all(read) for page in pages)
        assert len(first) > 8 and first == second


def test_a_drawing_stays_when_another_model_is_chosen(files, models, open_page):
    page = open_page(files["20-D"], **DEVICES["laptop"])
    drag(page, page.locator("#paper"), (0.5, 0.1), (0.45, 0.9))
    page.get_by_role("button", name="Morph from it").click()
    page.get_by_role("radio", name="20 <numbers>").check()
    settle(page)
    code = torch.tensor(page.evaluate("playground.drawing.code"))
    image = image_of_strokes(page.evaluate("playground.drawing.strokes")).float()
    assert moved(models["20-D"], image[None], code).max() < 0.3
    torch.testing.assert_close(ends(page)[0], code)
    t = torch.linspace(0, 1, 9)
    same_strip(page, decode_images(models["20-D"], straight_line(*ends(page), t)))


@pytest.mark.parametrize("name", ["2-D", "64-D"])
def test_where_there_is_one_model_nothing_is_to_be_chosen(name, pages):
    assert not pages[name].locator("#models").is_visible()


# ---- draw a digit ----


def same_drawing(page: Page, model: VAE) -> None:
    """The encoder gets Python's image of the strokes; the point is its code; both are decoded."""
    settle(page)
    drawing = page.evaluate("playground.drawing")
    image, code = image_of_strokes(drawing["strokes"]).float(), torch.tensor(drawing["code"])
    same_picture(page.locator("#seen-image"), image[0])
    assert moved(model, image[None], code).max() < 0.3
    assert point(page).tolist() == pytest.approx(drawing["code"])
    same_picture(page.locator("#again-image"), decode_images(model, code[None])[0])
    same_point(page, model)


@every_model
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
    same_strip(
        page, decode_images(models[name], straight_line(*ends(page), torch.linspace(0, 1, 9)))
    )
    page.locator("#clear").click()
    settle(page)
    assert not shown(page.locator("#seen-image")).any()
    assert "nothing drawn yet" in page.locator("#to-image").get_attribute("aria-label")
    page.locator("#to-class").select_option("0")


def test_drawing_by_finger(phone, models):
    phone.locator("#clear").tap()
    finger(phone, phone.locator("#paper"), (0.5, 0.1), (0.45, 0.9))
    settle(phone)
    assert len(phone.evaluate("playground.drawing.strokes")) == 1
    same_drawing(phone, models["2-D"])


def test_without_a_pointer_a_test_image_does_what_a_drawing_does(pages, models, mnist):
    page = pages["2-D"]
    page.locator("#instead").focus()
    press(page, "6")
    page.locator("#instead-next").press("Enter")
    settle(page)
    label = page.locator("#seen-image").get_attribute("aria-label")
    image = mnist.x_test[index_of(label, 6)]
    same_picture(page.locator("#seen-image"), image[0])
    assert moved(models["2-D"], image[None], point(page)).max() < 0.3
    same_point(page, models["2-D"])
    page.locator("#as-from").press("Enter")
    assert page.evaluate("playground.ends[0].text") == label


# ---- for everybody ----


@every_model
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
    nearest = rf"nearest test code is {'an' if label == 8 else 'a'} {label}, ([\d.]+) away"
    found = re.match(rf"mean of p\(x\|z\) at .*; {nearest}", text)
    assert float(found[1]) == pytest.approx(distance, abs=0.006 if name == "2-D" else 0.06)
    if name == "2-D":
        assert text.startswith("mean of p(x|z) at z = (0.10, 0.10); nearest")
    assert said.get_attribute("aria-live") == "polite"
    assert page.locator("#point-text").inner_text().replace("\u00a0", " ") == text
    for canvas in page.locator("canvas").all():
        assert canvas.get_attribute("role") == "img" and len(canvas.get_attribute("aria-label")) > 8


def test_live_sentences_are_throttled(pages):
    script = """async () => {
      const told = [];
      const begin = performance.now();
      const live = document.getElementById("live");
      const options = {childList: true, characterData: true, subtree: true};
      new MutationObserver(() => told.push(live.textContent)).observe(live, options);
      for (let k = 0; k < 60; k++) {
        playground.setPoint([k / 100, 1]);
        await new Promise(requestAnimationFrame);
      }
      await new Promise(done => setTimeout(done, 1200));
      return [told, (performance.now() - begin) / 1000];
    }"""
    told, seconds = pages["2-D"].evaluate(script)
    assert 1 <= len(told) <= seconds + 1 and "z = (0.59, 1.00)" in told[-1]


@every_model
def test_every_control_has_a_name_and_the_tab_key_reaches_it(name, files, open_page):
    page = open_page(files[name], **DEVICES["laptop"])
    client = page.context.new_cdp_session(page)
    nodes = client.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "combobox", "slider", "radio", "link", "spinbutton", "textbox", "checkbox"}
    controls = [node for node in nodes if node.get("role", {}).get("value") in roles]
    names = [node["name"]["value"] for node in controls]
    assert len(names) >= 18 and all(names) and len(set(names)) == len(names)
    everything = "button, input, select, a[href], textarea, [tabindex], [role=slider]"
    wanted = page.locator(everything).evaluate_all(
        "nodes => nodes.filter(n => n.type !== 'radio' || n.checked).length"
    )
    page.evaluate("() => { window.reached = new Set(); }")
    for _ in range(wanted):
        press(page, "Tab")
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
  const isSeen = (node) => node.offsetParent && node.textContent;
  return Array.from(document.querySelectorAll(texts)).filter(isSeen).map(node => {
    const pair = [light(parts(getComputedStyle(node).color)), light(ground(node))];
    pair.sort((a, b) => b - a);
    return [node.id || node.textContent, (pair[0] + 0.05) / (pair[1] + 0.05)];
  });
}"""


@pytest.mark.parametrize("device", ["laptop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_readable_and_the_page_is_as_wide_as_the_screen(scheme, device, files, open_page):
    screen = DEVICES[device]["viewport"]
    for path in files.values():
        page = open_page(path, color_scheme=scheme, **DEVICES[device])
        contrasts = dict(page.evaluate(CONTRAST))
        assert len(contrasts) > 25 and min(contrasts.values()) >= 4.5
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, re.findall(r"\d+", ground))) < 60) == (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth") == screen["width"]
        if device == "phone":  # fingers are wide
            buttons = page.locator("button, select")
            assert min(buttons.evaluate_all("nodes => nodes.map(node => node.offsetHeight)")) >= 40
        last = page.locator(".paths").bounding_box()
        assert last["y"] + last["height"] <= screen["height"]  # the morph is on the first screen
        page.context.close()


def test_a_browser_that_is_too_old_is_told_so(files, chromium):
    page = chromium.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(files["2-D"].as_uri())
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "DecompressionStream" in alert.inner_text() and "2023" in alert.inner_text()
    page.close()
