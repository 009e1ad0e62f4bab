"""Pictures: what is drawn is what was given, where it was asked for, and nothing else changes."""

import io
import math
import random
from itertools import combinations
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from helpers.pictures import pixels
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from tutorial_utils import plotting
from tutorial_utils.plotting import (
    COLORS,
    claim,
    plot_codes,
    print_table,
    show_animation,
    show_figure,
    show_image,
    show_images,
    show_rows,
    span,
    to_png,
)

ALT = "A gray picture of nothing, for a test."


@pytest.fixture(autouse=True)
def no_window_and_no_figure_left(monkeypatch):
    """Drawing never shows by itself; what a test leaves open is closed after it."""

    def refuse(*_, **__):
        raise AssertionError("a plotting function must not show its figure")

    monkeypatch.setattr(plt, "show", refuse)
    monkeypatch.setattr(matplotlib.figure.Figure, "show", refuse)
    yield
    plt.close("all")


@pytest.fixture
def displayed(monkeypatch) -> list[tuple[dict, dict]]:
    """(data, metadata) of everything that was displayed, instead of displaying it."""
    seen = []

    def remember(data, *, raw, metadata=None):
        assert raw is True
        seen.append((data, metadata))

    monkeypatch.setattr(plotting, "display", remember)
    return seen


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(7, 1, 5, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def codes() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(60, 2, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 10


def gray(ax) -> torch.Tensor:
    """What the one image of `ax` looks like on screen, 0 black and 1 white."""
    image = ax.images[0]
    rgb = torch.from_numpy(image.to_rgba(image.get_array())[..., :3])
    assert torch.equal(rgb[..., 0], rgb[..., 1]) and torch.equal(rgb[..., 1], rgb[..., 2])
    return rgb[..., 0]


# ---- axes in, axes out ----


DRAW = {
    "show_image": lambda images, codes, **more: show_image(images[0], **more),
    "show_images": lambda images, codes, **more: show_images(images, **more),
    "plot_codes": lambda images, codes, **more: plot_codes(*codes, **more),
}
with_rows = {**DRAW, "show_rows": lambda images, codes: show_rows({"a": images})}
every_drawing = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


@every_drawing
def test_draws_into_the_axes_it_is_given(draw, images, codes):
    fig, (ax, other) = plt.subplots(1, 2)
    assert draw(images, codes, ax=ax, title="A finding") is ax
    assert ax.get_title() == "A finding"
    assert ax.has_data() and not other.has_data() and plt.get_fignums() == [fig.number]


@every_drawing
def test_makes_axes_of_its_own_when_given_none(draw, images, codes):
    busy = plt.subplots()[1]
    ax = draw(images, codes)
    assert ax is not busy and ax.has_data() and not busy.has_data()


@pytest.mark.parametrize("draw", with_rows.values(), ids=with_rows)
def test_leaves_inputs_random_states_and_settings_alone(draw, images, codes):
    """Also of inputs that still have a gradient."""
    images.requires_grad_(), codes[0].requires_grad_()

    def state():
        numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
        random_states = torch.get_rng_state().tolist(), numpy_state, random.getstate()
        inputs = [tensor.tolist() for tensor in (images, *codes)]
        return random_states, inputs, dict(matplotlib.rcParams), torch.is_grad_enabled()

    before = state()
    draw(images, codes)
    assert state() == before


# ---- images ----


@pytest.mark.parametrize("shape", [(5, 4), (1, 5, 4), (1, 20)])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.5, 1.5), (0.1, 0.25)])
def test_zero_is_black_one_is_white_and_values_outside_are_clipped(shape, low, high):
    """A dark image is not stretched."""
    image = torch.linspace(low, high, 20).reshape(shape)
    shown = gray(show_image(image)).float()
    assert torch.allclose(shown, image.clamp(0, 1).reshape(shape[-2:]), atol=1 / 128)


@pytest.mark.parametrize(
    "image",
    [torch.linspace(-0.5, 1.5, 560).reshape(28, 20), torch.arange(256).reshape(16, 16) / 255],
)
def test_a_png_holds_the_image_rounded_to_8_bits_and_clipped(image):
    png = to_png(image)
    assert Image.open(io.BytesIO(png)).mode == "L"
    np.testing.assert_array_equal(pixels(png), (255 * image.clamp(0, 1)).round())


def test_imshow_settings_win():
    ax = show_image(torch.tensor([[-1.0, 1.0], [0.0, 0.5]]), vmin=-1, cmap="RdBu")
    assert ax.images[0].get_clim() == (-1, 1) and ax.images[0].get_cmap().name == "RdBu"


def test_images_have_no_ticks(images):
    ax = show_images(images)
    assert not len(ax.get_xticks()) and not len(ax.get_yticks())


@pytest.mark.parametrize(("n_columns", "n_rows"), [(3, 3), (7, 1), (10, 1), (1, 7)])
def test_the_grid_holds_every_image_in_reading_order(images, n_columns, n_rows):
    shown = gray(show_images(images, n_columns=n_columns))
    # One pixel between images, and around them.
    assert shown.shape == (1 + 6 * n_rows, 1 + 5 * min(n_columns, 7))
    for n, image in enumerate(images[:, 0]):
        top, left = 1 + 6 * (n // n_columns), 1 + 5 * (n % n_columns)
        assert torch.allclose(shown[top : top + 5, left : left + 4].float(), image, atol=1 / 128)


def test_the_lines_of_the_grid_are_neither_black_nor_white():
    shown = gray(show_images(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1).expand(-1, -1, 3, 3)))
    assert 0.1 < shown[0, 0] < 0.9 and torch.equal(shown[0], shown[:, 4].mean().expand(9))


# ---- rows ----


def test_rows_are_named_on_the_left_and_every_image_is_in_its_place(images):
    fig = show_rows({"x": images[:3], "recon": images[3:6]}, title="A finding")
    assert fig.get_suptitle() == "A finding"
    assert [ax.get_ylabel() for ax in fig.axes] == ["x", "recon"]
    height, width = images.shape[2:]
    for ax, row in zip(fig.axes, (images[:3, 0], images[3:6, 0]), strict=True):
        shown = gray(ax).float()
        gap = (shown.shape[1] - 3 * width) // 2
        assert shown.shape == (height, 3 * width + 2 * gap) and gap >= 1
        for i, image in enumerate(row):
            start = i * (width + gap)
            assert torch.allclose(shown[:, start : start + width], image, atol=1 / 128)
            between = shown[:, start + width : start + width + gap]
            assert (between == 1).all(), "white"


def test_size_is_inches_per_image(images):
    rows = {"x": images[:3], "recon": images[3:6]}
    small, large = (show_rows(rows, size=size).get_size_inches() for size in (0.5, 1.5))
    assert (large - small).tolist() == pytest.approx([3 * 1.0, 2 * 1.0], abs=0.1)


def test_each_text_is_above_the_middle_of_its_image_and_below_the_row_before(images):
    rows = {"x": images[:3], "recon": images[3:6]}
    fig = show_rows(rows, above={"recon": ["one", 2, "three"], "x": "abc"}, title="Texts")
    fig.canvas.draw()
    texts = [[text.get_text() for text in ax.texts] for ax in fig.axes]
    assert texts == [["a", "b", "c"], ["one", "2", "three"]]
    width = images.shape[3]
    bottom = fig.axes[0].get_window_extent().y0
    for ax in fig.axes:
        gap = (gray(ax).shape[1] - 3 * width) // 2
        for i, text in enumerate(ax.texts):
            box = text.get_window_extent()
            middle = ax.transData.transform((i * (width + gap) + (width - 1) / 2, 0))[0]
            assert (box.x0 + box.x1) / 2 == pytest.approx(middle, abs=1)
            assert box.y0 >= ax.get_window_extent().y1 and (ax is fig.axes[0] or box.y1 <= bottom)
            assert box.y1 <= fig._suptitle.get_window_extent().y0


def test_one_row_of_one_image_is_a_figure_too(images):
    (ax,) = show_rows({"x": images[:1]}).axes
    assert gray(ax).shape == images.shape[2:]


# ---- codes ----


def glyphs(ax) -> list[tuple]:
    paths = [collection.get_paths()[0] for collection in ax.collections]
    return [tuple(map(tuple, path.vertices.round(3))) for path in paths]


def colors(ax) -> list[str]:
    return [to_hex(collection.get_facecolor()[0]) for collection in ax.collections]


def test_each_class_has_its_own_glyph_and_color_which_it_keeps_when_others_are_missing(codes):
    z, y = codes
    every, some = plot_codes(z, y), plot_codes(z[(y == 3) | (y == 8)], y[(y == 3) | (y == 8)])
    assert len(every.collections) == len(set(glyphs(every))) == 10
    assert colors(every) == list(COLORS)
    assert glyphs(some) == [glyphs(every)[3], glyphs(every)[8]]
    assert colors(some) == [COLORS[3], COLORS[8]]


def test_more_than_ten_classes_still_differ_by_glyph():
    ax = plot_codes(torch.rand(24, 2), torch.arange(24) % 12)
    assert len(set(glyphs(ax))) == 12


def test_every_code_is_at_its_place_under_its_class(codes):
    z, y = codes
    for k, collection in enumerate(plot_codes(z, y).collections):
        assert np.allclose(collection.get_offsets(), z[y == k])


def test_only_the_first_n_codes_are_drawn(codes):
    ax = plot_codes(*codes, n=25)
    drawn = np.concatenate([collection.get_offsets() for collection in ax.collections])
    assert sorted(drawn.astype(np.float32).tolist()) == sorted(codes[0][:25].tolist())


def test_axes_of_codes_are_labelled(codes):
    ax = plot_codes(*codes, title="Codes of test images")
    assert ax.get_title() == "Codes of test images"
    assert "z_1" in ax.get_xlabel() and "z_2" in ax.get_ylabel()


# ---- display ----


def test_show_figure_displays_a_png_with_its_description_and_closes(displayed):
    fig, ax = plt.subplots(figsize=(2, 1))
    ax.plot([0, 1])
    kept = plt.figure()
    assert show_figure(fig, alt=ALT) is None
    (data, metadata), _ = displayed
    assert data.keys() == {"image/png", "text/plain"} and metadata == {"image/png": {"alt": ALT}}
    assert Image.open(io.BytesIO(data["image/png"])).format == "PNG" and data["text/plain"] == ALT
    assert plt.get_fignums() == [kept.number]


def test_show_animation_displays_an_animated_png_with_its_description(displayed):
    frames = torch.stack([torch.zeros(4, 4), torch.ones(4, 4)])
    assert show_animation(frames, alt=ALT, seconds=0.5, enlarge=2, labels=["", "1"]) is None
    (data, metadata), _ = displayed
    assert metadata == {"image/png": {"alt": ALT}} and data["text/plain"] == ALT
    image = Image.open(io.BytesIO(data["image/png"]))
    assert (image.format, image.n_frames, image.info["loop"]) == ("PNG", 2, 0)
    assert (image.size, image.info["duration"]) == ((8, 8 + 22), 500)


def test_the_description_follows_as_html_that_only_a_screen_reader_finds(displayed):
    show_figure(plt.figure(figsize=(1, 1)), alt='Loss < 0 & β > 1, in "nats"')
    (_, (data, _metadata)) = displayed
    element = ElementTree.fromstring(data["text/html"])
    assert element.text == 'Figure: Loss < 0 & β > 1, in "nats"'
    assert data.keys() == {"text/html", "text/plain"} and data["text/plain"] == ""
    style = dict(part.split(":") for part in element.get("style").split(";"))
    assert style["position"] == "absolute" and style["width"] == style["height"] == "1px"


def test_the_displayed_picture_is_smaller_and_looks_the_same(displayed):
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 4))
    show_image(torch.linspace(0, 1, 784).reshape(28, 28), ax=left)
    for k, color in enumerate(COLORS):  # glyphs of every class on a picture that is mostly gray
        right.text(k / 10, 0.5, str(k), color=color, fontsize=14, fontweight="bold")
    png = io.BytesIO()
    fig.savefig(png, format="png", bbox_inches="tight")
    show_figure(fig, alt=ALT)
    small = displayed[0][0]["image/png"]
    before, after = pixels(png.getvalue(), "RGB"), pixels(small, "RGB")
    assert len(small) < 0.7 * len(png.getvalue()) and before.shape == after.shape
    assert abs(after - before).mean() < 1 and abs(after - before).max() < 32
    for color in COLORS:  # where it stands alone
        spot = (before == np.round(255 * np.array(to_rgb(color)))).all(2)
        assert spot.sum() > 5 and abs(after[spot] - before[spot]).max() < 16


# ---- numbers ----


@pytest.mark.parametrize(
    ("values", "digits", "text"),
    [
        ([0.121, 0.149, 0.13], 2, "0.12 to 0.15"),
        ([0.121, 0.124], 2, "0.12"),
        ((3, 1, 2), 0, "1 to 3"),
        ([5.0], 1, "5.0"),
        ([-0.001, 0.001], 2, "0.00"),  # not "-0.00 to 0.00"
        (torch.tensor([1.0, 2.0]), 1, "1.0 to 2.0"),
        (np.array([1.0, 2.0]), 1, "1.0 to 2.0"),
        ([1, math.nan, 2], 2, "1.00 to 2.00, nan"),
        ([math.nan, 1], 2, "1.00, nan"),
        (torch.tensor([math.nan]), 2, "nan"),
    ],
)
def test_a_span_is_the_range_in_so_many_digits(values, digits, text):
    assert span(values, digits) == text


@pytest.mark.parametrize(
    ("rows", "options", "lines"),
    [
        (
            {(0.1, 0.5): [0.3, 0.25, 0.21], (1, 4): [2.5, 2.5, 2.5]},
            {"columns": ["from β", "to β", "nats per nat"]},
            [
                "from β  to β  nats per nat",
                "0.1     0.5   0.21 to 0.30",
                "1       4             2.50",
            ],
        ),
        (
            {"plain": {"loss": 1.04, "active": 2}, "β = 4": {"loss": [1, 3.0], "active": [9, 10]}},
            {"digits": 1},
            [
                "             loss   active",
                "plain         1.0        2",
                "β = 4  1.0 to 3.0  9 to 10",
            ],
        ),
        (
            [{"model": "VAE", "kl": torch.tensor(21.126)}, {"model": "plain", "kl": np.float32(3)}],
            {},
            ["model     kl", "VAE    21.13", "plain   3.00"],
        ),
        ({"a": 1.0}, {"columns": ["name", "x"]}, ["name     x", "a     1.00"]),
        (
            {"a": [np.int64(3), torch.tensor(4)], "b": torch.tensor(5), "c": np.bool_(True)},
            {},
            ["", "a  3 to 4", "b       5", "c    True"],
        ),
        ({"a": torch.tensor([1.0, math.nan])}, {}, ["", "a  1.00, nan"]),
    ],
    ids=["key tuples", "named rows", "list", "one value", "whole numbers", "nan"],
)
def test_a_table_is_aligned_and_ranges_over_seeds(rows, options, lines, capsys):
    print_table(rows, **options)
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("true", [True, torch.tensor(True), np.bool_(True), np.array(True)])
def test_a_claim_that_holds_is_printed(true, capsys):
    assert claim("more KL, worse copies", true, kl=3) is None
    assert capsys.readouterr().out == "✓ more KL, worse copies\n"


@pytest.mark.parametrize("false", [False, torch.tensor(False), np.bool_(False)])
def test_a_claim_that_fails_says_what_and_with_which_values(false, capsys):
    with pytest.raises(AssertionError, match=r"more KL, worse copies \(kl = \[3\], mse = 0.1\)$"):
        claim("more KL, worse copies", false, kl=[3], mse=0.1)
    with pytest.raises(AssertionError, match=r"more KL, worse copies$"):
        claim("more KL, worse copies", false)
    assert capsys.readouterr().out == ""


# ---- colors ----

# Machado, Oliveira and Fernandes (2009): linear RGB as seen without one of the three kinds of cone.
VISION = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear_rgb(color: str) -> np.ndarray:
    c = np.array(to_rgb(color))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB; a distance of 1 can just be seen, side by side."""
    t = TO_XYZ @ rgb.clip(0, 1) / TO_XYZ.sum(1)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def closest(colors, vision: str) -> tuple[float, str, str]:
    """The smallest distance between two of the colors, and these two."""
    seen = {color: lab(np.array(VISION[vision]) @ linear_rgb(color)) for color in colors}
    return min((float(np.linalg.norm(seen[a] - seen[b])), a, b) for a, b in combinations(colors, 2))


@pytest.mark.parametrize("vision", VISION)
def test_colors_can_be_told_apart_with_every_kind_of_color_vision(vision):
    distance, *pair = closest(COLORS, vision)
    assert distance > 15, pair


def test_the_measure_finds_palettes_that_are_not_safe():
    assert closest(["#ff0000", "#00c000", "#0000ff"], "normal")[0] > 60
    tableau = matplotlib.color_sequences["tab10"]
    assert closest([to_hex(color) for color in tableau], "deuteranopia")[0] < 10


def test_every_color_stands_out_from_white():
    """Contrast as WCAG defines it; the palest color, a sky blue, has 1.8."""
    contrast = {color: 1.05 / (0.05 + TO_XYZ[1] @ linear_rgb(color)) for color in COLORS}
    assert min(contrast.values()) > 1.7, contrast
