"""Interpolation studio: pictures are the model's, verdicts the judge's, densities torch's."""

import io
import re

import numpy as np
import pytest
import torch
from helpers.models import make_autoencoder, make_judge
from helpers.pictures import pixels
from helpers.svg import elements, number, texts
from helpers.widgets import numbers, widgets_in
from PIL import Image
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from tutorial_utils.latent import great_circle, morph, morph_strip, side_by_side, straight_line
from tutorial_utils.models import Autoencoder, decode_images, encode_image, mlp
from tutorial_utils.plotting import to_png
from tutorial_utils.studios.base import Picture
from tutorial_utils.studios.interpolation import (
    PATHS,
    Side,
    interpolation_studio,
    mark_frame,
    names_of,
)
from tutorial_utils.studios.interpolation_charts import (
    across,
    describe_densities,
    describe_judged,
    stretches_of,
    svg_chart,
)
from tutorial_utils.studios.svg import number as text_of_number
from tutorial_utils.studios.svg import percent

T = (0, 0.13, 0.5, 0.99, 1)


@pytest.fixture
def vae(make_vae):
    return make_vae().eval()


@pytest.fixture
def judge():
    return make_judge([64, 12, 10], seed=3, scale=3)


@pytest.fixture
def simple(vae, digits):
    return interpolation_studio(vae, digits.x_test, digits.y_test)


@pytest.fixture
def full(vae, judge, digits):
    return interpolation_studio(
        vae, digits.x_test, digits.y_test, other=make_autoencoder(), judge=judge
    )


def expected(model, studio, t: float) -> torch.Tensor:
    """The image at t on the studio's path, from its two images, in so many words."""
    a, b = studio.start.image, studio.end.image
    if studio.path.value == "pixels":
        return (1 - t) * a[0] + t * b[0]
    with torch.no_grad():
        codes = model.encode(torch.stack([a, b]))
        z_a, z_b = codes[0] if isinstance(codes, tuple) else codes
        walk = {"line": straight_line, "circle": great_circle}[studio.path.value]
        return model.decode(walk(z_a, z_b, torch.tensor([float(t)]))).sigmoid()[0, 0]


def close(png: bytes, image: torch.Tensor) -> bool:
    """Whether they are equal up to a gray value of 255."""
    return abs(pixels(png) - 255 * image.numpy()).max() <= 1.01


# ---- the walk ----


@pytest.mark.parametrize("path", PATHS)
def test_walk_starts_and_ends_at_the_two_codes_or_images(path, vae, digits):
    a, b = digits.x_test[:2]
    side = Side(vae, "VAE", None)
    side.show_path(a, b, path)
    points, images = side.walk(torch.tensor([0.0, 1.0]))
    pixels = path == "pixels"
    ends = [image.flatten() if pixels else encode_image(vae, image) for image in (a, b)]
    torch.testing.assert_close(points, torch.stack(ends))
    wanted = torch.cat([a, b]) if pixels else decode_images(vae, points)
    torch.testing.assert_close(images, wanted)


def test_there_is_no_circle_from_a_code_of_zeros(vae, digits):
    blank = Autoencoder(mlp([64, 2]), vae.decoder)
    torch.nn.init.zeros_(blank.encoder[1].weight)
    torch.nn.init.zeros_(blank.encoder[1].bias)
    with pytest.raises(ValueError, match="must not be zero"):
        Side(blank, "blank", None).show_path(*digits.x_test[:2], "circle")
    studio = interpolation_studio(blank, digits.x_test, digits.y_test)
    studio.path.value = "circle"
    assert studio.path.value == "line"
    assert "No circle here, so this is the line" in studio.message.value
    studio.path.value = "pixels"
    assert studio.message.value == ""


# ---- the charts ----


def test_marked_frame_changes_only_the_border_of_one_frame():
    strip = torch.full((8, 32), 0.25)
    marked = mark_frame(strip, 2, n=4)
    assert (strip == 0.25).all()
    changed = marked != strip
    assert changed.sum() == 28 and changed[:, 16:24].sum() == 28 and not changed[1:-1, 17:23].any()


def test_runs_of_digits_fill_the_path_without_gaps():
    found = stretches_of([7, 7, 7, 4, 4, 9, 7])
    assert [digit for digit, _, _ in found] == [7, 4, 9, 7]
    edges = [edge for _, *pair in found for edge in pair]
    assert edges[1:-1:2] == edges[2::2] and edges == sorted(edges)
    assert (edges[0], edges[-1]) == (0, 1)
    assert found[1][1:] == pytest.approx((2.5 / 6, 4.5 / 6))
    assert stretches_of([3, 3]) == [(3, 0.0, 1.0)]


def test_chart_places_t_where_the_strip_has_its_frames():
    for k in (0, 4, 8):
        assert across(k / 8) == pytest.approx(100 * (k + 0.5) / 9)


def curve(svg: str, name: str) -> np.ndarray:
    """The points of the last curve of this class: across, and up from the bottom, in percent."""
    path = elements(svg, "path", name)[-1].get("d").removeprefix("M ")
    points = np.array([[float(part) for part in point.split()] for point in path.split(" L ")])
    return np.stack([points[:, 0] / 10, 100 - points[:, 1]])


def verdicts(svg: str) -> tuple[list[str], list[str]]:
    """The digits and the shares that stand under the frames of the strip."""
    upper, lower = ([t for t in elements(svg, "text") if number(t, "y") == y] for y in (15, 30))
    return [t.text for t in upper], [t.text for t in lower]


def in_percent(values: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> np.ndarray:
    """Where values stand between the lowest and the highest."""
    return (100 * (values - low) / (high - low)).numpy()


def test_chart_draws_the_values_that_it_is_given():
    digits, confidence = torch.tensor([2] * 50 + [6] * 31), torch.rand(81)
    log_q, log_p = -9 * torch.rand(81), -9 * torch.rand(81) - 3
    judged, dense = svg_chart((digits, confidence), None)[0], svg_chart(None, (log_q, log_p))[0]
    across, up = curve(judged, "vae-solid")
    np.testing.assert_allclose(across, np.linspace(0, 100, 81), atol=0.0051)
    np.testing.assert_allclose(up, 100 * confidence.numpy(), atol=0.051)
    low, high = min(log_q.min(), log_p.min()), max(log_q.max(), log_p.max())
    for name, values in (("vae-solid", log_q), ("vae-dashed", log_p)):
        np.testing.assert_allclose(curve(dense, name)[1], in_percent(values, low, high), atol=0.051)
    title, *names = texts(dense)
    reach = " to ".join(text_of_number(float(value)) for value in (low, high))
    assert f"{reach} nats" in title and {"aggregate posterior", "prior"} < set(names)


def test_chart_gives_the_verdict_on_every_tenth_step_of_81():
    digits, confidence = torch.arange(81) // 9, torch.linspace(0, 1, 81)
    upper, lower = verdicts(svg_chart((digits, confidence), None)[0])
    assert upper == [str(10 * k // 9) for k in range(9)]
    assert lower == [percent(k / 8) for k in range(9)]


def test_chart_names_the_upper_curve_above_it_and_the_lower_one_below():
    low, high = torch.full((81,), -5.0), torch.full((81,), -1.0)
    high[40] = 0.0
    for densities, upper in (((high, low), "aggregate posterior"), ((low, high), "prior")):
        names = elements(svg_chart(None, densities)[0], "text", "vae-curve-name")
        first, last = sorted(names, key=lambda name: number(name, "y"))
        assert first.text == upper and number(first, "y") < number(last, "y") - 50


def test_chart_of_a_constant_density_and_of_nothing():
    same = torch.full((81,), -2.0)
    assert np.isfinite(curve(svg_chart(None, (same, same))[0], "vae-solid")).all()
    assert svg_chart(None, None)[0] == ""
    assert "for a reason" in svg_chart(None, "no density, for a reason")[0]


def test_chart_says_in_words_what_it_draws():
    confidence = torch.full((81,), 0.9)
    confidence[20] = 0.31
    text = describe_judged([1] * 40 + [5] * 41, confidence)
    assert "names 1 from 0.00 to 0.49, 5 from 0.49 to 1.00" in text
    assert "lowest, 31 %, at t = 0.25" in text
    log_q = torch.linspace(-1, -2, 81)
    log_q[30] = -7.5
    words = "aggregate posterior −1.0 at t = 0, at the lowest −7.5, −2.0 at t = 1"
    assert words in describe_densities(log_q, log_q)


# ---- the studio with one model ----


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["vae", "autoencoder", "long code"])
def test_picture_is_what_the_model_gives_at_t_on_the_path(kind, path, vae, digits):
    model = {"vae": vae, "autoencoder": make_autoencoder(), "long code": make_autoencoder(5)}[kind]
    studio = interpolation_studio(model, digits.x_test, digits.y_test)
    studio.path.value = path
    side, seen = studio.sides[0], set()
    for t in T:
        studio.slider.value = t
        assert close(side.picture.value, expected(model, studio, t))
        seen.add(side.picture.value)
    assert len(seen) > 2


@pytest.mark.parametrize("path", ["line", "circle"])
def test_slider_shows_what_morph_and_morph_strip_give(path, simple, vae):
    simple.path.value = path
    side, walk = simple.sides[0], PATHS[path]
    z_a, z_b = (encode_image(vae, end.image) for end in (simple.start, simple.end))
    for t in T:
        simple.slider.value = t
        assert side.picture.value == to_png(morph(vae, z_a, z_b, t, path=walk))
        strip = morph_strip(vae, z_a, z_b, path=walk)
        assert side.strip.value == to_png(mark_frame(strip, round(8 * t)))
        z_1, z_2 = walk(z_a, z_b, torch.tensor([float(t)]))[0].tolist()
        label = f"mean of p(x|z) at t = {t:.2f}, z = ({z_1:.2f}, {z_2:.2f})".replace("-", "−")
        assert side.label.value == label == side.picture.alt


def test_cross_fade_says_that_no_model_painted_it(simple, digits):
    simple.path.value = "pixels"
    simple.slider.value = 0.25
    side, (a, b) = simple.sides[0], (simple.start.index, simple.end.index)
    assert side.label.value == side.picture.alt == "cross-fade of pixels at t = 0.25"
    assert "decoded" not in side.strip.alt
    middle = 0.75 * digits.x_test[a, 0] + 0.25 * digits.x_test[b, 0]
    assert side.picture.value == to_png(middle)


@pytest.mark.parametrize("path", PATHS)
def test_swapped_ends_mirror_the_strip(path, simple):
    def strip() -> np.ndarray:
        """Without the edges of its frames: the border of the marked one lies there."""
        return pixels(simple.sides[0].strip.value).reshape(8, 9, 8)[1:-1, :, 1:-1]

    simple.path.value = path
    simple.start.choose(11)
    simple.end.choose(29)
    there = strip()
    simple.start.choose(29)
    simple.end.choose(11)
    assert abs(strip() - there[:, ::-1]).max() <= 1
    assert (there[:, 0] != there[:, -1]).any()


def test_play_moves_the_slider_and_goes_on_where_the_slider_stands(simple):
    simple.play.value = 75
    assert simple.slider.value == 0.75
    simple.slider.value = 0.29
    assert simple.play.value == 29 and simple.slider.value == 0.29


def test_both_ends_follow_class_index_button_and_drawing(simple, vae):
    drawing = torch.rand(1, 8, 8)
    for end, t in ((simple.start, 0.0), (simple.end, 1.0)):
        simple.slider.value = t
        for act in (
            lambda end=end: setattr(end.label, "value", 3),
            lambda end=end: setattr(end.field, "value", 77),
            end.button.click,
            lambda end=end: end.put(drawing, "my own"),
        ):
            act()
            code = encode_image(vae, end.image)
            assert simple.sides[0].picture.value == to_png(decode_images(vae, code[None])[0])
        assert torch.equal(end.image, drawing)


def test_two_identical_digits_stay_the_same_all_the_way(vae, digits):
    studio = interpolation_studio(vae, digits.x_test[:1], digits.y_test[:1])
    assert studio.start.index == studio.end.index == 0
    for path in PATHS:
        studio.path.value = path
        studio.start.button.click()  # there is no other one
        frames = []
        for t in (0.0, 0.7, 1.0):
            studio.slider.value = t
            frames.append(pixels(studio.sides[0].picture.value))
        assert max(abs(frame - frames[0]).max() for frame in frames) <= 1


def test_one_model_alone_has_no_map_no_chart_and_no_heading(simple):
    found = widgets_in(simple)
    assert simple.sides[0].map is simple.sides[0].box is None
    assert sum(isinstance(part, Picture) for part in found) == 4


# ---- two models and a judge ----


@pytest.mark.parametrize("path", PATHS)
def test_both_models_walk_between_the_same_ends_at_the_same_t(path, full):
    full.path.value = path
    full.start.choose(40)
    full.end.choose(7)
    for t in T:
        full.slider.value = t
        for side in full.shown:
            assert close(side.picture.value, expected(side.model, full, t))
            frames = [expected(side.model, full, k / 8) for k in range(9)]
            strip = side_by_side(torch.stack(frames))
            assert close(side.strip.value, mark_frame(strip, round(8 * t)))


def test_cross_fade_is_shown_once_and_without_codes(full):
    vae_side, other = full.sides
    titles = {}
    for path in ("pixels", "line"):
        full.path.value = path
        titles[path] = [re.sub("<.*?>", "", side.heading.value) for side in full.shown]
        line = path == "line"
        for part in (other.box, vae_side.map):
            assert part.layout.display == (None if line else "none")
        assert bool(vae_side.map.path) == line
        assert ("density" in vae_side.label.value + vae_side.chart.value) == line
    assert titles == {"pixels": ["cross-fade of pixels"], "line": ["VAE", "autoencoder"]}


def test_second_side_is_up_to_date_when_it_comes_back(full):
    full.path.value = "pixels"
    full.start.choose(100)
    full.slider.value = 0.2
    full.path.value = "circle"
    for side in full.sides:
        assert close(side.picture.value, expected(side.model, full, 0.2))
        assert "t = 0.20" in side.label.value


def test_verdicts_are_those_of_the_judge_on_what_is_shown(full, judge):
    seen = set()
    for path in PATHS:
        full.path.value = path
        for t in T:
            full.slider.value = t
            for side in full.shown:
                with torch.no_grad():
                    sure, digit = judge(expected(side.model, full, t)[None, None]).softmax(1).max(1)
                assert f"judge: {digit.item()}, {100 * sure.item():.0f} %" in side.label.value
                assert f"judge: {digit.item()}" in side.picture.alt
                seen.add(digit.item())
    assert len(seen) > 1


def test_under_each_frame_stands_the_judges_verdict_on_it(full, judge):
    for side in full.sides:
        with torch.no_grad():
            images = torch.stack([expected(side.model, full, k / 8) for k in range(9)])
            sure, digit = judge(images[:, None]).softmax(1).max(1)
        upper, lower = verdicts(side.chart.value)
        assert upper == [str(part) for part in digit.tolist()]
        assert lower == [f"{100 * part:.0f} %" for part in sure.tolist()]
        places = [number(text, "x") for text in elements(side.chart.value, "text")[:18:2]]
        assert places == pytest.approx([100 * (k + 0.5) / 9 for k in range(9)], abs=0.01)


def test_densities_shown_are_those_of_the_mixture_over_the_images(full, vae, digits):
    side = full.sides[0]
    with torch.no_grad():
        mu, logvar = vae.encode(digits.x_test)
    mixture = MixtureSameFamily(
        Categorical(torch.ones(len(mu))), Independent(Normal(mu, (0.5 * logvar).exp()), 1)
    )  # fmt: skip
    for path in ("line", "circle"):
        full.path.value = path
        z_a, z_b = (encode_image(vae, end.image) for end in (full.start, full.end))
        for t in T:
            full.slider.value = t
            z = PATHS[path](z_a, z_b, torch.tensor([float(t)]))
            wanted = [mixture.log_prob(z).item(), Normal(0.0, 1.0).log_prob(z).sum().item()]
            said = numbers(side.label.value.split("log density")[1])
            assert said == pytest.approx(wanted, abs=0.051)
        z = PATHS[path](z_a, z_b, torch.linspace(0, 1, 81))
        wanted = torch.stack([mixture.log_prob(z), Normal(0.0, 1.0).log_prob(z).sum(1)])
        for name, values in zip(("vae-solid", "vae-dashed"), wanted, strict=True):
            up = curve(side.chart.value, name)[1]
            np.testing.assert_allclose(up, in_percent(values, *wanted.aminmax()), atol=0.1)


def test_an_autoencoder_has_no_density(full):
    assert "no density: an autoencoder defines none" in full.sides[1].chart.value
    assert "log density" not in full.sides[1].label.value + full.sides[1].chart.value


def test_charts_change_with_ends_and_path_only_and_the_cursor_with_t_only(full):
    def charts() -> list[str]:
        return [side.chart.value for side in full.sides]

    def cursors() -> set[str]:
        return {re.search(r"left: ([\d.]+)%", side.cursor.value)[1] for side in full.sides}

    full.slider.value = 0.0
    before, at_0 = charts(), cursors()
    full.slider.value = 0.83
    assert charts() == before and cursors() != at_0 and len(cursors()) == 1
    assert float(cursors().pop()) == pytest.approx(across(0.83), abs=0.01)
    at = cursors()
    for act in (
        lambda: full.end.choose(50),
        lambda: setattr(full.path, "value", "circle"),
        full.start.button.click,
    ):
        act()
        assert all(new != old for new, old in zip(charts(), before, strict=True))
        assert cursors() == at
        before = charts()


def test_map_shows_the_path_and_where_on_it_t_is(full):
    full.path.value = "circle"
    for side in full.sides:
        ends = torch.stack([encode_image(side.model, end.image) for end in (full.start, full.end)])
        path = torch.tensor(side.map.path)
        torch.testing.assert_close(path[[0, -1]], ends)
        assert side.map.passive and ends.abs().max() <= side.map.extent
        for t in (0.0, 0.25, 1.0):
            full.slider.value = t
            point = torch.tensor([side.map.x, side.map.y])
            digit = 10**-side.map.decimals
            torch.testing.assert_close(point, path[round(80 * t)], atol=0.6 * digit, rtol=0)
            assert f"t = {t:.2f}" in side.map.text


def test_codes_of_other_sizes_have_no_map_but_a_density(make_vae, judge, digits):
    model = make_vae(latent_dim=6).eval()
    studio = interpolation_studio(model, digits.x_test, digits.y_test, judge=judge)
    assert studio.sides[0].map is None and len(studio.sides) == 1
    studio.slider.value = 0.3
    label = studio.sides[0].label.value
    assert "…) " not in label and "log density of z" in label


def test_without_a_judge_there_are_densities_but_no_verdicts(vae, digits):
    studio = interpolation_studio(vae, digits.x_test, digits.y_test, other=make_autoencoder())
    side = studio.sides[0]
    assert "log density" in side.chart.value and "judge" not in side.chart.value + side.label.value
    studio.path.value = "pixels"
    assert side.chart.value == ""


def test_headings_tell_the_models_apart(vae):
    plain = make_autoencoder()
    assert names_of([vae]) == ["VAE"] and names_of([plain, vae]) == ["autoencoder", "VAE"]
    assert names_of([vae, vae]) == ["VAE 1", "VAE 2"]


# ---- GIFs ----


def frames_of(gif: bytes) -> list[np.ndarray]:
    with Image.open(io.BytesIO(gif)) as image:
        assert image.info["loop"] == 0
        frames = []
        for k in range(image.n_frames):
            image.seek(k)
            frames.append(np.asarray(image.convert("L")).astype(int))
        return frames


@pytest.mark.parametrize("path", PATHS)
def test_gif_goes_there_and_back_through_what_the_models_paint(path, full, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full.path.value = path
    full.save.click()
    a, b = (int(end.y[end.index]) for end in (full.start, full.end))
    (file,) = tmp_path.iterdir()
    assert file.name == f"morph_{a}_to_{b}_{path}.gif" and str(file) in full.message.value
    frames = frames_of(file.read_bytes())
    assert len(frames) == 48 and file.stat().st_size < 1_000_000
    size = 6 * 8
    assert all(frame.shape[1] == len(full.shown) * (size + 12) for frame in frames)
    for k in (0, 7, 24, 30):
        t = (k if k <= 24 else 48 - k) / 24
        for n, side in enumerate(full.shown):
            left = 6 + n * (size + 12)
            shown = frames[k][:size, left : left + size]
            wanted = 255 * expected(side.model, full, t).numpy().repeat(6, 0).repeat(6, 1)
            assert abs(shown - wanted).max() <= 1.01
    for k in range(1, 24):
        np.testing.assert_array_equal(frames[k], frames[48 - k])


def test_gif_of_a_drawing_is_named_after_it(simple, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    simple.end.put(torch.rand(1, 8, 8), "your drawing")
    simple.save.click()
    a = int(simple.start.y[simple.start.index])
    assert [file.name for file in tmp_path.iterdir()] == [f"morph_{a}_to_your_drawing_line.gif"]
    simple.end.choose(3)
    assert simple.message.value == ""  # it was about another walk


def test_folder_that_cannot_be_written_to_gives_a_message(simple, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a, b = (int(end.y[end.index]) for end in (simple.start, simple.end))
    (tmp_path / f"morph_{a}_to_{b}_line.gif").mkdir()  # where a file cannot be put, even by root
    simple.save.click()
    assert simple.message.value.startswith("Not saved: ") and len(list(tmp_path.iterdir())) == 1
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    simple.message.value = ""
    simple.save.click()
    assert simple.message.value.startswith("Not saved: ")


def test_a_judge_must_give_logits(vae, digits):
    with pytest.raises(ValueError, match=r"judge must give logits \[B, K\]"):
        interpolation_studio(vae, digits.x_test, digits.y_test, judge=vae)
