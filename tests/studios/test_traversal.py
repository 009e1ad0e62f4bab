"""Traversals: what is offered, named, decoded and said is what the functions give."""

import math
import re

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from helpers.pictures import pixels
from helpers.svg import elements, number, root, texts
from helpers.widgets import widgets_in

from tutorial_utils.latent import name_of_dimension
from tutorial_utils.losses import kl_per_dimension, negative_elbo
from tutorial_utils.models import VAE, Autoencoder, decode_images, mlp
from tutorial_utils.plotting import show_rows
from tutorial_utils.studios import traversal as module
from tutorial_utils.studios.svg import number as text_of_number
from tutorial_utils.studios.traversal import (
    svg_shares,
    traversal_panel,
    traversal_rows,
    traversal_studio,
)
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
    """Images [288, 1, 8, 8] of three factors: how bright, how high, and whether left or right."""
    factors = torch.cartesian_prod(torch.arange(3), torch.arange(3), torch.arange(2)).repeat(16, 1)
    x = torch.zeros(len(factors), 1, 8, 8)
    for image, (bright, high, left) in zip(x, factors.tolist(), strict=True):
        image[0, 1 + 2 * high : 3 + 2 * high, 4 * left : 4 * left + 3] = 0.4 + 0.3 * bright
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + 0.02 * noise).clamp(0, 1), factors


@pytest.fixture(scope="module")
def models():
    """Untrained models of two latent sizes; the first half of their dimensions is informative."""
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


@pytest.fixture(scope="module", autouse=True)
def _references(models, data):
    """What the functions say of each model, once: KL, names, shares, scores, MIG."""
    x, factors = data
    for key, model in models.items():
        mu, logvar, z = samples(model, x)
        REFERENCES[key] = (
            kl_per_dimension(mu, logvar),
            name_dimensions(z, factors, NAMES),
            mutual_information(z, factors) / entropies(factors),
            evaluate(model, x, negative_elbo),
            mig(z, factors),
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
        value = text_of_number(float(studio.code.z[dim]), 2)
        assert f"{name} = {value}" in studio.picture.alt
        assert f"<p>{value}</p>" in studio.values.value
        of_factors = zip(NAMES, shares[dim].tolist(), strict=True)
        words = ", ".join(f"{factor} {share:.2f}" for factor, share in of_factors)
        assert f"{name}: {words}" in root(svg).get("aria-label")
    for text in (studio.view.text, re.sub("<.*?>", "", studio.numbers.value)):
        assert f"−ELBO at β\u00a0=\u00a01 {scores['loss']:.1f} nats" in text
        assert f"kl {scores['kl']:.1f} nats" in text and f"MIG {gap:.2f}" in text
    method, beta, seed = studio.choice.key
    assert studio.view.text.startswith(f"{method}, β = {beta}, seed {seed}:")
    n, rest = len(kl), float(kl.sum() - kl[order].sum())
    hidden = f"{n - 4} of {n} dimensions have no slider: {rest:.1f} nats together"
    assert hidden in studio.said.value


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
        words = [slider.description.split(" · ")[-1] for slider in studio.code.children]
        names.update(word.split(" ")[0] for word in words)
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

    def measured(model, *rest):
        asked.append(model)
        return measure(model, *rest)

    monkeypatch.setattr(module, "measure_model", measured)
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
    assert not studio.code.z.any()
    assert all(abs(slider.value) < 1e-9 for slider in studio.code.children)
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
        assert len(elements(studio.view.parts[0]["html"], "rect")) == 3 * n
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
    shown = zip(FACTORS.items(), few[studio.index].tolist(), strict=True)
    assert said == {name: str(values[level]) for (name, values), level in shown}


# ---- the map ----


def test_map_has_every_number_as_text_and_in_words_and_more_color_for_more():
    shares = torch.tensor([[0.71, 0.02, 0.12], [0.09, 0.03, 0.0], [0.1, 1.0, 0.5]])
    svg, alt = svg_shares(shares, ["z₃", "z₁", "z₁₀"], NAMES)
    found = [text for text in texts(svg) if re.fullmatch(r"\d\.\d\d", text)]
    assert [float(text) for text in found] == pytest.approx(shares.flatten().tolist())
    assert texts(svg, "vae-most") == ["0.71", "1.00"]
    assert texts(svg, "vae-told") == ["0.12", "0.10", "0.50"]
    opacity = [number(rect, "fill-opacity") for rect in elements(svg, "rect")]
    assert len(opacity) == 9 and np.argsort(opacity).tolist() == shares.flatten().argsort().tolist()
    assert max(opacity) <= 0.75, "the number stays legible"
    assert "z₁: shape 0.09, scale 0.03, <left> 0.00" in alt
    assert "<left>" in texts(svg) and root(svg).get("aria-label") == alt


def test_measured_is_what_the_functions_say(models, data):
    x, factors = data
    model = models[KEYS[0]]
    measured, z = measure_model(model, x, factors, NAMES, seed=3), samples(model, x, 3)[2]
    assert measured.labels == name_dimensions(z, factors, NAMES)
    assert measured.mig == pytest.approx(mig(z, factors), abs=1e-6)
    for shares, text in zip(measured.shares, measured.labels, strict=True):
        best = shares.max()
        assert text == ("none" if best < 0.1 else f"{NAMES[shares.argmax()]} {best:.2f}")


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


# ---- the panel of one model ----


@pytest.fixture
def model(make_vae):
    return make_vae(latent_dim=12).eval()


@pytest.fixture
def panel(model, digits):
    return traversal_panel(model, digits.x_test, digits.y_test)


def check_panel(panel, model) -> None:
    """Picture, text and sliders are those of z."""
    image = decode_images(model, panel.z[None])[0].numpy()
    assert abs(pixels(panel.picture.value) - 255 * image).max() <= 1
    first = ", ".join(text_of_number(value, 2) for value in panel.z[:4].tolist())
    norms = f"|z| = {panel.z.norm():.2f}; typical of the prior: √12 = {math.sqrt(12):.2f}"
    for text in (panel.picture.alt, panel.label.value):
        assert f"mean of p(x|z) at z = ({first}, …)" in text and norms in text
    for dim, slider in panel.sliders.items():
        assert slider.value == pytest.approx(float(panel.z[dim].clamp(-3, 3)), abs=0.026)


def test_sliders_are_for_the_dimensions_with_the_largest_kl_and_say_it(panel, model, digits):
    with torch.no_grad():
        kl = kl_per_dimension(*model.encode(digits.x_test))
    shown = list(panel.sliders)
    assert len(shown) == 8 and kl[shown].tolist() == sorted(kl.tolist(), reverse=True)[:8]
    for dim, slider in panel.sliders.items():
        assert slider.description == f"{name_of_dimension(dim)} · {kl[dim]:.1f} nats"
        assert (slider.min, slider.max, slider.step) == (-3, 3, 0.05)
    rest = float(kl.sum() - kl[shown].sum())
    assert f"4 of 12 dimensions have no slider: {rest:.1f} nats together" in panel.label.value


def test_a_slider_of_the_panel_moves_its_own_dimension_and_nothing_else(panel, model):
    seen = {panel.picture.value}
    for k, (dim, slider) in enumerate(panel.sliders.items()):
        expected = panel.z.clone()
        expected[dim] = slider.value = 2.5 - 0.6 * k
        torch.testing.assert_close(panel.z, expected)
        assert name_of_dimension(dim) in panel.said.value
        check_panel(panel, model)
        seen.add(panel.picture.value)
    assert len(seen) == 9


def test_every_step_of_a_slider_arrives(panel):
    dim, slider = next(iter(panel.sliders.items()))
    found = []
    for k in range(-60, 61):
        slider.value = 0.05 * k
        found.append(float(panel.z[dim]))
    np.testing.assert_allclose(found, 0.05 * np.arange(-60, 61), atol=1e-6)


def test_a_page_that_rounds_sliders_to_whole_steps_leaves_z_alone(panel, model):
    panel.encode.click()
    before = panel.z.clone()
    for slider in panel.sliders.values():
        slider.value = round(slider.value / 0.05) * 0.05
    assert torch.equal(panel.z, before)
    check_panel(panel, model)


def test_encode_sets_all_dimensions_to_the_mean_of_the_chosen_image(panel, model, digits):
    panel.chooser.choose(9)
    assert not panel.z.any()  # not before the button
    panel.encode.click()
    with torch.no_grad():
        torch.testing.assert_close(panel.z, model.encode(digits.x_test[9:10])[0][0])
    assert panel.said.value == "All 12 dimensions are those of the mean of q(z|x) of test image 9."
    check_panel(panel, model)
    panel.chooser.put(digits.x_test[11], "your drawing")
    panel.encode.click()
    with torch.no_grad():
        torch.testing.assert_close(panel.z, model.encode(digits.x_test[11:12])[0][0])
    assert "of your drawing" in panel.said.value


def test_what_lies_beyond_a_slider_stays_in_z(panel, model):
    dim, slider = next(iter(panel.sliders.items()))
    with torch.no_grad():
        model.encoder[-2].bias[dim] += 7  # the mean of q(z|x) of every image, in this dimension
    panel.encode.click()
    assert panel.z[dim] > 3 and slider.value == 3
    check_panel(panel, model)
    other = list(panel.sliders)[1]
    panel.sliders[other].value = 1.0
    assert panel.z[dim] > 3
    slider.value = 2.95
    assert panel.z[dim] == pytest.approx(2.95)


def test_random_draws_all_dimensions_from_the_prior_and_reset_goes_to_its_center(panel, model):
    draws = []
    for _ in range(200):
        panel.random.click()
        draws.append(panel.z.clone())
    check_panel(panel, model)
    draws = torch.stack(draws)
    assert draws.mean(0).abs().max() < 5 / math.sqrt(200)
    assert (draws.std(0) - 1).abs().max() < 5 / math.sqrt(2 * 200)
    panel.reset.click()
    assert not panel.z.any() and all(slider.value == 0 for slider in panel.sliders.values())
    check_panel(panel, model)


@pytest.mark.parametrize(("latent_dim", "n_dims", "n"), [(2, 8, 2), (12, 3, 3), (1, 1, 1)])
def test_fewer_dimensions_than_sliders_and_fewer_sliders_than_dimensions(
    latent_dim, n_dims, n, make_vae, digits
):
    vae = make_vae(latent_dim=latent_dim)
    panel = traversal_panel(vae, digits.x_test, digits.y_test, n_dims=n_dims)
    assert len(panel.sliders) == n
    assert ("no slider" in panel.label.value) == (latent_dim > n)


# ---- errors ----


@pytest.fixture
def arguments(models, data):
    """Those of `traversal_studio`."""
    return {"models": models, "x": data[0], "factors": data[1], "names": NAMES}


@pytest.mark.parametrize(
    "key",
    [
        "β-VAE",
        ("β-VAE", 10),
        ("", 10, 0),
        ("β-VAE", "10", 0),
        ("β-VAE", -1, 0),
        ("β-VAE", math.nan, 0),
        ("β-VAE", True, 0),
        ("β-VAE", 1, 0.5),
    ],
)
def test_a_bad_key_is_named(key, arguments, make_vae):
    message = r"keys of models must be \(method, beta, seed\), such as .*, got"
    with pytest.raises(TypeError, match=f"{message} {re.escape(repr(key))}"):
        traversal_studio(**(arguments | {"models": {key: make_vae()}}))


PLAIN = Autoencoder(mlp([64, 8, 2]), mlp([2, 8, 64], out_shape=(1, 8, 8)))


def test_other_models_are_named(arguments, make_vae):
    key = ("β-VAE", 1, 0)
    for model, message in ((PLAIN, "got Autoencoder"), (make_vae(latent_dim=1), "latent_dim 1")):
        with pytest.raises(TypeError, match=rf"models\[\('β-VAE', 1, 0\)\] .*{message}"):
            traversal_studio(**(arguments | {"models": {key: model}}))
    same = {("a", 1.0, 0): make_vae(), ("a", 1 + 1e-9, 0): make_vae()}
    with pytest.raises(ValueError, match="models must have values that differ in six digits"):
        traversal_studio(**(arguments | {"models": same}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"x": torch.zeros(288, 1, 16, 16)},
            "a decoded image and an image of x must have the same",
        ),
        ({"names": NAMES[:2]}, "names must hold one text for each of the 3 factors, got"),
        ({"names": "abc"}, "names must hold one text for each of the 3 factors, got 'abc'"),
        ({"names": ["a", "b", 3]}, "names must hold one text"),
        ({"n_dims": 0}, "n_dims must be a whole number of at least 1, got 0"),
    ],
)
def test_other_bad_arguments_are_named(changed, message, arguments):
    with pytest.raises(ValueError, match=message):
        traversal_studio(**(arguments | changed))


def test_too_few_images_are_named(arguments):
    few = {name: arguments[name][:100] for name in ("x", "factors")}
    with pytest.raises(ValueError, match="x and factors: codes must have at least 216 rows"):
        traversal_studio(**(arguments | few))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"model": PLAIN}, TypeError, "model must be a VAE, got Autoencoder"),
        ({"n_dims": 0}, ValueError, "n_dims must be"),
        ({"image": 288}, ValueError, "image must be a row of x, .* from 0 to 287, got 288"),
        ({"image": -1}, ValueError, "image must be a row of x"),
        ({"image": 1.0}, ValueError, "image must be a row of x"),
        ({"values": [0.0]}, TypeError, "values must be a tensor of floats, got list"),
        ({"values": torch.tensor([torch.nan])}, ValueError, "values must be finite"),
    ],
)
def test_bad_arguments_of_rows_are_named(changed, error, message, models, data):
    arguments = {"model": models[KEYS[0]], "x": data[0], "factors": data[1], "names": NAMES}
    with pytest.raises(error, match=message):
        traversal_rows(**(arguments | changed))


def test_a_panel_needs_a_slider(model, digits):
    with pytest.raises(ValueError, match="n_dims must be a whole number of at least 1"):
        traversal_panel(model, digits.x_test, digits.y_test, n_dims=0)
