"""The traversal studio in JupyterLab, in a real Chromium: what the page shows is what the functions give."""

import pytest
import torch
from helpers.browser import open_unsaved, wait_until_equal
from playwright.sync_api import expect

from tutorial_utils.latent import name_of_dimension
from tutorial_utils.models import VAE, decode_images, encode_image, mlp
from tutorial_utils.studios.base import show_code
from tutorial_utils.topics.disentanglement import measure_model
from tutorial_utils.topics.sprites import FACTORS, load_sprites, middle_of
from tutorial_utils.training import local_seed

pytestmark = pytest.mark.browser
MAKE = """
x, factors = (part[::6] for part in load_sprites())
def make(seed):
    with local_seed(seed):
        model = VAE(mlp([1024, 16]), mlp([8, 1024], out_shape=(1, 32, 32)), latent_dim=8).eval()
    model.encoder[1].bias.data[8:12] -= 5  # four dimensions tell something
    model.encoder[1].weight.data[:4] *= 4
    return model
models = {key: make(k) for k, key in enumerate([("β-VAE", 1, 0), ("β-VAE", 10, 0), ("β-VAE", 10, 1), ("VAE", 1, 0)])}
"""
SOURCE = f"""
from tutorial_utils.models import VAE, mlp
from tutorial_utils.topics.sprites import FACTORS, load_sprites
from tutorial_utils.training import local_seed
from tutorial_utils.studios.traversal import traversal_studio
{MAKE}
traversal_studio(models, x, factors, list(FACTORS))
"""


@pytest.fixture(scope="module")
def made() -> dict:
    """What the notebook makes, made here: `x`, `factors` and `models`."""
    names = {"VAE": VAE, "mlp": mlp, "load_sprites": load_sprites, "local_seed": local_seed}
    exec(MAKE, names)
    return names


@pytest.fixture(scope="module")
def page(lab, chromium):
    """A notebook with the studio as its only output."""
    page = open_unsaved(chromium, lab, "traversal", SOURCE, ".vae-dimensions .vae-part svg")
    yield page
    page.close()


@pytest.fixture
def studio(page):
    studio = page.locator(".vae-dimensions")
    studio.scroll_into_view_if_needed()
    return studio


def same_as_functions(page, studio, made, key, z: torch.Tensor) -> None:
    """Wait for the model; then its picture at z, numbers, names, values and map on the page are the functions'."""
    model, names = made["models"][key], list(FACTORS)
    measured = measure_model(model, made["x"], made["factors"], names)
    method, beta, seed = key
    said = f"{method}, β = {beta}, seed {seed}: −ELBO at β = 1 {measured.loss:.1f} nats, kl {measured.rate:.1f} nats, "
    expect(studio.get_by_role("status")).to_have_text(f"{said}MIG {measured.mig:.2f}.")
    numbers = (
        f"−ELBO at β = 1 {measured.loss:.1f} natskl {measured.rate:.1f} natsMIG {measured.mig:.2f}"
    )
    expect(studio.locator(".vae-line")).to_have_text(numbers)
    titles = measured.titles(6)
    expect(studio.locator(".vae-sliders .widget-label")).to_have_text(list(titles.values()))
    values = [show_code(z[[dim]].round(decimals=2))[1:-1] for dim in titles]
    expect(studio.locator(".vae-values p")).to_have_text(values)
    handles = studio.locator(".vae-sliders .noUi-handle")
    for k, (title, value) in enumerate(zip(titles.values(), values, strict=True)):
        expect(handles.nth(k)).to_have_attribute("aria-label", title)
        expect(handles.nth(k)).to_have_attribute("aria-valuetext", value)
    where = ", ".join(
        f"{name_of_dimension(dim)} = {value}" for dim, value in zip(titles, values, strict=True)
    )
    expect(studio.locator(".vae-picture img")).to_have_attribute(
        "alt", f"mean of p(x|z) at {where}"
    )
    rows = [
        [name_of_dimension(dim), *(f"{share:.2f}" for share in measured.shares[dim].tolist())]
        for dim in titles
    ]
    found = studio.locator(".vae-part text").all_text_contents()
    assert found[:5] == names and sorted(found[5:]) == sorted(text for row in rows for text in row)
    wait_until_equal(studio.locator(".vae-picture"), lambda: decode_images(model, z[None])[0], page)


def pressed(studio) -> list[str]:
    return studio.locator(".vae-selectors button[aria-pressed=true]").all_inner_texts()


def test_keys_move_the_code_and_another_model_encodes_the_sprite_anew(page, studio, made):
    image = made["x"][middle_of(made["factors"])]
    first, second = ("β-VAE", 1, 0), ("β-VAE", 10, 0)
    z = encode_image(made["models"][first], image).clone()
    same_as_functions(page, studio, made, first, z)
    handle = studio.locator(".vae-sliders .noUi-handle").nth(1)
    handle.focus()
    dim = list(
        measure_model(made["models"][first], made["x"], made["factors"], list(FACTORS)).titles(6)
    )[1]
    for key, value in (("Home", -2.5), ("ArrowRight", -2.45), ("ArrowRight", -2.4)):
        page.keyboard.press(key)
        z[dim] = value
        same_as_functions(page, studio, made, first, z)
    assert (
        handle.evaluate(
            "node => node === document.activeElement && node.dataset.lmSuppressShortcuts"
        )
        == "true"
    )
    studio.locator(".vae-selectors .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    same_as_functions(page, studio, made, second, encode_image(made["models"][second], image))
    studio.get_by_role("group", name="seed").get_by_role("button", name="1").press("Enter")
    last = ("β-VAE", 10, 1)
    same_as_functions(page, studio, made, last, encode_image(made["models"][last], image))
    assert pressed(studio) == ["β-VAE", "1"]
    studio.get_by_role("button", name="VAE", exact=True).press("Space")
    last = ("VAE", 1, 0)
    same_as_functions(page, studio, made, last, encode_image(made["models"][last], image))
    assert pressed(studio) == ["VAE", "1", "0"]


def test_what_the_page_sends_back_late_moves_nothing(page, studio, made):
    another = studio.get_by_role("button", name="Another sprite")
    for _ in range(8):
        another.click(no_wait_after=True)
    page.wait_for_timeout(800)
    expect(studio.locator(".vae-decoded")).to_contain_text("z is the mean of q(z|x) of the sprite.")
    index = int(
        studio.locator(".vae-end-picture img").get_attribute("alt").split("image ")[1].split(",")[0]
    )
    last = ("VAE", 1, 0)
    same_as_functions(
        page, studio, made, last, encode_image(made["models"][last], made["x"][index])
    )
    studio.get_by_role("button", name="z = 0").press("Enter")
    same_as_functions(page, studio, made, last, torch.zeros(8))


@pytest.mark.parametrize("width", [1332, 1072, 852])  # 900, 640 and 420 pixels for the studio
def test_nothing_is_cut_off_or_scrolls_sideways(width, page, studio):
    size = page.viewport_size
    page.set_viewport_size({"width": width, "height": 1000})
    page.wait_for_timeout(200)
    cut_off = """root => Array.from(root.querySelectorAll('img, text, button, p, .widget-label, .widget-slider'))
      .filter(node => {
        const [box, room] = [node, root].map(each => each.getBoundingClientRect());
        const full = node.scrollWidth > node.clientWidth + 1 && node.matches('button, p, .widget-label');
        return node.checkVisibility() && (!box.width || full || box.left < room.left || box.right > room.right + 1);
      }).map(node => node.outerHTML)"""
    assert studio.evaluate(cut_off) == []
    area = studio.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')]").first
    assert area.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.set_viewport_size(size)


def test_our_code_raises_no_errors_in_the_page(page):
    assert page.complaints == []
