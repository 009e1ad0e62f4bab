"""Traversals: what is offered, named, decoded and said is what the functions give."""

import math
import re
from unittest.mock import Mock

import ipywidgets
import numpy as np
import pytest
import torch
from helpers.pictures import pixels
from helpers.studios import KEYS, STUDIOS, autoencoder, images, vae
from helpers.svg import elements, number, root, texts
from helpers.widgets import widgets_in

from tutorial_utils.latent import name_of_dimension
from tutorial_utils.losses import kl_per_dimension, negative_elbo
from tutorial_utils.studios import traversal as module
from tutorial_utils.studios.svg import number as text_of_number
from tutorial_utils.studios.traversal import svg_shares, traversal_rows, traversal_studio
from tutorial_utils.topics.disentanglement import (
    entropies,
    mig,
    mutual_information,
    name_dimensions,
)
from tutorial_utils.topics.sprites import FACTORS, load_sprites, middle_of
from tutorial_utils.training import evaluate

PANEL, MANY = STUDIOS["traversal"], STUDIOS["traversal of many"]


@pytest.fixture(scope="module")
def arguments():
    """Models, images, factors and their names: those of every `studio`."""
    return MANY.arguments()


@pytest.fixture
def studio(arguments):
    return traversal_studio(**arguments)


@pytest.fixture
def panel():
    return PANEL.make()


@pytest.fixture(params=["studio", "panel"])
def traversal(request):
    """Both of them: what they share."""
    return request.getfixturevalue(request.param)


def sliders_of(traversal) -> dict[int, ipywidgets.FloatSlider]:
    """The sliders by the dimension that each moves."""
    return dict(zip(traversal.code.dims, traversal.code.children, strict=True))


def controls_of_model(studio) -> list:
    """What chooses method, β and seed, as they are on the page."""
    choice = studio.choice
    return [choice.method, choice.shown_beta.children[0], choice.shown_seed.children[0]]


def choose(studio, key) -> None:
    for k, value in enumerate(key):
        controls_of_model(studio)[k].value = value


def offered(control) -> list:
    return [option[1] if isinstance(option, tuple) else option for option in control.options]


def click(studio, text: str) -> None:
    next(part for part in widgets_in(studio) if getattr(part, "description", "") == text).click()


def mean_of(model, image) -> torch.Tensor:
    """The mean of q(z|x) of an image [1, H, W]: [D]."""
    with torch.no_grad():
        return model.encode(image[None])[0][0]


@pytest.fixture(scope="module")
def references(arguments):
    """What the functions say of each model, once: KL, names, shares, scores, MIG."""
    models, x, factors, names = arguments.values()
    found = {}
    for key, model in models.items():
        with torch.no_grad():
            mu, logvar = model.encode(x)
        eps = torch.randn(mu.shape, generator=torch.Generator().manual_seed(0))
        z = mu + (logvar / 2).exp() * eps
        found[key] = (
            kl_per_dimension(mu, logvar),
            name_dimensions(z, factors, names),
            mutual_information(z, factors) / entropies(factors),
            evaluate(model, x, negative_elbo),
            mig(z, factors),
        )
    return found


def check_code(traversal) -> None:
    """The picture is that of z, and the sliders stand where z is, as far as they reach."""
    with torch.no_grad():
        image = traversal.model.decode(traversal.z[None]).sigmoid()[0, 0].numpy()
    assert abs(pixels(traversal.picture.value) - 255 * image).max() <= 1
    for dim, slider in sliders_of(traversal).items():
        place = float(traversal.z[dim].clamp(slider.min, slider.max))
        assert slider.value == pytest.approx(place, abs=0.026)


def check_model(studio, references) -> None:
    """Numbers, names and map are those of the model that is chosen, and values those of z."""
    kl, told, shares, scores, gap = references[studio.choice.key]
    order = kl.argsort(descending=True)[:6].tolist()
    assert studio.code.dims == order
    said = root(studio.view.parts[0]["html"]).get("aria-label")
    for dim, slider in sliders_of(studio).items():
        name, value = name_of_dimension(dim), text_of_number(float(studio.z[dim]), 2)
        assert slider.description == f"{name} · {kl[dim]:.1f} nats · {told[dim]}"
        assert f"{name} = {value}" in studio.picture.alt
        assert f"<p>{value}</p>" in studio.values.value
        of_factors = zip(studio.names, shares[dim].tolist(), strict=True)
        assert f"{name}: {', '.join(f'{each} {share:.2f}' for each, share in of_factors)}" in said
    for text in (studio.view.text, re.sub("<.*?>", "", studio.numbers.value)):
        assert f"−ELBO at β\u00a0=\u00a01 {scores['loss']:.1f} nats" in text
        assert f"kl {scores['kl']:.1f} nats" in text and f"MIG {gap:.2f}" in text
    method, beta, seed = studio.choice.key
    assert studio.view.text.startswith(f"{method}, β = {beta}, seed {seed}:")
    n, rest = len(kl), float(kl.sum() - kl[order].sum())
    hidden = f"{n - 6} of {n} dimensions have no slider: {rest:.1f} nats together"
    assert hidden in studio.said.value


# ---- what both share: the sliders ----


def test_a_slider_moves_its_own_dimension_and_nothing_else(traversal):
    seen = set()
    for k, (dim, slider) in enumerate(sliders_of(traversal).items()):
        expected = traversal.z.clone()
        expected[dim] = slider.value = 2.3 - 0.6 * k
        torch.testing.assert_close(traversal.z, expected)
        assert traversal.said.value.startswith(f"{name_of_dimension(dim)} was moved by hand.")
        check_code(traversal)
        seen.add(traversal.picture.value)
    assert len(seen) == len(sliders_of(traversal))


def test_every_step_of_a_slider_arrives(traversal):
    dim, slider = next(iter(sliders_of(traversal).items()))
    steps = np.arange(round(slider.min / 0.05), round(slider.max / 0.05) + 1)
    found = []
    for step in steps:
        slider.value = 0.05 * step
        found.append(float(traversal.z[dim]))
    np.testing.assert_allclose(found, 0.05 * steps, atol=1e-6)


def test_a_page_that_rounds_sliders_to_whole_steps_leaves_z_alone(traversal):
    click(traversal, "Encode this image" if hasattr(traversal, "chooser") else "Another sprite")
    before = traversal.z.clone()
    for slider in sliders_of(traversal).values():
        slider.value = round(slider.value / 0.05) * 0.05
    assert torch.equal(traversal.z, before)
    check_code(traversal)


def test_sliders_stand_where_the_page_has_nothing_to_round(studio):
    for _ in range(20):
        click(studio, "Another sprite")
        for slider in studio.code.children:
            step = slider.step * 100 / 5
            percent = (slider.value + 2.5) * 100 / 5
            assert round(percent / step) * step * 5 / 100 - 2.5 == slider.value


def test_what_lies_beyond_a_slider_stays_in_z(panel):
    (dim, slider), (other, another) = list(sliders_of(panel).items())[:2]
    with torch.no_grad():
        panel.model.encoder[-2].bias[dim] += 99  # of the mean of q(z|x) of every image
    click(panel, "Encode this image")
    assert panel.z[dim] > 3 and slider.value == 3
    check_code(panel)
    another.value = 1.0
    assert panel.z[other] == 1 and panel.z[dim] > 3
    slider.value = 2.95
    assert panel.z[dim] == pytest.approx(2.95)


# ---- the choice of a model ----


def test_only_models_that_exist_are_offered_and_all_of_them(studio):
    found = []
    assert list(studio.choice.method.options) == ["β-VAE", "VAE", "β-TCVAE"]
    for method in studio.choice.method.options:
        studio.choice.method.value = method
        _, betas, _ = controls_of_model(studio)
        alone = len(betas.options) == 1
        assert isinstance(betas, ipywidgets.ToggleButtons if alone else ipywidgets.SelectionSlider)
        for beta in offered(betas):
            betas.value = beta
            seeds = controls_of_model(studio)[2]
            for seed in offered(seeds):
                seeds.value = seed
                assert studio.choice.key == (method, beta, seed)
                found.append(studio.choice.key)
    assert sorted(found) == sorted(KEYS)
    assert [key[1:] for key in found if key[0] == "β-VAE"] == [(1, 0), (1, 1), (4, 1)], "in order"


def test_another_method_or_beta_keeps_what_it_can(studio):
    choose(studio, ("β-VAE", 4, 1))
    for k, value, key in (
        (0, "β-TCVAE", ("β-TCVAE", 3, 1)),  # the nearest β, the same seed
        (1, 10, ("β-TCVAE", 10, 2)),
        (0, "β-VAE", ("β-VAE", 4, 1)),
        (1, 1, ("β-VAE", 1, 1)),
    ):
        controls_of_model(studio)[k].value = value
        assert studio.choice.key == key


def test_each_model_shows_its_own_numbers_and_encodes_the_sprite_anew(
    studio, arguments, references
):
    click(studio, "Another sprite")
    index, names = studio.index, set()
    for key in [*KEYS, *reversed(KEYS[:-1])]:
        studio.code.children[0].value = 2.0  # by hand, then away from it
        choose(studio, key)
        assert studio.choice.key == key and studio.index == index
        assert studio.model is arguments["models"][key]
        torch.testing.assert_close(studio.z, mean_of(studio.model, studio.x[index]))
        assert "mean of q(z|x)" in studio.said.value
        check_code(studio)
        check_model(studio, references)
        words = [slider.description.split(" · ")[-1] for slider in studio.code.children]
        names.update(word.split(" ")[0] for word in words)
    assert "none" in names and len(names) > 2


def test_a_model_is_measured_when_it_is_first_chosen_and_once(arguments, monkeypatch):
    measure = Mock(wraps=module.measure_model)
    monkeypatch.setattr(module, "measure_model", measure)
    studio = traversal_studio(**arguments)
    assert measure.call_count == 1
    for key in [*KEYS, *KEYS]:
        choose(studio, key)
    assert measure.call_count == len(KEYS)


def test_models_of_other_sizes_have_as_many_sliders_as_there_is_room():
    studio = MANY.make(models={("VAE", 1, 0): vae(), ("β-VAE", 4, 0): vae(9)})
    for method, n in (("VAE", 2), ("β-VAE", 6), ("VAE", 2), ("β-VAE", 6)):
        studio.choice.method.value = method
        assert len(studio.code.children) == len(studio.code.dims) == n
        assert len(elements(studio.view.parts[0]["html"], "rect")) == 3 * n
        assert ("no slider" in studio.said.value) == (method == "β-VAE")
        studio.code.children[-1].value = 1.0
        assert studio.z[studio.code.dims[-1]] == 1


# ---- the sprite ----


def test_zero_is_the_center_and_encode_anew_goes_back(studio):
    start = studio.z.clone()
    click(studio, "z = 0")
    assert not studio.z.any() and "center of the prior" in studio.said.value
    check_code(studio)
    click(studio, "Encode anew")
    assert torch.equal(studio.z, start)
    check_code(studio)


def test_another_sprite_is_another_one(studio):
    seen = [studio.index]
    for _ in range(50):
        click(studio, "Another sprite")
        assert studio.index != seen[-1] and f"image {studio.index}," in studio.sprite.alt
        seen.append(studio.index)
    assert len(set(seen)) > 25 and 0 <= min(seen) <= max(seen) < len(studio.x)
    image = 255 * studio.x[studio.index, 0].numpy()
    assert abs(pixels(studio.sprite.value) - image).max() <= 1


def test_the_first_sprite_lies_in_the_middle_and_its_values_are_said():
    x, factors = load_sprites()
    middle = factors[middle_of(factors)].tolist()
    levels = [len(values) - 1 for values in FACTORS.values()]
    assert all(abs(level - last / 2) <= 0.5 for level, last in zip(middle, levels, strict=True))
    small, few = torch.nn.functional.avg_pool2d(x, 4)[::7], factors[::7]
    studio = traversal_studio({("VAE", 1, 0): vae()}, small, few, list(FACTORS))
    said = dict(part.split(" ") for part in studio.caption.value.split(", "))
    shown = zip(FACTORS.items(), few[studio.index].tolist(), strict=True)
    assert said == {name: str(values[level]) for (name, values), level in shown}


# ---- the map, and the rows on paper ----


def test_map_has_every_number_as_text_and_in_words_and_more_color_for_more():
    shares = torch.tensor([[0.71, 0.02, 0.12], [0.09, 0.03, 0.0], [0.1, 1.0, 0.5]])
    svg, alt = svg_shares(shares, ["z₃", "z₁", "z₁₀"], ["shape", "scale", "<left>"])
    found = [text for text in texts(svg) if re.fullmatch(r"\d\.\d\d", text)]
    assert [float(text) for text in found] == pytest.approx(shares.flatten().tolist())
    assert texts(svg, "vae-most") == ["0.71", "1.00"]
    assert texts(svg, "vae-told") == ["0.12", "0.10", "0.50"]
    opacity = [number(rect, "fill-opacity") for rect in elements(svg, "rect")]
    assert len(opacity) == 9 and np.argsort(opacity).tolist() == shares.flatten().argsort().tolist()
    assert max(opacity) <= 0.75, "the number stays legible"
    assert "z₁: shape 0.09, scale 0.03, <left> 0.00" in alt
    assert "<left>" in texts(svg) and root(svg).get("aria-label") == alt


@pytest.mark.parametrize("options", [{}, {"n_dims": 2, "values": torch.tensor([-1.0, 0.5])}])
def test_rows_are_those_of_the_sliders_and_change_one_number_each(options, studio):
    choose(studio, KEYS[2])
    rows = traversal_rows(studio.model, studio.x, studio.factors, studio.names, **options)
    n, values = options.get("n_dims", 6), options.get("values", torch.linspace(-2, 2, 9))
    assert list(rows) == [slider.description for slider in studio.code.children[:n]]
    for dim, row in zip(studio.code.dims, rows.values(), strict=False):
        codes = studio.z.repeat(len(values), 1)
        codes[:, dim] = values
        with torch.no_grad():
            torch.testing.assert_close(row, studio.model.decode(codes).sigmoid())


# ---- the panel of one model ----


def test_sliders_are_for_the_dimensions_with_the_largest_kl_and_say_it(panel):
    with torch.no_grad():
        kl = kl_per_dimension(*panel.model.encode(panel.chooser.x))
    shown = panel.code.dims
    assert len(shown) == 8 and kl[shown].tolist() == sorted(kl.tolist(), reverse=True)[:8]
    for dim, slider in sliders_of(panel).items():
        assert slider.description == f"{name_of_dimension(dim)} · {kl[dim]:.1f} nats"
        assert (slider.min, slider.max, slider.step) == (-3, 3, 0.05)
    rest = float(kl.sum() - kl[shown].sum())
    assert f"4 of 12 dimensions have no slider: {rest:.1f} nats together" in panel.label.value


def test_encode_sets_all_dimensions_to_the_mean_of_the_chosen_image(panel):
    panel.chooser.choose(9)
    assert not panel.z.any()  # not before the button
    click(panel, "Encode this image")
    torch.testing.assert_close(panel.z, mean_of(panel.model, panel.chooser.x[9]))
    assert panel.said.value == "All 12 dimensions are those of the mean of q(z|x) of test image 9."
    check_code(panel)
    first = ", ".join(text_of_number(value, 2) for value in panel.z[:4].tolist())
    norms = f"|z| = {panel.z.norm():.2f}; typical of the prior: √12 = {math.sqrt(12):.2f}"
    for text in (panel.picture.alt, panel.label.value.replace("<br>", "; ")):
        assert text.startswith(f"mean of p(x|z) at z = ({first}, …); {norms}; 4 of 12 dimensions")
    panel.chooser.put(panel.chooser.x[11], "your drawing")
    click(panel, "Encode this image")
    torch.testing.assert_close(panel.z, mean_of(panel.model, panel.chooser.x[11]))
    assert "of your drawing" in panel.said.value


def test_random_draws_all_dimensions_from_the_prior_and_reset_goes_to_its_center(panel):
    draws = []
    for _ in range(200):
        click(panel, "Random")
        draws.append(panel.z.clone())
    check_code(panel)
    draws = torch.stack(draws)
    assert draws.mean(0).abs().max() < 5 / math.sqrt(200)
    assert (draws.std(0) - 1).abs().max() < 5 / math.sqrt(2 * 200)
    click(panel, "Reset")
    assert not panel.z.any()
    check_code(panel)


def test_a_model_with_fewer_dimensions_than_sliders_has_fewer_sliders():
    for n in (1, 2):
        panel = PANEL.make(model=vae(n))
        assert len(panel.code.children) == n and "no slider" not in panel.label.value


# ---- errors ----

WRONG_KEYS = ["β-VAE", ("β-VAE", 10), ("", 10, 0), ("β-VAE", "10", 0), ("β-VAE", -1, 0)]
WRONG_KEYS += [("β-VAE", math.nan, 0), ("β-VAE", True, 0), ("β-VAE", 1, 0.5)]


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_a_bad_key_is_named(key):
    message = r"keys of models must be \(method, beta, seed\), such as .*, got"
    with pytest.raises(TypeError, match=f"{message} {re.escape(repr(key))}"):
        MANY.make(models={key: vae()})


def test_other_models_are_named():
    for model, message in ((autoencoder(), "got Autoencoder"), (vae(1), "latent_dim 1")):
        with pytest.raises(TypeError, match=rf"models\[\('β-VAE', 1, 0\)\] .*{message}"):
            MANY.make(models={("β-VAE", 1, 0): model})
    same = {("a", 1.0, 0): vae(), ("a", 1 + 1e-9, 0): vae()}
    with pytest.raises(ValueError, match="models must have values that differ in six digits"):
        MANY.make(models=same)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"model": autoencoder()}, TypeError, "model must be a VAE, got Autoencoder"),
        ({"x": images(288, 16)}, ValueError, "a decoded image and an image of x must have"),
        ({"names": ["a", "b"]}, ValueError, "names must hold one text for each of the 3 factors"),
        ({"names": "abc"}, ValueError, "names must hold one text .*, got 'abc'"),
        ({"names": ["a", "b", 3]}, ValueError, "names must hold one text"),
        ({"n_dims": 0}, ValueError, "n_dims must be a whole number of at least 1, got 0"),
        ({"values": [0.0]}, TypeError, "values must be a tensor of floats, got list"),
        ({"values": torch.tensor([torch.nan])}, ValueError, "values must be finite"),
    ],
)
def test_bad_arguments_of_rows_are_named(changed, error, message, arguments):
    rest = {name: arguments[name] for name in ("x", "factors", "names")}
    with pytest.raises(error, match=message):
        traversal_rows(**({"model": vae()} | rest | changed))


def test_too_few_images_are_named(arguments):
    few = {name: arguments[name][:100] for name in ("x", "factors")}
    with pytest.raises(ValueError, match="x and factors: codes must have at least 216 rows"):
        MANY.make(**few)
