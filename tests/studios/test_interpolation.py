"""Interpolation studio: pictures are the model's, verdicts the judge's, densities torch's."""

import io
import re

import numpy as np
import pytest
import torch
from helpers.pictures import pixels
from helpers.studios import STUDIOS, autoencoder, images, judge, vae
from helpers.svg import elements, number, root, texts
from helpers.widgets import numbers, widgets_in
from PIL import Image
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from tutorial_utils.latent import great_circle, side_by_side, straight_line
from tutorial_utils.models import Autoencoder, encode_image, mlp
from tutorial_utils.studios.base import Picture
from tutorial_utils.studios.interpolation import PATHS, mark_frame, names_of
from tutorial_utils.studios.interpolation_charts import across, stretches_of, svg_chart
from tutorial_utils.studios.svg import number as text_of_number

T = (0, 0.2, 0.5, 0.9, 1)
WALKS = {"line": straight_line, "circle": great_circle}
each_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture
def simple():
    return STUDIOS["interpolation"].make()


@pytest.fixture
def full():
    return STUDIOS["interpolation of two"].make()


def studio_of(model, **others):
    """The studio of another model, perhaps with others and with a judge."""
    return STUDIOS["interpolation"].make(models=model, **others)


def codes_at(model, studio, t: float) -> torch.Tensor:
    """The code [D] at t on the studio's path."""
    codes = [encode_image(model, end.image) for end in (studio.start, studio.end)]
    return WALKS[studio.path.value](*codes, torch.tensor([float(t)]))[0]


def expected(model, studio, t: float) -> torch.Tensor:
    """The image at t on the studio's path, from its two images, in so many words."""
    if studio.path.value == "pixels":
        return (1 - t) * studio.start.image[0] + t * studio.end.image[0]
    with torch.no_grad():
        return model.decode(codes_at(model, studio, t)[None]).sigmoid()[0, 0]


def verdict(image: torch.Tensor) -> tuple[str, str]:
    """What the judge says of an image [H, W], and how sure it is."""
    with torch.no_grad():
        sure, digit = judge()(image[None, None]).softmax(1).max(1)
    return str(digit.item()), f"{100 * sure.item():.0f} %"


def close(png: bytes, image: torch.Tensor) -> bool:
    """Whether they are equal up to a gray value of 255."""
    return abs(pixels(png) - 255 * image.numpy()).max() <= 1.01


def check_sides(studio) -> None:
    """At each t, picture and strip are those of the path, and the words say what they are."""
    fade = studio.path.value == "pixels"
    for side in studio.shown:
        strip = torch.stack([expected(side.model, studio, k / 8) for k in range(9)])
        seen = set()
        for t in T:
            studio.slider.value = t
            wanted = expected(side.model, studio, t)
            assert close(side.picture.value, wanted)
            assert close(side.strip.value, mark_frame(side_by_side(strip), round(8 * t)))
            assert ("decoded" in side.strip.alt) != fade
            what, *rest = side.label.value.split("<br>")
            assert side.picture.alt == "; ".join([what, *rest])
            if fade:
                assert what == f"cross-fade of pixels at t = {t:.2f}"
            else:
                assert f" at t = {t:.2f}, z = (" in what
                code = codes_at(side.model, studio, t)[:4]
                assert numbers(what)[1:] == pytest.approx(code.tolist(), abs=0.0051)
            if side.judge is not None:
                assert rest[0] == "judge: {}, {}".format(*verdict(wanted))
            seen.add(side.picture.value)
        assert len(seen) == len(T)


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


def curve(svg: str, name: str) -> np.ndarray:
    """The points of the last curve of this class, in percent: along the path, and up."""
    path = elements(svg, "path", name)[-1].get("d").removeprefix("M ")
    x, y = np.array([point.split() for point in path.split(" L ")], dtype=float).T
    lower, upper = sorted((number(line, "y1") for line in elements(svg, "line")[-2:]), reverse=True)
    left, right = across(0), across(1)
    return np.stack([100 * (x - left) / (right - left), 100 * (lower - y) / (lower - upper)])


def in_percent(values: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> np.ndarray:
    """Where values stand between the lowest and the highest."""
    return (100 * (values - low) / (high - low)).numpy()


def test_chart_draws_and_says_the_values_that_it_is_given():
    digits, confidence = torch.tensor([2] * 50 + [6] * 31), torch.rand(81) / 2 + 0.4
    confidence[20] = 0.31
    log_q, log_p = -9 * torch.rand(81), -9 * torch.rand(81) - 3
    judged, dense = svg_chart((digits, confidence), None), svg_chart(None, (log_q, log_p))
    along, up = curve(judged, "vae-solid")
    np.testing.assert_allclose(along, np.linspace(0, 100, 81), atol=0.0101)
    np.testing.assert_allclose(up, 100 * confidence.numpy(), atol=0.051)
    said = root(judged).get("aria-label")
    assert "names 2 from 0.00 to 0.62, 6 from 0.62 to 1.00" in said
    assert "lowest, 31 %, at t = 0.25" in said
    low, high = min(log_q.min(), log_p.min()), max(log_q.max(), log_p.max())
    said = root(dense).get("aria-label")
    for name, who, values in (
        ("vae-solid", "aggregate posterior", log_q),
        ("vae-dashed", "prior", log_p),
    ):
        np.testing.assert_allclose(curve(dense, name)[1], in_percent(values, low, high), atol=0.051)
        first, least, last = (
            text_of_number(float(v)) for v in (values[0], values.min(), values[-1])
        )
        assert f"{who} {first} at t = 0, at the lowest {least}, {last} at t = 1" in said
    title, *names = texts(dense)
    reach = " to ".join(text_of_number(float(value)) for value in (low, high))
    assert f"{reach} nats" in title and {"aggregate posterior", "prior"} < set(names)


def test_chart_names_the_upper_curve_above_it_and_the_lower_one_below():
    low, high = torch.full((81,), -5.0), torch.full((81,), -1.0)
    high[40] = 0.0
    for densities, upper in (((high, low), "aggregate posterior"), ((low, high), "prior")):
        names = elements(svg_chart(None, densities), "text", "vae-curve-name")
        first, last = sorted(names, key=lambda name: number(name, "y"))
        assert first.text == upper and number(first, "y") < number(last, "y") - 50


def test_chart_of_a_constant_density_and_of_nothing():
    same = torch.full((81,), -2.0)
    assert np.isfinite(curve(svg_chart(None, (same, same)), "vae-solid")).all()
    assert svg_chart(None, None) == ""
    assert "for a reason" in svg_chart(None, "no density, for a reason")


# ---- one model ----


@each_path
@pytest.mark.parametrize(
    ("model", "what"),
    [
        (vae(), "mean of p(x|z)"),
        (autoencoder(), "decoded image"),
        (autoencoder(5), "decoded image"),
    ],
    ids=["vae", "autoencoder", "long code"],
)
def test_one_model_shows_what_lies_on_the_path(model, what, path):
    studio = studio_of(model)
    studio.path.value = path
    check_sides(studio)
    (side,) = studio.sides
    assert path == "pixels" or side.label.value.startswith(what)
    assert side.map is side.box is None, "one model alone has no map and no chart"
    assert sum(isinstance(part, Picture) for part in widgets_in(studio)) == 4


def test_there_is_no_circle_from_a_code_of_zeros():
    blank = Autoencoder(mlp([64, 2]), vae().decoder)
    torch.nn.init.zeros_(blank.encoder[1].weight)
    torch.nn.init.zeros_(blank.encoder[1].bias)
    studio = studio_of(blank)
    studio.path.value = "circle"
    assert studio.path.value == "line"
    assert "No circle here, so this is the line" in studio.message.value
    studio.path.value = "pixels"
    assert studio.message.value == ""


def test_play_moves_the_slider_and_goes_on_where_the_slider_stands(simple):
    simple.play.value = 75
    assert simple.slider.value == 0.75
    simple.slider.value = 0.29
    assert simple.play.value == 29 and simple.slider.value == 0.29


def test_two_identical_digits_stay_the_same_all_the_way():
    studio = STUDIOS["interpolation"].make(x=images(1), y=torch.tensor([3]))
    assert studio.start.index == studio.end.index == 0
    for path in PATHS:
        studio.path.value = path
        frames = pixels(studio.sides[0].strip.value).reshape(8, 9, 8)[1:-1, :, 1:-1]
        assert abs(frames - frames[:, :1]).max() <= 1


# ---- two models and a judge ----


@each_path
def test_both_models_and_the_judge_walk_between_the_same_ends(path, full):
    full.path.value = path
    full.start.choose(5)
    full.end.put(torch.rand(1, 8, 8), "a drawing")
    check_sides(full)


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
    full.path.value = "pixels"
    full.start.choose(7)
    full.path.value = "circle"
    check_sides(full)  # the second side is up to date when it comes back


def test_under_each_frame_stands_the_judges_verdict_on_it(full):
    full.start.choose(8)
    for side in full.sides:
        wanted = [verdict(expected(side.model, full, k / 8)) for k in range(9)]
        found = elements(side.chart.value, "text")[:18]  # two texts for each frame
        assert [(a.text, b.text) for a, b in zip(found[::2], found[1::2], strict=True)] == wanted
        places = [number(text, "x") for text in found[::2]]
        assert places == pytest.approx([100 * (k + 0.5) / 9 for k in range(9)], abs=0.01)


@pytest.mark.parametrize("path", WALKS)
def test_densities_shown_are_those_of_the_mixture_over_the_images(path, full):
    side, full.path.value = full.sides[0], path
    full.end.choose(4)
    with torch.no_grad():
        mu, logvar = side.model.encode(images())
    mixture = MixtureSameFamily(
        Categorical(torch.ones(len(mu))), Independent(Normal(mu, (0.5 * logvar).exp()), 1)
    )  # fmt: skip

    def densities(t: float) -> list[float]:
        z = codes_at(side.model, full, t)
        return [mixture.log_prob(z).item(), Normal(0.0, 1.0).log_prob(z).sum().item()]

    for t in T:
        full.slider.value = t
        said = numbers(side.label.value.split("log density")[1])
        assert said == pytest.approx(densities(t), abs=0.051)
    wanted = torch.tensor([densities(t) for t in torch.linspace(0, 1, 81).tolist()]).T
    for name, values in zip(("vae-solid", "vae-dashed"), wanted, strict=True):
        up = curve(side.chart.value, name)[1]
        np.testing.assert_allclose(up, in_percent(values, *wanted.aminmax()), atol=0.1)


@pytest.mark.parametrize("t", T)
def test_the_cursor_stands_at_t(t, full):
    full.slider.value = t
    for side in full.sides:
        (left,) = re.findall(r"left: ([\d.]+)%", side.cursor.value)
        assert float(left) == pytest.approx(100 * (8 * t + 0.5) / 9, abs=0.01)


def test_map_shows_the_path_and_where_on_it_t_is(full):
    full.path.value = "circle"
    for side in full.sides:
        ends = torch.stack([codes_at(side.model, full, t) for t in (0, 1)])
        path = torch.tensor(side.map.path)
        torch.testing.assert_close(path[[0, -1]], ends)
        assert side.map.passive and ends.abs().max() <= side.map.extent
        for t in (0.0, 0.25, 1.0):
            full.slider.value = t
            point = torch.tensor([side.map.x, side.map.y])
            digit = 10**-side.map.decimals
            torch.testing.assert_close(point, path[round(80 * t)], atol=0.6 * digit, rtol=0)
            assert f"t = {t:.2f}" in side.map.text


def test_codes_of_other_sizes_have_no_map_but_a_density():
    (side,) = studio_of(vae(6), judge=judge()).sides
    assert side.map is None
    assert "…)<br>" in side.label.value and "log density of z" in side.label.value


def test_an_autoencoder_has_no_density_and_without_a_judge_there_is_no_verdict():
    studio = studio_of(vae(), other=autoencoder())
    first, second = (side.chart.value + side.label.value for side in studio.sides)
    assert "log density" in first and "judge" not in first + second
    assert "no density: an autoencoder defines none" in second and "log density" not in second
    studio.path.value = "pixels"
    assert studio.sides[0].chart.value == ""


def test_headings_tell_the_models_apart():
    plain = autoencoder()
    assert names_of([vae()]) == ["VAE"] and names_of([plain, vae()]) == ["autoencoder", "VAE"]
    assert names_of([vae(), vae()]) == ["VAE 1", "VAE 2"]


def test_a_judge_must_give_logits():
    with pytest.raises(ValueError, match=r"judge must give logits \[B, K\]"):
        studio_of(vae(), judge=vae())


# ---- a choice of models ----

LABELS = ["2 numbers", "5 <numbers>"]


@pytest.fixture(params=["interpolation by choice", "interpolation by choice, judged"])
def choosing(request):
    """A studio that offers two models, without a judge and with one."""
    return STUDIOS[request.param].make()


def shown_parts(side) -> list:
    """The parts of a side that are on the page."""
    parts = [side.box] if side.box else [side.picture, side.label, side.strip]
    return [part for part in parts if part.layout.display is None]


@each_path
def test_everything_that_depends_on_the_model_follows_the_choice(path, choosing):
    assert list(choosing.model.options) == LABELS and choosing.model.label == LABELS[0]
    choosing.path.value = path
    for label, latent_dim in ((LABELS[1], 5), (LABELS[0], 2), (LABELS[1], 5)):
        choosing.model.label = label
        (side,) = choosing.shown
        assert side.model.latent_dim == latent_dim and choosing.path.value == path
        check_sides(choosing)
        assert [bool(shown_parts(each)) for each in choosing.sides] == [
            each is side for each in choosing.sides
        ]
        choosing.end.choose(4 + latent_dim)
        check_sides(choosing)


def test_map_heading_and_chart_are_those_of_the_chosen_model():
    studio = STUDIOS["interpolation by choice, judged"].make()
    titles, charts = [], set()
    for label in LABELS:
        studio.model.label = label
        (side,) = studio.shown
        titles.append(re.sub("</?b>", "", side.heading.value))
        charts.add(side.chart.value)
        assert (side.map is None) == (label == LABELS[1])
    assert titles == ["2 numbers", "5 &lt;numbers&gt;"] and len(charts) == 2
    assert "vae-one" in studio.columns._dom_classes


def test_without_a_judge_a_choice_adds_no_details():
    studio = STUDIOS["interpolation by choice"].make()
    assert all(side.map is side.box is None for side in studio.sides)


def test_a_dict_of_one_model_is_a_choice_of_one():
    studio = studio_of({"mine": vae()})
    assert list(studio.model.options) == ["mine"] and len(studio.shown) == 1


def test_gif_is_of_the_chosen_model_and_named_after_it(choosing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = {}
    for label, word in zip(LABELS, ("2_numbers", "5_numbers"), strict=True):
        choosing.model.label = label
        choosing.save.click()
        name = name_of_gif(choosing).replace(".gif", f"_{word}.gif")
        frames = saved[label] = frames_of((tmp_path / name).read_bytes())
        wanted = 255 * expected(choosing.shown[0].model, choosing, 0.5).numpy()
        found = frames[12][: 6 * 8, 6 : 6 + 6 * 8]
        assert abs(found - wanted.repeat(6, 0).repeat(6, 1)).max() <= 1.01
    assert (saved[LABELS[0]][12] != saved[LABELS[1]][12]).any()


@pytest.mark.parametrize(
    ("models", "error", "message"),
    [
        ({}, ValueError, "models must hold at least one model"),
        ({"a": vae(), "b": None}, TypeError, r"models\['b'\] must be a VAE"),
        ({"a": vae(), "b": vae(size=6)}, ValueError, r"models\['b'\] must take images of the sha"),
        ({1: vae()}, ValueError, "a label in models must be a text, got 1"),
        ({"": vae()}, ValueError, "a label in models must be a text, got ''"),
        ([vae(), vae()], TypeError, "models must be a VAE or an Autoencoder, got list"),
    ],
)
def test_models_that_cannot_be_offered_are_named(models, error, message):
    with pytest.raises(error, match=message):
        studio_of(models)


def test_no_other_model_stands_beside_a_choice():
    with pytest.raises(ValueError, match="other must be None where models is a dict"):
        STUDIOS["interpolation by choice"].make(other=vae())


# ---- GIFs ----


def frames_of(gif: bytes) -> list[np.ndarray]:
    with Image.open(io.BytesIO(gif)) as image:
        assert image.info["loop"] == 0
        frames = []
        for k in range(image.n_frames):
            image.seek(k)
            frames.append(np.asarray(image.convert("L")).astype(int))
        return frames


def name_of_gif(studio, end: str | None = None) -> str:
    labels = [str(int(each.y[each.index])) for each in (studio.start, studio.end)]
    return f"morph_{labels[0]}_to_{end or labels[1]}_{studio.path.value}.gif"


@each_path
def test_gif_goes_there_and_back_through_what_the_models_paint(path, full, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full.path.value = path
    full.save.click()
    (file,) = tmp_path.iterdir()
    assert file.name == name_of_gif(full) and str(file) in full.message.value
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
    assert [file.name for file in tmp_path.iterdir()] == [name_of_gif(simple, "your_drawing")]
    simple.end.choose(3)
    assert simple.message.value == ""  # it was about another walk


def test_folder_that_cannot_be_written_to_gives_a_message(simple, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name_of_gif(simple)).mkdir()  # where a file cannot be put, even by root
    simple.save.click()
    assert simple.message.value.startswith("Not saved: ") and len(list(tmp_path.iterdir())) == 1
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    simple.message.value = ""
    simple.save.click()
    assert simple.message.value.startswith("Not saved: ")
