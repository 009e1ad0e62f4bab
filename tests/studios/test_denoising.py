"""The denoising studio without a browser: its pictures are the methods' images, its numbers those of psnr and ssim."""

import re

import pytest
import torch
from ipywidgets.widgets import widget

from tutorial_utils.plotting import show_rows, to_png
from tutorial_utils.studios.denoising import (
    KINDS,
    Seen,
    denoise_all,
    denoising_rows,
    denoising_state,
    denoising_studio,
    draw_scores,
    parts_of_state,
    say_best,
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
    images |= {name: denoise(noisy, kind, level) for name, denoise in METHODS.items()}
    return {name: image.clamp(0, 1) for name, image in images.items()}


def check_all(studio, x) -> None:
    """State, pictures, numbers, bars and words are those of the images in `expected`."""
    kind, level, clean = (
        studio.kind.value,
        round(studio.level.value, 6),
        x[studio.index.value][None],
    )
    images = expected(clean, kind, level, studio.seed)
    parts = studio.view.parts
    assert list(studio.state) == list(images) and len(parts) == 2 * len(images)
    judged = [name for name in images if name != "clean"]
    numbers = {
        name: (psnr(image, clean).item(), ssim(image, clean).item())
        for name, image in images.items()
    }
    highest = [max(numbers[name][k] for name in judged) for k in (0, 1)]
    for k, (name, image) in enumerate(images.items()):
        picture, scores = parts[2 * k], parts[2 * k + 1]
        assert torch.equal(studio.state[name].image, image[0])
        assert picture["png"] == to_png(image[0, 0]) and picture["title"] == name and picture["alt"]
        assert studio.state[name][1:3] == pytest.approx(numbers[name], abs=1e-5)
        if name == "clean":
            assert "PSNR" in scores["alt"] and "best" not in scores["html"]
            continue
        for value, most, label, form in zip(
            numbers[name], highest, ("PSNR", "SSIM"), (".1f", ".2f"), strict=True
        ):
            shown = (
                f"{label} ∞" if value == torch.inf else f"{label} {value:{form}}".replace("-", "−")
            )
            assert re.sub("<.*?>", "", scores["html"]).count(shown) == 1 and shown in scores["alt"]
            best = value == pytest.approx(most, abs=1e-6)
            assert bool(re.search(rf"{shown}( dB)?, the best", scores["alt"])) == best
            assert (label in studio.view.text.split("; noisy")[0]) or label == "SSIM"
            if best:
                assert re.search(rf"Best {label}: [^,]*\b{name}\b", studio.view.text)
        assert scores["html"].count("★ best") == scores["alt"].count("the best")
    assert f"{kind} noise, level {level:.2f}" in studio.view.text


# ---- the functions ----


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_those_of_noise_and_methods_clamped(kind, x):
    images = denoise_all(METHODS, x[:1], kind, KINDS[kind][0], 0.6, 3)
    for name, image in expected(x[:1], kind, 0.6, 3).items():
        assert torch.equal(images[name], image)
    assert images["beyond"].min() == 0 and images["beyond"].max() == 1


def test_methods_get_the_noisy_image_unclamped_its_kind_and_its_level(x):
    heard = []
    denoise_all(
        {"ear": lambda *given: heard.append(given) or given[0]},
        x[:1],
        "of its own",
        gaussian_noise,
        0.3,
        0,
    )
    (noisy, kind, level), (low, high) = heard[0], heard[0][0].aminmax()
    assert (
        (kind, level) == ("of its own", 0.3)
        and low < 0
        and high > 1
        and noisy.shape == (1, 1, 28, 28)
    )


def test_a_method_that_writes_into_its_image_harms_no_other(x):
    images = denoise_all(
        {"vandal": lambda noisy, *_: noisy.zero_()} | METHODS,
        x[:1],
        "Gaussian",
        gaussian_noise,
        0.3,
        0,
    )
    for name, image in expected(x[:1], "Gaussian", 0.3, 0).items():
        assert torch.equal(images[name], image)


def test_random_methods_are_repeatable_and_gradients_are_not_kept(x):
    weight = torch.ones((), requires_grad=True)
    methods = {"random": lambda noisy, *_: weight * noisy + torch.randn_like(noisy)}
    first, again, other = (
        denoise_all(methods, x[:1], "a", masking_noise, 0.5, seed)["random"] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other) and not first.requires_grad


def test_without_noise_doing_nothing_is_best(x):
    state = denoising_state(METHODS, x[:1], "masking", masking_noise, 0.0)
    assert torch.equal(state["noisy"].image, x[0])
    assert state["noisy"][1:] == (torch.inf, 1.0, True, True)
    assert (
        not state["blur"].best_psnr
        and not state["clean"].best_psnr
        and not state["clean"].best_ssim
    )
    assert "Best PSNR: noisy, ∞;" in say_best(state)


def test_each_of_equals_is_best_and_the_two_judges_may_differ(x):
    methods = {
        "a": lambda noisy, *_: x[:1] + 0.1,
        "b": lambda noisy, *_: x[:1] + 0.1,
        "c": lambda noisy, *_: x[:1] * 0.5,
    }
    state = denoising_state(methods, x[:1], "Gaussian", gaussian_noise, 0.5)
    best = {name: seen[3:] for name, seen in state.items()}
    assert best["a"] == best["b"] and best["noisy"] == (False, False)
    assert best["a"] == (True, False) and best["c"] == (False, True)  # dimmed: the same structure
    assert "Best PSNR: a and b, " in say_best(state) and "Best SSIM: c, " in say_best(state)


def test_rows_are_the_images_at_each_level_with_the_same_noise(x):
    levels = [0.0, 0.3, 0.8]
    rows = denoising_rows(METHODS, x[4:5], "Gaussian", gaussian_noise, levels, seed=5)
    assert list(rows) == ["clean", "noisy", *METHODS]
    for k, level in enumerate(levels):
        for name, image in expected(x[4:5], "Gaussian", level, 5).items():
            assert torch.equal(rows[name][k], image[0]) and len(rows[name]) == 3
    other = denoising_rows(METHODS, x[4:5], "Gaussian", gaussian_noise, levels)["noisy"]
    assert not torch.equal(other[1], rows["noisy"][1]) and torch.equal(other[0], rows["noisy"][0])
    import matplotlib.pyplot as plt

    plt.close(show_rows(rows))


# ---- the bars ----


def widths(svg: str, name: str) -> list[float]:
    return [
        float(width) for width in re.findall(rf'class="{name}[^"]*" x="0" width="([\d.]+)%"', svg)
    ]


@pytest.mark.parametrize(
    ("decibels", "similarity", "bars", "texts"),
    [
        (10.0, 0.5, [25, 50], ["PSNR 10.0 dB", "SSIM 0.50"]),
        (torch.inf, 1.0, [100, 100], ["PSNR ∞", "SSIM 1.00"]),
        (55.0, -0.2, [100, 0], ["PSNR 55.0 dB", "SSIM −0.20"]),
    ],
)
def test_bars_begin_at_0_and_end_at_40_decibels_and_at_1(decibels, similarity, bars, texts):
    svg, alt = draw_scores("a <b>", Seen(torch.zeros(1, 8, 8), decibels, similarity, False, True))
    assert widths(svg, "vae-bar") == bars and widths(svg, "vae-track") == [100, 100]
    assert [re.sub("<.*?>", "", text) for text in re.findall(r"<text.*?</text>", svg)] == [
        *texts,
        "★ best",
    ]
    assert alt == f"a <b>: {texts[0]}; {texts[1]}, the best" and 'aria-label="a &lt;b&gt;: ' in svg
    assert svg.count("vae-quiet") == 1 and svg.index("vae-quiet") < svg.index(
        "★ best"
    )  # PSNR is not the best


# ---- the studio ----


def test_every_control_shows_what_it_says(studio, x):
    check_all(studio, x)
    assert (studio.kind.value, studio.level.value, studio.index.value) == ("Gaussian", 0.5, 0)
    for level in (0.0, 0.06, 1.0):
        studio.level.value = level
        check_all(studio, x)
    studio.kind.value = "masking"
    assert studio.level.value == studio.level.max == 0.9
    check_all(studio, x)
    studio.index.value = 7
    check_all(studio, x)
    studio.new_noise.click()
    check_all(studio, x)
    studio.kind.value, studio.level.value = "salt and pepper", 0.3
    check_all(studio, x)
    studio.kind.value = "Gaussian"
    assert (studio.level.value, studio.level.max) == (0.3, 1.0)
    check_all(studio, x)


def test_the_same_noise_stays_while_the_level_is_dragged_and_new_noise_is_new(studio, x):
    eps = []
    for level in (0.02, 0.04):  # so little that hardly a pixel is clamped
        studio.level.value = level
        noise = studio.state["noisy"].image - x[0]
        eps.append(noise[(x[0] > 0.2) & (x[0] < 0.8)] / level)
    torch.testing.assert_close(*eps, atol=1e-4, rtol=0)
    studio.kind.value = "masking"
    masks = []
    for level in (0.2, 0.5, 0.88):
        studio.level.value = level
        masks.append(studio.state["noisy"].image > 0)
    assert (
        (masks[0] >= masks[1]).all()
        and (masks[1] >= masks[2]).all()
        and masks[2].sum() < masks[0].sum()
    )
    before = studio.state["noisy"].image
    studio.new_noise.click()
    assert not torch.equal(studio.state["noisy"].image, before)


def test_next_image_begins_again_after_the_last(x):
    studio = denoising_studio(METHODS, x[:3])
    seen = []
    for _ in range(4):
        studio.next.click()
        seen.append(studio.index.value)
        check_all(studio, x)
    assert seen == [1, 2, 0, 1]


def test_kinds_of_ones_own(x):
    kinds = {"gray": (lambda x, level: x + level, 0.5)}
    studio = denoising_studio(METHODS, x, kinds=kinds)
    assert studio.level.max == 0.5 and list(studio.kind.options) == ["gray"]
    studio.level.value = 0.1
    torch.testing.assert_close(studio.state["noisy"].image, (x[0] + 0.1).clamp(0, 1))
    assert "gray noise, level 0.10" in studio.view.text


def test_a_move_sends_one_message(studio, monkeypatch):
    messages = []
    monkeypatch.setattr(
        widget.Widget, "_send", lambda self, msg, buffers=None: messages.append((self, msg))
    )
    studio.level.value = 0.3
    studio.new_noise.click()
    assert [set(msg["state"]) for owner, msg in messages if owner is studio.view] == [
        {"parts", "text"}
    ] * 2


def test_global_random_numbers_stay_as_they_were(x):
    before = torch.get_rng_state()
    methods = METHODS | {"random": lambda noisy, *_: torch.rand_like(noisy)}
    denoising_rows(methods, x[:1], "masking", masking_noise, [0.1, 0.5])
    studio = denoising_studio(methods, x)
    studio.level.value, studio.kind.value = 0.4, "masking"
    studio.new_noise.click()
    studio.next.click()
    assert torch.equal(torch.get_rng_state(), before)


def test_every_control_is_described(studio):
    controls = [studio.kind, studio.level, studio.index, studio.next, studio.new_noise]
    assert all(
        control.description and (control.tooltips if control is studio.kind else control.tooltip)
        for control in controls
    )
    assert all(part["alt"] for part in studio.view.parts)
    alts = [part.alt for part in parts_of_state(studio.state, 4)[::2]]
    assert alts[:3] == [
        "test image 4, clean",
        "test image 4, noisy",
        "what blur makes of the noisy image",
    ]


# ---- errors ----


def test_wrong_arguments_are_named(x):
    for wrong in ({}, [gaussian_filter], None, {"a": 3}):
        with pytest.raises(
            TypeError,
            match=r"methods must map one name or more to a function of \(noisy, kind, level\)",
        ):
            denoising_studio(wrong, x)
    with pytest.raises(
        ValueError, match="methods must have other names than 'clean' and 'noisy', got 'noisy'"
    ):
        denoising_studio({"noisy": METHODS["blur"]}, x)
    with pytest.raises(
        ValueError, match=r"methods\['a'\]\(noisy, 'Gaussian', 0\) and the image must have the same"
    ):
        denoising_studio({"a": lambda noisy, *_: noisy[0]}, x)
    with pytest.raises(
        TypeError,
        match=r"methods\['a'\]\(noisy, 'masking', 0.9\) must be a tensor of floats, got NoneT",
    ):
        denoising_studio(
            {"a": lambda noisy, kind, level: None if (kind, level) == ("masking", 0.9) else noisy},
            x,
        )
    with pytest.raises(ValueError, match=r"methods\['a'\]\(noisy, 'Gaussian', 0\) must be finite"):
        denoising_rows({"a": lambda noisy, *_: noisy / 0}, x[:1], "Gaussian", gaussian_noise, [0])
    for wrong in ({}, None, [gaussian_noise]):
        with pytest.raises(TypeError, match="kinds must map one name or more to"):
            denoising_studio(METHODS, x, kinds=wrong)
    for wrong in (gaussian_noise, (gaussian_noise,), (0.5, gaussian_noise)):
        with pytest.raises(TypeError, match=r"kinds\['a'\] must be \(noise, highest level\)"):
            denoising_studio(METHODS, x, kinds={"a": wrong})
    with pytest.raises(
        ValueError, match=r"kinds\['a'\]\[1\] must be a finite number above 0, got 0"
    ):
        denoising_studio(METHODS, x, kinds={"a": (gaussian_noise, 0)})
    with pytest.raises(ValueError, match=r"noise\(x, 0\) and the image must have the same shape"):
        denoising_studio(METHODS, x, kinds={"a": (lambda x, level: x[0], 1.0)})
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        denoising_studio(METHODS, x * 255)
    with pytest.raises(ValueError, match="x must be at least 11 pixels high and wide"):
        denoising_studio(METHODS, x[..., :8, :8])
    with pytest.raises(
        ValueError, match=r"x must hold one image \[1, 1, H, W\], got shape \[2, 1, 28, 28\]"
    ):
        denoising_rows(METHODS, x[:2], "Gaussian", gaussian_noise, [0.1])
    with pytest.raises(ValueError, match="levels must hold at least one level"):
        denoising_rows(METHODS, x[:1], "Gaussian", gaussian_noise, [])
