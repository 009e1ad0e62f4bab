"""Blur studio: its pictures are those of mean and sample, its numbers those of the measures."""

import math

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
    SPACE,
    T_MAX,
    Measured,
    axis_around,
    blur_rows,
    blur_studio,
    decode_params,
    probe,
    sample_likelihood,
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


def first_mean(params: torch.Tensor) -> torch.Tensor:
    return params[:, :1].sigmoid()


def gaussian_sample(params: torch.Tensor, t: float) -> torch.Tensor:
    return first_mean(params) + t * params[:, 1:].exp() * torch.randn_like(params[:, 1:])


@pytest.fixture
def likelihoods(make_vae):
    """Two untrained models of different latent size; the second decodes two numbers per pixel."""
    second = make_vae(1, latent_dim=3)
    with local_seed(2):
        second.decoder = mlp([3, 16, 128], out_shape=(2, 8, 8))
    return {
        "Bernoulli": (make_vae(0).eval(), torch.sigmoid, bernoulli_sample),
        "Gaussian": (second.eval(), first_mean, gaussian_sample),
    }


@pytest.fixture
def studio(likelihoods, digits):
    return blur_studio(likelihoods, digits.x_test)


def expected(studio, likelihoods, x) -> dict[str, torch.Tensor]:
    """The three images [1, 8, 8] of the values of the controls, in so many words."""
    name, index, source, z_seed, t, noise_seed = studio.values.values()
    model, mean, sample = likelihoods[name]
    with torch.no_grad():
        z = model.encode(x[[index]])[0]
        if source == "prior":
            z = torch.randn(z.shape, generator=torch.Generator().manual_seed(z_seed))
        params = model.decode(z)
        with local_seed(noise_seed):
            noisy = sample(params, t)
    return {"image": x[index], "mean": mean(params)[0], "sample": noisy[0]}


def check_all(studio, likelihoods, x) -> None:
    """Pictures, numbers, text alternatives and chart are those of the images in `expected`."""
    images, t = expected(studio, likelihoods, x), studio.values["t"]
    *parts, chart = studio.view.parts
    for part, (name, image) in zip(parts, images.items(), strict=True):
        assert abs(pixels(part["png"]) - 255 * image[0].clamp(0, 1).numpy()).max() <= 1
        value, share = laplacian_sharpness(image[None]), high_frequency_share(image[None])
        lines = [
            f"sharpness {value.item():.2f}",
            f"high frequency {100 * share.item():.1f}{SPACE}%",
        ]
        assert part["caption"].split("\n")[:2] == lines and ", ".join(lines) in part["alt"]
        assert part["title"].startswith(GLYPHS[name])
        for text in (chart["html"], studio.view.text):
            assert f"{name} {value.item():.2f}" in text
    image, mean, sample = (part["caption"] for part in parts)
    assert SAYS_T[t] in sample.split("\n")
    clipped = images["sample"].min() < 0 or images["sample"].max() > 1
    for text in (sample, parts[2]["alt"]):
        assert ("shown clipped to [0, 1]" in text) == clipped
    of_image = studio.values["source"] == "posterior"
    assert studio.controls.z_seed.disabled == of_image
    assert ("not what is decoded" in image) != of_image
    assert ("at the posterior mean" in mean, "at a z from the prior" in mean) == (
        of_image,
        not of_image,
    )
    begins = f"{studio.values['likelihood']}, t = {t:.2f}. Sharpness: image"
    assert studio.view.text.startswith(begins)


# ---- the studio ----


def test_every_control_shows_what_it_says(studio, likelihoods, digits):
    assert list(studio.values.values()) == ["Bernoulli", 0, "posterior", 0, 1, 0]
    check_all(studio, likelihoods, digits.x_test)
    for control, value in (
        ("t", 0.0), ("t", 0.55), ("t", 1.5), ("image", 7), ("noise_seed", 1),
        ("likelihood", "Gaussian"), ("source", "prior"), ("z_seed", 1), ("t", 0.0),
        ("source", "posterior"),
    ):  # fmt: skip
        getattr(studio.controls, control).value = value
        check_all(studio, likelihoods, digits.x_test)


def test_a_button_renews_what_it_names_and_nothing_else(studio):
    def pngs_after(button) -> list[bytes]:
        button.click()
        return [part["png"] for part in studio.view.parts[:3]]

    chosen = studio.controls
    chosen.source.value, chosen.t.value = "prior", 0.55
    first = pngs_after(chosen.z_seed)
    noise = pngs_after(chosen.noise_seed)
    again = pngs_after(chosen.z_seed)
    other = pngs_after(chosen.image.button)  # z from the prior depends on no image
    changes = [
        [a != b for a, b in zip(*pair, strict=True)]
        for pair in ((first, noise), (noise, again), (again, other))
    ]
    assert changes == [[False, False, True], [False, True, True], [True, False, False]]


def test_a_move_of_the_noise_asks_no_model(studio, monkeypatch):
    monkeypatch.setattr(module, "decode_params", None)  # nothing is encoded or decoded
    studio.controls.t.value = 0.35
    studio.controls.noise_seed.click()
    assert "t = 0.35" in studio.view.text


def test_rows_are_the_images_the_means_and_the_samples(likelihoods, digits):
    x = digits.x_test[:6]
    rows = blur_rows(likelihoods, x)
    assert torch.equal(rows.pop("test image"), x)
    names = [f"{name}: {what}" for name in likelihoods for what in ("mean", "sample")]
    assert list(rows) == names
    for name, likelihood in likelihoods.items():
        with torch.no_grad(), local_seed(0):
            params = likelihood[0].decode(likelihood[0].encode(x)[0])
            images = [likelihood[1](params), likelihood[2](params, 1.0)]
        assert torch.equal(rows[f"{name}: mean"], images[0])
        assert torch.equal(rows[f"{name}: sample"], images[1])
    plt.close(show_rows(rows))


# ---- the chart ----


def chart_of(band, axis, **values: float) -> tuple[str, str]:
    state = {name: Measured(None, value, 0.0) for name, value in values.items()}
    return svg_sharpness(state, band, axis)


def test_chart_places_values_on_a_logarithmic_axis_with_its_ticks_and_band():
    values = {"image": 2.0, "mean": 0.5, "sample": 10.0}
    chart, said = chart_of((1.0, 5.0), (0.2, 20.0), **values)
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
    numbers = "Sharpness: image 2.00, mean 0.50, sample 10.00."
    assert said == f"{numbers} Of the test images, 80 % lie between 1.00 and 5.00."


def test_chart_keeps_its_texts_beside_their_glyphs_and_says_what_lies_beyond():
    chart, _ = chart_of((1.0, 1.0), (0.5, 20.0), image=0.0, mean=1.0, sample=900.0)
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
    x, model = digits.x_test, likelihoods["Bernoulli"][0]
    smooth = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)  # as a trained model's mean
    likelihoods["smooth"] = (
        model,
        lambda params: smooth.expand_as(params),
        lambda params, t: smooth + t * torch.randn_like(params),
    )
    band, (low, high) = probe(likelihoods, x)
    values = laplacian_sharpness(x)
    assert (values < band[0]).float().mean() == pytest.approx(0.1, abs=0.01)
    assert (values > band[1]).float().mean() == pytest.approx(0.1, abs=0.01)
    assert low < band[0] < band[1] < high
    for likelihood in likelihoods.values():
        for source in ("posterior", "prior"):
            params = decode_params(likelihood[0], x[:1], source=source)
            shown = [
                image for t in (0, T_MAX) for image in sample_likelihood(likelihood, params, t)
            ]
            assert all(low <= laplacian_sharpness(image).item() <= high for image in shown)


# ---- errors ----

FITS = (torch.sigmoid, bernoulli_sample)
PAIR = r"likelihoods\['a'\] must be \(model, mean, sample\), the last two functions"


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ((), PAIR),
        (FITS[:1], PAIR),
        ((torch.sigmoid, 0.1), PAIR),
        ((torch.sigmoid, lambda params, t: FITS[1](params, 1.0)), "got images that differ"),
        ((lambda params: params[..., :4], FITS[1]), r"mean\(params\) and an image of x must have"),
        ((FITS[0], lambda params, t: FITS[0](params) / (t != 1)), r"\(params, 1\) must be finite"),
        ((lambda params: [0], FITS[1]), r"mean\(params\) must be a tensor of floats, got list"),
        ((FITS[0], lambda params, t: None), r"\(params, t\) must be a tensor of floats, got None"),
    ],
)
@pytest.mark.parametrize("function", [blur_studio, blur_rows])
def test_what_is_no_likelihood_is_named(function, functions, message, make_vae, digits):
    with pytest.raises((TypeError, ValueError), match=message):
        function({"a": (make_vae(), *functions)}, digits.x_test)


def test_other_wrong_arguments_are_named(likelihoods, digits):
    plain = Autoencoder(mlp([64, 2]), mlp([2, 64], out_shape=(1, 8, 8)))
    with pytest.raises(TypeError, match="likelihoods must map one name or more to"):
        blur_studio({}, digits.x_test)
    with pytest.raises(TypeError, match=r"likelihoods\['a'\]: model must be a VAE, got Autoenc"):
        blur_studio({"a": (plain, *FITS)}, digits.x_test)
    with pytest.raises(ValueError, match=r"x must be a non-empty tensor with 4 axes"):
        blur_rows(likelihoods, digits.x_test[0])
