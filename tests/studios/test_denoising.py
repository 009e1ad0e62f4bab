"""Denoising studio: its pictures are the methods' images, its numbers those of psnr and ssim."""

import re

import matplotlib.pyplot as plt
import pytest
import torch
from helpers.svg import elements, number
from helpers.svg import texts as svg_texts

from tutorial_utils.plotting import show_rows, to_png
from tutorial_utils.studios.denoising import (
    KINDS,
    Score,
    denoise_all,
    denoising_rows,
    denoising_studio,
    describe_best,
    score_images,
    svg_scores,
)
from tutorial_utils.topics.noise import (
    gaussian_filter,
    gaussian_noise,
    masking_noise,
    median_filter,
    psnr,
    ssim,
)
from tutorial_utils.training import local_seed

METHODS = {
    "blur": lambda noisy, kind, level: gaussian_filter(noisy, 0.4 + level),
    "median": lambda noisy, kind, level: median_filter(noisy, 1 if kind == "Gaussian" else 3),
    "beyond": lambda noisy, kind, level: 3 * noisy - 1,  # leaves [0, 1]
    "vandal": lambda noisy, kind, level: noisy.zero_(),  # writes into what it is given
}


@pytest.fixture(scope="module")
def x(mnist):
    return mnist.x_test[:20]


@pytest.fixture
def studio(x):
    return denoising_studio(METHODS, x)


def expected(x, kind: str, level: float, seed: int) -> dict[str, torch.Tensor]:
    """What is shown of x [1, 1, H, W], in so many words."""
    with local_seed(seed):
        noisy = KINDS[kind][0](x, level)
    images = {"clean": x, "noisy": noisy}
    images |= {name: denoise(noisy.clone(), kind, level) for name, denoise in METHODS.items()}
    return {name: image.clamp(0, 1) for name, image in images.items()}


def check_all(studio, x) -> None:
    """Pictures, scores, bars and words are those of the images in `expected`."""
    kind, index, level, seed = studio.values.values()
    level, clean = round(level, 6), x[index][None]
    images = expected(clean, kind, level, seed)
    scores = {
        name: (psnr(image, clean).item(), ssim(image, clean).item())
        for name, image in images.items()
    }
    highest = [max(scores[name][k] for name in images if name != "clean") for k in (0, 1)]
    pictures, charts = studio.view.parts[::2], studio.view.parts[1::2]
    alts = [f"test image {index}, {name}" for name in ("clean", "noisy")]
    alts += [f"what {name} makes of the noisy image" for name in METHODS]
    assert [picture["alt"] for picture in pictures] == alts
    for picture, chart, (name, image) in zip(pictures, charts, images.items(), strict=True):
        assert picture["png"] == to_png(image[0, 0]) and picture["title"] == name
        if name == "clean":
            assert "PSNR" in chart["alt"] and "best" not in chart["html"]
            continue
        for label, value, most in zip(("PSNR", "SSIM"), scores[name], highest, strict=True):
            check_score(label, value, value == pytest.approx(most, abs=1e-6), chart)
            if value == pytest.approx(most, abs=1e-6):
                assert re.search(rf"Best {label}: [^,]*\b{name}\b", studio.view.text)
        assert chart["html"].count("★ best") == chart["alt"].count("the best")
    assert f"Test image {index}, {kind} noise, level {level:.2f}" in studio.view.text


def check_score(label: str, value: float, best: bool, chart: dict) -> None:
    """A score stands once in the chart, and in its words, which also say whether it is the best."""
    text = {"PSNR": f"{value:.1f}", "SSIM": f"{value:.2f}"}[label].replace("-", "−")
    shown = f"{label} {'∞' if value == torch.inf else text}"
    assert re.sub("<.*?>", "", chart["html"]).count(shown) == 1 and shown in chart["alt"]
    assert bool(re.search(rf"{shown}( dB)?, the best", chart["alt"])) == best


# ---- the studio ----


def test_every_control_shows_what_it_says(studio, x):
    check_all(studio, x)
    assert list(studio.values.values()) == ["Gaussian", 0, 0.5, 0]
    for control, value in (
        ("level", 0.0), ("level", 0.06), ("level", 1.0), ("image", 7), ("seed", 1),
        ("kind", "salt and pepper"), ("level", 0.3), ("kind", "Gaussian"),
    ):  # fmt: skip
        getattr(studio.controls, control).value = value
        check_all(studio, x)


def test_another_kind_keeps_the_level_as_far_as_the_slider_reaches(studio, x):
    chosen = studio.controls
    chosen.level.value, chosen.kind.value = 1.0, "masking"
    assert chosen.level.value == chosen.level.max == 0.9
    check_all(studio, x)
    chosen.kind.value = "Gaussian"
    assert (chosen.level.value, chosen.level.max) == (0.9, 1.0)


def test_kinds_of_ones_own(x):
    kinds = {"gray": (lambda x, level: x + level, 0.5)}
    studio = denoising_studio(METHODS, x, kinds=kinds)
    assert studio.controls.level.max == 0.5 and list(studio.controls.kind.options) == ["gray"]
    studio.controls.level.value = 0.1
    assert studio.view.parts[2]["png"] == to_png((x[0, 0] + 0.1).clamp(0, 1))
    assert "gray noise, level 0.10" in studio.view.text


def test_rows_are_the_images_at_each_level_with_the_same_noise(x):
    levels = [0.0, 0.3, 0.8]
    rows = denoising_rows(METHODS, x[4:5], "Gaussian", gaussian_noise, levels, seed=5)
    assert list(rows) == ["clean", "noisy", *METHODS]
    for k, level in enumerate(levels):
        for name, image in expected(x[4:5], "Gaussian", level, 5).items():
            assert torch.equal(rows[name][k], image[0]) and len(rows[name]) == 3
    plt.close(show_rows(rows))


# ---- the scores ----


def test_random_methods_are_repeatable_and_gradients_are_not_kept(x):
    weight = torch.ones((), requires_grad=True)
    methods = {"random": lambda noisy, *_: weight * noisy + torch.randn_like(noisy)}
    first, again, other = (
        denoise_all(methods, x[:1], "a", masking_noise, 0.5, seed)["random"] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other) and not first.requires_grad


def test_without_noise_doing_nothing_is_best(x):
    scores = score_images(denoise_all(METHODS, x[:1], "masking", masking_noise, 0.0, 0))
    assert scores["noisy"] == [("PSNR", "∞", "", torch.inf, True), ("SSIM", "1.00", "", 1.0, True)]
    assert not scores["blur"][0].best
    assert "Best PSNR: noisy, ∞;" in describe_best(scores)


def test_each_of_equals_is_best_and_the_two_judges_may_differ(x):
    images = {"clean": x[:1], "noisy": 1 - x[:1], "a": (x[:1] + 0.1).clamp(0, 1)}
    scores = score_images(images | {"b": images["a"], "c": x[:1] * 0.5})  # c: the same structure
    said = describe_best(scores)
    assert "Best PSNR: a and b, " in said and "Best SSIM: c, " in said
    decibels, similarity = scores["noisy"]
    assert decibels.share == pytest.approx(psnr(1 - x[:1], x[:1]).item() / 40)  # ends at 40 dB
    assert similarity.number.startswith("−0.")  # a true minus sign


def test_bars_begin_at_0_and_end_where_the_longest_does():
    for share, width in ((-0.2, 0), (0.0, 0), (0.25, 25), (1.0, 100), (torch.inf, 100)):
        scores = [Score("PSNR", "10.0", " dB", share, False), Score("SSIM", "0.50", "", 0.5, True)]
        chart, alt = svg_scores("a <b>", scores)
        names = ("vae-bar", "vae-track", "vae-quiet")  # a score, where it could end, not the best
        bars = [[number(bar, "width") for bar in elements(chart, "rect", name)] for name in names]
        assert bars == [[width, 50], [100, 100], [width]]
        assert svg_texts(chart) == ["PSNR 10.0 dB", "SSIM 0.50", "★ best"]  # in the second row
        assert alt == "a <b>: PSNR 10.0 dB; SSIM 0.50, the best"


# ---- errors ----


def no_image(noisy, kind, level):
    """None at the highest level of masking noise, the noisy image elsewhere."""
    return None if (kind, level) == ("masking", 0.9) else noisy


CALL = r"methods\['a'\]\(noisy, 'Gaussian', 0\)"
PAIR = r"kinds\['a'\] must be \(noise, highest level\)"


@pytest.mark.parametrize(
    ("argument", "value", "error", "message"),
    [
        ("methods", {}, TypeError, r"map one name or more to a function of \(noisy, kind, level"),
        ("methods", {"a": 3}, TypeError, "methods must map one name or more to a function"),
        ("methods", {"noisy": no_image}, ValueError, "than 'clean' and 'noisy', got 'noisy'"),
        ("methods", {"a": lambda noisy, *_: noisy[0]}, ValueError, CALL + " and"),
        ("methods", {"a": lambda noisy, *_: noisy / 0}, ValueError, CALL + " must be finite"),
        ("methods", {"a": no_image}, TypeError, "'masking', 0.9.* must be a tensor of floats"),
        ("kinds", {}, TypeError, "kinds must map one name or more to"),
        ("kinds", {"a": gaussian_noise}, TypeError, PAIR),
        ("kinds", {"a": (gaussian_noise,)}, TypeError, PAIR),
        ("kinds", {"a": (0.5, gaussian_noise)}, TypeError, PAIR),
        ("kinds", {"a": (gaussian_noise, 0)}, ValueError, r"\['a'\]\[1\] must be a finite number"),
        ("kinds", {"a": (lambda x, level: x[0], 1.0)}, ValueError, r"noise\(x, 0\) and the image"),
        ("x", torch.rand(2, 1, 8, 8), ValueError, "x must be at least 11 pixels high and wide"),
    ],
)
def test_what_does_not_fit_is_named(argument, value, error, message, x):
    arguments = {"methods": METHODS, "x": x} | {argument: value}
    with pytest.raises(error, match=message):
        denoising_studio(**arguments)


def test_rows_name_what_does_not_fit(x):
    def rows(x=x[:1], levels=(0.1,), methods=METHODS):
        return denoising_rows(methods, x, "Gaussian", gaussian_noise, levels)

    with pytest.raises(ValueError, match=r"x must hold one image \[1, 1, H, W\], got shape \[2, "):
        rows(x=x[:2])
    with pytest.raises(ValueError, match="levels must hold at least one level"):
        rows(levels=[])
    with pytest.raises(TypeError, match="methods must map one name or more"):
        rows(methods={})
