"""Blur studio: its pictures are those of mean and sample, its numbers those of the measures."""

import math
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from helpers.pictures import pixels
from helpers.svg import elements, number, positions, text_of

from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.plotting import show_rows
from tutorial_utils.studios import blur as module
from tutorial_utils.studios.blur import (
    GLYPHS,
    N_BAND,
    SPACE,
    T_MAX,
    axis_around,
    blur_rows,
    blur_state,
    blur_studio,
    pictures,
    probe,
    sample_noisy,
    start_blur,
    svg_sharpness,
)
from tutorial_utils.topics.sharpness import high_frequency_share, laplacian_sharpness
from tutorial_utils.training import local_seed

SAYS_T = {
    0.0: "t = 0.00: the mean itself",
    0.55: "t = 0.55",
    1.0: "t = 1.00: as in p(x|z)",
    1.5: "t = 1.50",
}


def bernoulli_sample(params: torch.Tensor, t: float) -> torch.Tensor:
    mean = params.sigmoid()
    return mean + t * (torch.bernoulli(mean) - mean)


def gaussian_sample(params: torch.Tensor, t: float) -> torch.Tensor:
    mean, std = params[:, :1].sigmoid(), params[:, 1:].exp()
    return mean + t * std * torch.randn_like(mean)


@pytest.fixture
def likelihoods(make_vae):
    """Two untrained models of different latent size; the second decodes two numbers per pixel."""
    second = make_vae(1, latent_dim=3)
    with local_seed(2):
        second.decoder = mlp([3, 16, 128], out_shape=(2, 8, 8))
    return {
        "Bernoulli": (make_vae(0).eval(), torch.sigmoid, bernoulli_sample),
        "Gaussian": (second.eval(), lambda params: params[:, :1].sigmoid(), gaussian_sample),
    }


@pytest.fixture
def studio(likelihoods, digits):
    return blur_studio(likelihoods, digits.x_test)


def expected(studio, likelihoods, x) -> dict[str, torch.Tensor]:
    """The three images [1, 8, 8] of the values of the controls, in so many words."""
    chosen = studio.controls
    model, mean, sample = likelihoods[chosen.likelihood.value]
    image = x[chosen.image.value][None]
    with torch.no_grad():
        z = model.encode(image)[0]
        if chosen.source.value == "prior":
            generator = torch.Generator().manual_seed(chosen.z_seed.value)
            z = torch.randn(1, model.latent_dim, generator=generator)
        params = model.decode(z)
        with local_seed(chosen.noise_seed.value):
            noisy = sample(params, chosen.t.value)
    return {"image": image[0], "mean": mean(params)[0], "sample": noisy[0]}


def check_all(studio, likelihoods, x, sharpness=laplacian_sharpness) -> None:
    """Pictures, numbers, text alternatives and chart are those of the images in `expected`."""
    images, t = expected(studio, likelihoods, x), studio.controls.t.value
    *parts, chart = studio.view.parts
    for part, (name, image) in zip(parts, images.items(), strict=True):
        assert abs(pixels(part["png"]) - 255 * image[0].clamp(0, 1).numpy()).max() <= 1
        value, share = sharpness(image[None]).item(), high_frequency_share(image[None]).item()
        lines = [f"sharpness {value:.2f}", f"high frequency {100 * share:.1f}{SPACE}%"]
        assert part["caption"].split("\n")[:2] == lines
        assert part["title"].startswith(GLYPHS[name])
        assert ", ".join(lines) in part["alt"]
        assert f"{name} {value:.2f}" in chart["html"]
        assert f"{name} {value:.2f}" in studio.view.text
    assert SAYS_T[t] in parts[2]["caption"].split("\n")
    clipped = images["sample"].min() < 0 or images["sample"].max() > 1
    assert ("shown clipped to [0, 1]" in parts[2]["caption"]) == clipped
    begins = f"{studio.controls.likelihood.value}, t = {t:.2f}. Sharpness: image"
    assert studio.view.text.startswith(begins)


# ---- the functions ----


@pytest.mark.parametrize("source", ["posterior", "prior"])
@pytest.mark.parametrize("name", ["Bernoulli", "Gaussian"])
def test_without_noise_the_sample_is_the_mean_and_noise_grows_in_a_line(
    name, source, likelihoods, digits
):
    likelihood = likelihoods[name]
    blur = start_blur(likelihood, digits.x_test[:5], source=source)
    assert blur.mean.shape == (5, 1, 8, 8)
    assert torch.equal(sample_noisy(likelihood, blur, 0.0, 3), blur.mean)
    noise = sample_noisy(likelihood, blur, 1.0, 3) - blur.mean
    for t in (0.05, 0.6, 1.5):  # the same noise, whatever t is
        torch.testing.assert_close(sample_noisy(likelihood, blur, t, 3), blur.mean + t * noise)
    assert not torch.equal(sample_noisy(likelihood, blur, 1.0, 4), blur.mean + noise)


def test_start_decodes_the_posterior_mean_or_draws_from_the_prior(likelihoods, digits):
    likelihood, x = likelihoods["Gaussian"], digits.x_test[:4]
    with torch.no_grad():
        params = likelihood[0].decode(likelihood[0].encode(x)[0])
    blur = start_blur(likelihood, x)
    assert torch.equal(blur.params, params) and blur.x is x
    assert torch.equal(blur.mean, params[:, :1].sigmoid())
    first, again, other = (
        start_blur(likelihood, x, source="prior", seed=seed).params for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other) and not torch.equal(first, params)
    elsewhere = start_blur(likelihood, digits.x_test[4:8], source="prior", seed=1)
    assert torch.equal(elsewhere.params, first)  # the image has no say
    with pytest.raises(ValueError, match="source must be one of 'posterior', 'prior', got 'mean'"):
        start_blur(likelihood, x, source="mean")


def test_state_has_the_numbers_of_the_functions(likelihoods, digits):
    likelihood = likelihoods["Bernoulli"]
    blur = start_blur(likelihood, digits.x_test[:1])
    images = {"image": blur.x, "mean": blur.mean, "sample": sample_noisy(likelihood, blur, 0.7, 5)}
    for sharpness in (laplacian_sharpness, partial(high_frequency_share, cutoff=0.1)):
        state = blur_state(likelihood, blur, 0.7, seed=5, sharpness=sharpness)
        assert list(state) == ["image", "mean", "sample"]
        for name, image in images.items():
            assert torch.equal(state[name].image, image[0])
            numbers = sharpness(image).item(), high_frequency_share(image).item()
            assert state[name][1:] == pytest.approx(numbers)


def test_rows_are_the_images_the_means_and_the_samples(likelihoods, digits):
    x = digits.x_test[:6]
    rows = blur_rows(likelihoods, x, t=0.8, seed=2)
    names = [f"{name}: {what}" for name in likelihoods for what in ("mean", "sample")]
    assert list(rows) == ["test image", *names]
    assert torch.equal(rows["test image"], x)
    for name, likelihood in likelihoods.items():
        blur = start_blur(likelihood, x)
        assert torch.equal(rows[f"{name}: mean"], blur.mean)
        assert torch.equal(rows[f"{name}: sample"], sample_noisy(likelihood, blur, 0.8, 2))
    still = blur_rows(likelihoods, x, t=0)
    assert torch.equal(still["Gaussian: sample"], still["Gaussian: mean"])
    fig = show_rows(rows)
    assert len(fig.axes) == 5
    plt.close(fig)


# ---- the chart ----


def test_chart_places_values_on_a_logarithmic_axis_with_its_ticks_and_band():
    values = {"image": 2.0, "mean": 0.5, "sample": 10.0}
    chart, said = svg_sharpness(values, (1.0, 5.0), (0.2, 20.0))
    places = positions(chart)
    assert {"0.2", "0.5", "1", "2", "5", "10", "20"} <= set(places)
    assert (places["0.2"][0], places["20"][0]) == (3, 97)
    for name, value in values.items():
        share = math.log(value / 0.2) / math.log(100)
        assert places[f"{value:g}"][0] == pytest.approx(places[GLYPHS[name]][0])
        assert places[GLYPHS[name]][0] == pytest.approx(3 + 94 * share, abs=0.01)
        assert places[f"{name} {value:.2f}"][1] == pytest.approx(places[GLYPHS[name]][1], abs=1.5)
    (band,) = elements(chart, "rect", "vae-band")
    left, width = number(band, "x"), number(band, "width")
    assert (left, left + width) == pytest.approx((places["1"][0], places["5"][0]), abs=0.02)
    assert said == (
        "Sharpness: image 2.00, mean 0.50, sample 10.00. "
        "Of the test images, 80 % lie between 1.00 and 5.00."
    )
    assert elements(chart, "svg")[0].get("aria-label") == said


def test_chart_keeps_its_texts_beside_their_glyphs_and_says_what_lies_beyond():
    values = {"image": 0.0, "mean": 1.0, "sample": 900.0}
    chart, _ = svg_sharpness(values, (1.0, 1.0), (0.5, 20.0))
    places = positions(chart)
    assert places[GLYPHS["image"]][0] == 3 and places[GLYPHS["sample"]][0] == 97
    names = elements(chart, "text", "vae-curve-name")
    assert [(node.get("text-anchor"), text_of(node)) for node in names] == [
        ("start", "← image 0.00"),
        ("start", "mean 1.00"),
        ("end", "sample 900.00 →"),
    ]
    heights = [places[glyph][1] for glyph in GLYPHS.values()]
    assert heights == sorted(heights) and min(np.diff(heights)) >= 20  # texts never meet


def test_axis_is_the_least_that_holds_all_values():
    assert axis_around([0.31, 18.8]) == pytest.approx((0.2, 20))
    assert axis_around([1, 10]) == pytest.approx((1, 10))
    assert axis_around([0.0, 3.0]) == pytest.approx((2, 5))
    assert axis_around([2, 2]) == pytest.approx((2, 5))
    assert axis_around([0.0]) == pytest.approx((1, 2))
    with local_seed(0):
        many = torch.rand(30, 4).exp().pow(7).tolist()
    for values in many:
        low, high = axis_around(values)
        assert low <= min(values) * 1.001 and high >= max(values) * 0.999
        assert low > min(values) / 2.51 and high < max(values) * 2.51


def test_band_holds_the_middle_of_the_images_and_the_axis_what_the_studio_shows(
    likelihoods, digits
):
    x = digits.x_test
    smooth = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)  # as a trained model's mean
    likelihoods["smooth"] = (
        likelihoods["Bernoulli"][0],
        lambda params: smooth.expand_as(params),
        lambda params, t: smooth + t * torch.randn_like(params),
    )
    band, (low, high) = probe(likelihoods, x, laplacian_sharpness)
    values = laplacian_sharpness(x[:N_BAND])
    assert (values < band[0]).float().mean() == pytest.approx(0.1, abs=0.01)
    assert (values > band[1]).float().mean() == pytest.approx(0.1, abs=0.01)
    assert low < band[0] < band[1] < high
    only = probe({"a": likelihoods["smooth"]}, smooth.expand(5, 1, 8, 8), laplacian_sharpness)
    assert only[1][1] > 5 * laplacian_sharpness(smooth).item()
    for likelihood in likelihoods.values():
        for source in ("posterior", "prior"):
            blur = start_blur(likelihood, x[:1], source=source)
            for t in (0, T_MAX):
                state = blur_state(likelihood, blur, t)
                assert low <= state["mean"].sharpness <= high
                assert low <= state["sample"].sharpness <= high


# ---- the studio ----


def test_every_control_shows_what_it_says(studio, likelihoods, digits):
    x, chosen = digits.x_test, studio.controls
    assert list(studio.values.values()) == ["Bernoulli", 0, "posterior", 0, 1, 0]
    check_all(studio, likelihoods, x)
    for control, value in (
        ("t", 0.0), ("t", 0.55), ("t", 1.5), ("image", 7), ("noise_seed", 1),
        ("likelihood", "Gaussian"), ("source", "prior"), ("z_seed", 1), ("t", 0.0),
        ("source", "posterior"),
    ):  # fmt: skip
        getattr(chosen, control).value = value
        check_all(studio, likelihoods, x)
        of_image, (image, mean, *_) = chosen.source.value == "posterior", studio.view.parts
        assert chosen.z_seed.disabled == of_image
        assert ("not what is decoded" in image["caption"]) != of_image
        assert ("at the posterior mean" in mean["caption"]) == of_image
        assert ("at a z from the prior" in mean["caption"]) != of_image


def test_what_is_new_after_a_button(studio, likelihoods, digits):
    chosen = studio.controls
    chosen.source.value = "prior"

    def pictures_after(button) -> list[bytes]:
        button.click()
        check_all(studio, likelihoods, digits.x_test)
        return [part["png"] for part in studio.view.parts[:3]]

    image, mean, sample = pictures_after(chosen.z_seed)
    assert pictures_after(chosen.noise_seed)[:2] == [image, mean]
    again = pictures_after(chosen.z_seed)
    assert again[0] == image and again[1] != mean and again[2] != sample
    other = pictures_after(chosen.image.button)  # z from the prior depends on no image
    assert other[0] != image and other[1:] == again[1:]


def test_a_move_of_the_noise_asks_no_model(studio, monkeypatch):
    monkeypatch.setattr(module, "start_blur", None)  # nothing is encoded or decoded
    studio.controls.t.value = 0.35
    studio.controls.noise_seed.click()
    assert "t = 0.35" in studio.view.text


def test_another_measure_is_on_the_axis_and_under_the_images(likelihoods, digits):
    measure = partial(high_frequency_share, cutoff=0.2)
    studio = blur_studio(likelihoods, digits.x_test, sharpness=measure)
    chart = studio.view.parts[3]
    assert chart["title"] == "High frequency share, logarithmic axis"
    check_all(studio, likelihoods, digits.x_test, measure)
    low, high = probe(likelihoods, digits.x_test, measure)[0]
    assert f"80 % lie between {low:.2f} and {high:.2f}" in chart["alt"]


def test_picture_says_when_it_is_clipped(likelihoods, digits):
    likelihood = likelihoods["Bernoulli"]
    state = blur_state(likelihood, start_blur(likelihood, digits.x_test[:1]), 1.0)
    beyond = state["sample"]._replace(image=state["sample"].image - 0.5)
    for sample, clipped in ((state["sample"], False), (beyond, True)):
        part = pictures(state | {"sample": sample}, 3, "posterior", 1.0)[2]
        for text in (part.title, part.alt):
            assert ("shown clipped to [0, 1]" in text) == clipped


# ---- errors ----


def mean_of(params: torch.Tensor) -> torch.Tensor:
    return params.sigmoid()


PAIR = r"likelihoods\['a'\] must be \(model, mean, sample\), the last two functions"


@pytest.mark.parametrize("wrong", [(), (mean_of,), (mean_of, 0.1)])
def test_a_likelihood_is_a_model_and_two_functions(wrong, make_vae, digits):
    with pytest.raises(TypeError, match=PAIR):
        blur_studio({"a": (make_vae(), *wrong)}, digits.x_test)


@pytest.mark.parametrize(
    ("mean", "sample", "error", "message"),
    [
        (
            mean_of,
            lambda params, t: bernoulli_sample(params, 1.0),
            ValueError,
            r"sample\(params, 0\) must be mean\(params\), got images that differ",
        ),
        (
            lambda params: mean_of(params)[..., :4],
            bernoulli_sample,
            ValueError,
            r"likelihoods\['a'\]: mean\(params\) and an image of x must have the same shape",
        ),
        (
            mean_of,
            lambda params, t: mean_of(params) / (t != 1),
            ValueError,
            r"sample\(params, 1\) must be finite",
        ),
        (
            lambda params: [0],
            bernoulli_sample,
            TypeError,
            r"mean\(params\) must be a tensor of floats, got list",
        ),
        (
            mean_of,
            lambda params, t: None,
            TypeError,
            r"sample\(params, t\) must be a tensor of floats, got NoneType",
        ),
    ],
)
def test_functions_that_do_not_fit_are_named(mean, sample, error, message, make_vae, digits):
    with pytest.raises(error, match=message):
        blur_studio({"a": (make_vae(), mean, sample)}, digits.x_test)


def test_other_wrong_arguments_are_named(likelihoods, digits):
    x, plain = digits.x_test, Autoencoder(mlp([64, 2]), mlp([2, 64], out_shape=(1, 8, 8)))
    with pytest.raises(TypeError, match="likelihoods must map one name or more to"):
        blur_studio({}, x)
    with pytest.raises(TypeError, match=r"likelihoods\['a'\]: model must be a VAE, got Autoenc"):
        blur_rows({"a": (plain, mean_of, bernoulli_sample)}, x)
    with pytest.raises(ValueError, match=r"x must be a non-empty tensor with 4 axes"):
        blur_rows(likelihoods, x[0])
    with pytest.raises(TypeError, match="sharpness must be a function of images, got str"):
        blur_studio(likelihoods, x, sharpness="laplacian")
