"""The traversal studio without a browser: what it offers, names, decodes and says is what the functions give."""

import re
from functools import partial
from html import unescape

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from helpers.pictures import pixels
from helpers.widgets import widgets_in

from tutorial_utils.latent import name_of_dimension
from tutorial_utils.losses import kl_per_dimension, negative_elbo
from tutorial_utils.models import VAE, Autoencoder, mlp
from tutorial_utils.plotting import show_rows
from tutorial_utils.studios import traversal as module
from tutorial_utils.studios.traversal import svg_shares, traversal_rows, traversal_studio
from tutorial_utils.topics.disentanglement import (
    entropies,
    measure_model,
    mig,
    mutual_information,
    name_dimensions,
)
from tutorial_utils.topics.sprites import FACTORS, load_sprites, middle_of
from tutorial_utils.training import evaluate, local_seed

NAMES = ["shape", "scale", "<left>"]
KEYS = [
    ("β-VAE", 4, 1),
    ("β-VAE", 1, 0),
    ("β-VAE", 1, 1),
    ("VAE", 1, 0),
    ("β-TCVAE", 10, 2),
    ("β-TCVAE", 3, 1),
]


@pytest.fixture(scope="module")
def data():
    """Images [288, 1, 8, 8] of three factors: how bright they are, how high, and whether left or right."""
    factors = torch.cartesian_prod(torch.arange(3), torch.arange(3), torch.arange(2)).repeat(16, 1)
    x = torch.zeros(len(factors), 1, 8, 8)
    for image, (bright, high, left) in zip(x, factors.tolist(), strict=True):
        image[0, 1 + 2 * high : 3 + 2 * high, 4 * left : 4 * left + 3] = 0.4 + 0.3 * bright
    return (x + 0.02 * torch.rand(x.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    ), factors


@pytest.fixture(scope="module")
def models():
    """Small models that are not trained, of two latent sizes; the first half of their dimensions tells something."""
    found = {}
    for k, key in enumerate(KEYS):
        size = 5 if key[0] == "VAE" else 7
        with local_seed(k):
            encoder, decoder = mlp([64, 16, 2 * size]), mlp([size, 16, 64], out_shape=(1, 8, 8))
        model = VAE(encoder, decoder, latent_dim=size).eval()
        with torch.no_grad():
            model.encoder[-2].weight[: size // 2] *= 8
            model.encoder[-2].bias[size : size + size // 2] -= 5
        found[key] = model
    return found


@pytest.fixture
def studio(models, data):
    return traversal_studio(models, *data, NAMES, n_dims=4)


def offered(control) -> list:
    return [option[1] if isinstance(option, tuple) else option for option in control.options]


def beta_of(studio):
    """What chooses β and what chooses the seed, as they are on the page."""
    return studio.choice.shown_beta.children[0]


def seed_of(studio):
    return studio.choice.shown_seed.children[0]


def choose(studio, key) -> None:
    studio.choice.method.value = key[0]
    beta_of(studio).value = key[1]
    seed_of(studio).value = key[2]


def click(studio, text: str) -> None:
    next(part for part in widgets_in(studio) if getattr(part, "description", "") == text).click()


def samples(model, x, seed: int = 0):
    """In so many words: mu, logvar and a sample of q(z|x)."""
    with torch.no_grad():
        mu, logvar = model.encode(x)
    eps = torch.randn(mu.shape, generator=torch.Generator().manual_seed(seed))
    return mu, logvar, mu + (logvar / 2).exp() * eps


def number_text(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


@pytest.fixture(scope="module", autouse=True)
def _references(models, data):
    """What the functions say of each model, once: KL, names, shares, scores, MIG."""
    for key, model in models.items():
        mu, logvar, z = samples(model, data[0])
        told, shares = (
            name_dimensions(z, data[1], NAMES),
            mutual_information(z, data[1]) / entropies(data[1]),
        )
        REFERENCES[key] = (
            kl_per_dimension(mu, logvar),
            told,
            shares,
            evaluate(model, data[0], negative_elbo),
            mig(z, data[1]),
        )


REFERENCES: dict = {}


def check_all(studio, models, data) -> None:
    """Picture, numbers, sliders, names and map are those of the model that is chosen and of z."""
    model, x = models[studio.choice.key], data[0]
    assert studio.model is model
    with torch.no_grad():
        image = model.decode(studio.code.z[None]).sigmoid()[0, 0]
    assert abs(pixels(studio.picture.value) - 255 * image.numpy()).max() <= 1
    assert abs(pixels(studio.sprite.value) - 255 * x[studio.index, 0].numpy()).max() <= 1
    kl, told, shares, scores, gap = REFERENCES[studio.choice.key]
    order = kl.argsort(descending=True)[:4].tolist()
    assert studio.code.dims == order
    svg = studio.view.parts[0]["html"]
    for dim, slider in zip(order, studio.code.children, strict=True):
        name = name_of_dimension(dim)
        assert slider.description == f"{name} · {kl[dim]:.1f} nats · {told[dim]}"
        assert (slider.min, slider.max) == (-2.5, 2.5)
        assert slider.value == pytest.approx(float(studio.code.z[dim].clamp(-2.5, 2.5)), abs=0.026)
        value = number_text(float(studio.code.z[dim]))
        assert (
            f"{name} = {value}" in studio.picture.alt and f"<p>{value}</p>" in studio.values.value
        )
        words = ", ".join(
            f"{factor} {share:.2f}"
            for factor, share in zip(NAMES, shares[dim].tolist(), strict=True)
        )
        assert f"{name}: {words}" in unescape(svg)
    for text in (studio.view.text, re.sub("<.*?>", "", studio.numbers.value)):
        assert f"−ELBO at β\u00a0=\u00a01 {scores['loss']:.1f} nats" in text
        assert f"kl {scores['kl']:.1f} nats" in text and f"MIG {gap:.2f}" in text
    method, beta, seed = studio.choice.key
    assert studio.view.text.startswith(f"{method}, β = {beta}, seed {seed}:")
    n, rest = len(kl), float(kl.sum() - kl[order].sum())
    assert (
        f"{n - 4} of {n} dimensions have no slider: {rest:.1f} nats together" in studio.said.value
    )


# ---- the choice of a model ----


def test_only_models_that_exist_are_offered_and_all_of_them(studio):
    found = []
    assert list(studio.choice.method.options) == ["β-VAE", "VAE", "β-TCVAE"]
    for method in studio.choice.method.options:
        studio.choice.method.value = method
        for beta in offered(beta_of(studio)):
            beta_of(studio).value = beta
            for seed in offered(seed_of(studio)):
                seed_of(studio).value = seed
                assert studio.choice.key == (method, beta, seed)
                found.append(studio.choice.key)
    assert sorted(found) == sorted(KEYS)
    assert [key[1:] for key in found if key[0] == "β-VAE"] == [(1, 0), (1, 1), (4, 1)], "in order"


def test_each_model_shows_its_own_numbers_and_names(studio, models, data):
    names = set()
    for key in [*KEYS, *reversed(KEYS)]:
        choose(studio, key)
        assert studio.choice.key == key
        check_all(studio, models, data)
        names.update(
            slider.description.split(" · ")[-1].split(" ")[0] for slider in studio.code.children
        )
    assert "none" in names and len(names) > 2


def test_another_method_or_beta_keeps_what_it_can(studio):
    choose(studio, ("β-VAE", 4, 1))
    studio.choice.method.value = "β-TCVAE"
    assert studio.choice.key == ("β-TCVAE", 3, 1), "the nearest β, the same seed"
    beta_of(studio).value = 10
    assert studio.choice.key == ("β-TCVAE", 10, 2)
    studio.choice.method.value = "β-VAE"
    assert studio.choice.key == ("β-VAE", 4, 1)
    beta_of(studio).value = 1
    assert studio.choice.key == ("β-VAE", 1, 1)


def test_betas_are_on_a_slider_and_a_single_one_on_a_button(studio):
    assert isinstance(beta_of(studio), ipywidgets.SelectionSlider)
    assert [text for text, _value in beta_of(studio).options] == ["1", "4"]
    studio.choice.method.value = "VAE"
    assert isinstance(beta_of(studio), ipywidgets.ToggleButtons) and offered(beta_of(studio)) == [1]


def test_the_sprite_stays_and_is_encoded_anew(studio, models, data):
    click(studio, "Another sprite")
    index = studio.index
    for key in reversed(KEYS):
        studio.code.children[0].value = 2.0  # by hand, then away from it
        choose(studio, key)
        assert studio.index == index
        torch.testing.assert_close(studio.code.z, samples(models[key], data[0])[0][index])
        assert "mean of q(z|x)" in studio.said.value
        check_all(studio, models, data)


def test_a_model_is_measured_when_it_is_first_chosen_and_once(studio, monkeypatch):
    asked, measure = [], module.measure_model
    monkeypatch.setattr(
        module, "measure_model", lambda model, *rest: asked.append(model) or measure(model, *rest)
    )
    assert len(studio._measured) == 1
    for key in [*KEYS, *KEYS]:
        choose(studio, key)
    assert len(asked) == len(set(asked)) == len(KEYS) - 1


# ---- the code ----


def test_a_slider_moves_its_own_dimension_and_nothing_else(studio, models, data):
    for key in (KEYS[0], KEYS[3]):
        choose(studio, key)
        for k, (dim, slider) in enumerate(zip(studio.code.dims, studio.code.children, strict=True)):
            expected = studio.code.z.clone()
            expected[dim] = slider.value = 2.5 - 1.1 * k
            torch.testing.assert_close(studio.code.z, expected)
            assert studio.said.value.startswith(f"{name_of_dimension(dim)} was moved by hand.")
            check_all(studio, models, data)


def test_zero_is_the_center_and_encode_anew_goes_back(studio, models, data):
    start = studio.code.z.clone()
    torch.testing.assert_close(start, samples(models[studio.choice.key], data[0])[0][studio.index])
    click(studio, "z = 0")
    assert not studio.code.z.any() and all(
        abs(slider.value) < 1e-9 for slider in studio.code.children
    )
    check_all(studio, models, data)
    click(studio, "Encode anew")
    assert torch.equal(studio.code.z, start)
    check_all(studio, models, data)


def test_another_sprite_is_another_one(studio, models, data):
    seen = [studio.index]
    for _ in range(50):
        click(studio, "Another sprite")
        assert studio.index != seen[-1] and f"image {studio.index}," in studio.sprite.alt
        seen.append(studio.index)
    assert len(set(seen)) > 25 and 0 <= min(seen) <= max(seen) < len(data[0])
    check_all(studio, models, data)


def test_sliders_stand_on_whole_steps_so_that_the_page_has_nothing_to_round(studio):
    for _ in range(20):
        click(studio, "Another sprite")
        for slider in studio.code.children:
            step = slider.step * 100 / 5
            percent = (slider.value + 2.5) * 100 / 5
            assert round(percent / step) * step * 5 / 100 - 2.5 == slider.value


def test_what_the_page_sends_back_rounded_moves_nothing(studio, models, data):
    click(studio, "Another sprite")
    before = studio.code.z.clone()
    for slider in studio.code.children:
        slider.value = round(slider.value / 0.05) * 0.05
    assert torch.equal(studio.code.z, before)
    check_all(studio, models, data)


def test_models_of_other_sizes_have_as_many_sliders_as_there_is_room(models, data, make_vae):
    models = {("VAE", 1, 0): make_vae(0, latent_dim=2), ("β-VAE", 4, 0): models[KEYS[0]]}
    studio = traversal_studio(models, *data, NAMES)
    for method, n in (("VAE", 2), ("β-VAE", 6), ("VAE", 2), ("β-VAE", 6)):
        studio.choice.method.value = method
        assert len(studio.code.children) == len(studio.code.dims) == n
        assert studio.view.parts[0]["html"].count("<rect") == 3 * n
        assert ("no slider" in studio.said.value) == (method == "β-VAE")
        studio.code.children[-1].value = 1.0
        assert studio.code.z[studio.code.dims[-1]] == 1


def test_the_first_sprite_lies_in_the_middle_and_its_values_are_said(make_vae):
    x, factors = load_sprites()
    middle = factors[middle_of(factors)].tolist()
    levels = [len(values) - 1 for values in FACTORS.values()]
    assert all(abs(level - last / 2) <= 0.5 for level, last in zip(middle, levels, strict=True))
    small, few = torch.nn.functional.avg_pool2d(x, 4)[::7], factors[::7]
    studio = traversal_studio({("VAE", 1, 0): make_vae(latent_dim=2)}, small, few, list(FACTORS))
    said = dict(part.split(" ") for part in studio.caption.value.split(", "))
    assert said == {
        name: str(values[level])
        for (name, values), level in zip(FACTORS.items(), few[studio.index].tolist(), strict=True)
    }


# ---- the map ----


def test_map_has_every_number_as_text_and_in_words_and_more_color_for_more():
    shares = torch.tensor([[0.71, 0.02, 0.12], [0.09, 0.03, 0.0], [0.1, 1.0, 0.5]])
    svg, alt = svg_shares(shares, ["z₃", "z₁", "z₁₀"], NAMES)
    texts = re.findall(r"<text[^>]*class=\"([^\"]*)\">([^<]*)<", svg)
    numbers = [(kind, float(text)) for kind, text in texts if re.fullmatch(r"\d\.\d\d", text)]
    assert [value for _kind, value in numbers] == pytest.approx(shares.flatten().tolist())
    assert [value for kind, value in numbers if kind == "vae-most"] == pytest.approx([0.71, 1.0])
    assert [value for kind, value in numbers if kind == "vae-told"] == pytest.approx(
        [0.12, 0.1, 0.5]
    )
    opacity = [float(value) for value in re.findall(r'fill-opacity="([\d.]+)"', svg)]
    assert len(opacity) == 9 and np.argsort(opacity).tolist() == shares.flatten().argsort().tolist()
    assert max(opacity) <= 0.75, "the number stays legible"
    assert (
        "z₁: shape 0.09, scale 0.03, <left> 0.00" in alt
        and "<left>" not in svg
        and "&lt;left&gt;" in svg
    )
    assert (
        f'aria-label="{alt.replace("<", "&lt;").replace(">", "&gt;").replace(chr(39), "&#x27;")}"'
        in svg
    )


def test_measured_is_what_the_functions_say(models, data):
    x, factors = data
    model = models[KEYS[0]]
    measured, (_mu, _logvar, z) = (
        measure_model(model, x, factors, NAMES, seed=3),
        samples(model, x, 3),
    )
    assert measured.labels == name_dimensions(z, factors, NAMES)
    assert measured.mig == pytest.approx(mig(z, factors), abs=1e-6)
    for dim, text in enumerate(measured.labels):
        best = measured.shares[dim].max()
        assert text == (
            "none" if best < 0.1 else f"{NAMES[measured.shares[dim].argmax()]} {best:.2f}"
        )


# ---- the static twin ----


def test_rows_are_those_of_the_sliders_and_change_one_number_each(studio, models, data):
    choose(studio, KEYS[2])
    rows = traversal_rows(models[KEYS[2]], *data, NAMES, n_dims=4)
    assert list(rows) == [slider.description for slider in studio.code.children]
    values = torch.linspace(-2, 2, 9)
    for dim, images in zip(studio.code.dims, rows.values(), strict=True):
        assert images.shape == (9, 1, 8, 8)
        for image, value in zip(images, values, strict=True):
            code = studio.code.z.clone()
            code[dim] = value
            with torch.no_grad():
                torch.testing.assert_close(image, models[KEYS[2]].decode(code[None]).sigmoid()[0])
    fig = show_rows(rows)
    assert len(fig.axes) == 4
    plt.close(fig)


def test_rows_of_a_chosen_image_and_of_chosen_values(models, data):
    model, x = models[KEYS[0]], data[0]
    mu = samples(model, x)[0][17]
    dim = int(kl_per_dimension(*samples(model, x)[:2]).argmax())
    rows = traversal_rows(model, *data, NAMES, n_dims=1, values=mu[[dim]], image=17)
    with torch.no_grad():
        torch.testing.assert_close(next(iter(rows.values())), model.decode(mu[None]).sigmoid())


# ---- errors ----


def test_bad_arguments_are_named(models, data, make_vae):
    x, factors = data
    vae, plain = models[KEYS[0]], Autoencoder(mlp([64, 8, 2]), mlp([2, 8, 64], out_shape=(1, 8, 8)))
    large = torch.nn.functional.interpolate(x, scale_factor=2)
    studio = partial(traversal_studio, models, x, factors, NAMES)
    of = lambda key, model=vae: partial(traversal_studio, {key: model}, x, factors, NAMES)  # noqa: E731
    rows = partial(traversal_rows, vae, x, factors, NAMES)
    with_data = lambda *changed: partial(traversal_studio, models, *changed)  # noqa: E731
    for call, error, message in (
        (of("β-VAE"), TypeError, r"keys of models must be \(method, beta, seed\), such as .*, got 'β-VAE'"),
        (of(("β-VAE", 10)), TypeError, "keys of models must be"),
        (of(("", 10, 0)), TypeError, "keys of models must be"),
        (of(("β-VAE", "10", 0)), TypeError, "keys of models must be"),
        (of(("β-VAE", -1, 0)), TypeError, "keys of models must be"),
        (of(("β-VAE", float("nan"), 0)), TypeError, "keys of models must be"),
        (of(("β-VAE", True, 0)), TypeError, "keys of models must be"),
        (of(("β-VAE", 1, 0.5)), TypeError, "keys of models must be"),
        (of(("β-VAE", 1, 0), plain), TypeError, r"models\[\('β-VAE', 1, 0\)\] must be a VAE, got Autoencoder"),
        (of(("β-VAE", 1, 0), make_vae(latent_dim=1)), TypeError, "2 or more latent numbers, got VAE with latent_dim 1"),
        (
            partial(traversal_studio, {("a", 1.0, 0): vae, ("a", 1 + 1e-9, 0): vae}, x, factors, NAMES),
            ValueError,
            "models must have values that differ in six digits",
        ),
        (with_data(large, factors, NAMES), ValueError, r"a decoded image and an image of x must have the same shape"),
        (with_data(x, factors[:-1], NAMES), ValueError, "x and factors: codes and factors must have the same length"),
        (with_data(x[:100], factors[:100], NAMES), ValueError, "x and factors: codes must have at least 216 rows"),
        (with_data(x, factors, NAMES[:2]), ValueError, "names must hold one text for each of the 3 factors, got"),
        (with_data(x, factors, "abc"), ValueError, "names must hold one text for each of the 3 factors, got 'abc'"),
        (with_data(x, factors, ["a", "b", 3]), ValueError, "names must hold one text"),
        (partial(studio, n_dims=0), ValueError, "n_dims must be a whole number of at least 1, got 0"),
        (partial(traversal_rows, plain, x, factors, NAMES), TypeError, "model must be a VAE, got Autoencoder"),
        (partial(rows, n_dims=0), ValueError, "n_dims must be"),
        (partial(rows, image=288), ValueError, "image must be a row of x, a whole number from 0 to 287, got 288"),
        (partial(rows, image=-1), ValueError, "image must be a row of x"),
        (partial(rows, image=1.0), ValueError, "image must be a row of x"),
        (partial(rows, values=[0.0]), TypeError, "values must be a tensor of floats, got list"),
        (partial(rows, values=torch.tensor([torch.nan])), ValueError, "values must be finite"),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            call()
