"""The traversal of sprites (notebook 07) in a real Chromium: the page shows what functions give."""

import io

import numpy as np
import pytest
import torch
from helpers.browser import check_fits, keeps_its_keys, press, wait_until_equal, window_of
from PIL import Image
from playwright.sync_api import expect

from tutorial_utils.latent import name_of_dimension
from tutorial_utils.models import decode_images, encode_image
from tutorial_utils.studios.base import show_code
from tutorial_utils.topics.disentanglement import measure_model
from tutorial_utils.topics.sprites import middle_of

pytestmark = pytest.mark.browser
SETUP = """
import torch
from IPython.display import display
from torch import nn
from tutorial_utils.models import VAE, mlp
from tutorial_utils.topics.sprites import FACTORS, load_sprites
from tutorial_utils.training import local_seed
from tutorial_utils.studios.traversal import traversal_panel, traversal_studio

x, factors = (part[::6] for part in load_sprites())

def make(seed):
    with local_seed(seed):
        model = VAE(mlp([1024, 16]), mlp([8, 1024], out_shape=(1, 32, 32)), latent_dim=8).eval()
    model.encoder[1].bias.data[8:12] -= 5  # four dimensions are informative
    model.encoder[1].weight.data[:4] *= 4
    return model

keys = [("β-VAE", 1, 0), ("β-VAE", 10, 0), ("β-VAE", 10, 1), ("VAE", 1, 0)]
models = {key: make(k) for k, key in enumerate(keys)}
names = list(FACTORS)

white = nn.Linear(2, 48)
white.weight.data[:], white.bias.data[:] = 0, 20
tall = VAE(mlp([48, 4]), nn.Sequential(white, nn.Unflatten(1, (1, 8, 6))), latent_dim=2)
fields = torch.ones(4, 1, 8, 6), torch.zeros(4, dtype=torch.int64)
"""
SHOW = "display(traversal_studio(models, x, factors, names), traversal_panel(tall, *fields))"
STUDIO, READY = ".vae-dimensions", ".vae-part svg"


def measured(made, key):
    """The scores of a model, as the studio measures them."""
    return measure_model(made["models"][key], made["x"], made["factors"], made["names"])


def check_studio(studio, made, key, z: torch.Tensor) -> None:
    """Wait for the model; then picture, numbers, names and map are those of the functions at z."""
    scores, (method, beta, seed) = measured(made, key), key
    loss = f"−ELBO at β = 1 {scores.loss:.1f} nats"
    rate, mig = f"kl {scores.rate:.1f} nats", f"MIG {scores.mig:.2f}"
    said = f"{method}, β = {beta}, seed {seed}: {loss}, {rate}, {mig}."
    expect(studio.get_by_role("status")).to_have_text(said)
    expect(studio.locator(".vae-line")).to_have_text(loss + rate + mig)
    titles = scores.titles(6)  # of the sliders, by dimension
    values = [show_code(z[[dim]].round(decimals=2))[1:-1] for dim in titles]
    expect(studio.locator(".vae-sliders .widget-label")).to_have_text(list(titles.values()))
    expect(studio.locator(".vae-values p")).to_have_text(values)
    handles = studio.locator(".vae-sliders .noUi-handle")
    for k, (title, value) in enumerate(zip(titles.values(), values, strict=True)):
        expect(handles.nth(k)).to_have_attribute("aria-label", title)
        expect(handles.nth(k)).to_have_attribute("aria-valuetext", value)
    dims = [name_of_dimension(dim) for dim in titles]
    where = ", ".join(f"{dim} = {value}" for dim, value in zip(dims, values, strict=True))
    picture = studio.locator(".vae-picture")
    alt = f"mean of p(x|z) at {where}"
    expect(picture.locator("img")).to_have_attribute("alt", alt)
    shares = [f"{share:.2f}" for dim in titles for share in scores.shares[dim].tolist()]
    found = studio.locator(".vae-part text").all_text_contents()
    assert found[:5] == made["names"] and sorted(found[5:]) == sorted(dims + shares)
    image = decode_images(made["models"][key], z[None])[0]
    wait_until_equal(picture, lambda: image, studio.page)


def pressed(studio) -> list[str]:
    """The names of the pressed buttons, which choose the model."""
    return studio.locator(".vae-selectors button[aria-pressed=true]").all_inner_texts()


def test_keys_move_the_code_and_another_model_encodes_the_sprite_anew(page, studio, made):
    image = made["x"][middle_of(made["factors"])]
    first = ("β-VAE", 1, 0)
    z = encode_image(made["models"][first], image).clone()
    check_studio(studio, made, first, z)
    handle = studio.locator(".vae-sliders .noUi-handle").nth(1)
    handle.focus()
    dim = list(measured(made, first).titles(6))[1]
    for key, value in (("Home", -2.5), ("ArrowRight", -2.45), ("ArrowRight", -2.4)):
        press(page, key)
        z[dim] = value
        check_studio(studio, made, first, z)
    assert keeps_its_keys(handle)

    def chosen(*key) -> list[str]:
        check_studio(studio, made, key, encode_image(made["models"][key], image))
        return pressed(studio)

    studio.locator(".vae-selectors .noUi-handle").focus()
    press(page, "ArrowRight")
    chosen("β-VAE", 10, 0)
    studio.get_by_role("group", name="seed").get_by_role("button", name="1").press("Enter")
    assert chosen("β-VAE", 10, 1) == ["β-VAE", "1"]
    studio.get_by_role("button", name="VAE", exact=True).press("Space")
    assert chosen("VAE", 1, 0) == ["VAE", "1", "0"]


def test_what_the_page_sends_back_late_moves_nothing(page, studio, made):
    another = studio.get_by_role("button", name="Another sprite")
    for _ in range(8):
        another.click(no_wait_after=True)
    page.wait_for_timeout(800)
    expect(studio.locator(".vae-decoded")).to_contain_text("z is the mean of q(z|x) of the sprite.")
    alt = studio.locator(".vae-end-picture img").get_attribute("alt")
    image = made["x"][int(alt.split("image ")[1].split(",")[0])]
    key = ("VAE", 1, 0)
    check_studio(studio, made, key, encode_image(made["models"][key], image))
    studio.get_by_role("button", name="z = 0").press("Enter")
    check_studio(studio, made, key, torch.zeros(8))


@pytest.mark.parametrize("width", [1332, 1072, 852])
def test_it_fits(width, page, studio):
    with window_of(page, width):
        check_fits(studio)


def test_an_image_that_is_not_square_stays_in_its_square_frame(page, studio):
    frame = page.locator(".vae-traversal .vae-picture")
    frame.scroll_into_view_if_needed()
    image = frame.locator("img")
    page.wait_for_function("node => node.naturalWidth > 0", arg=image.element_handle())
    outer, inner = frame.bounding_box(), image.bounding_box()
    for start, length in (("x", "width"), ("y", "height")):
        assert inner[start] >= outer[start] - 0.5
        assert inner[start] + inner[length] <= outer[start] + outer[length] + 0.5
    shot = np.asarray(Image.open(io.BytesIO(image.screenshot())).convert("L"))
    middle = shot.shape[0] // 2, shot.shape[1] // 2  # the corners are round
    height, width = (shot[:, middle[1]] > 200).sum(), (shot[middle[0]] > 200).sum()
    assert height == pytest.approx(outer["height"], abs=2)
    assert width / height == pytest.approx(6 / 8, abs=0.03)  # neither cut off nor stretched
