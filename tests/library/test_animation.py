"""GIFs: every frame is in the file, of the size and for the time that was asked for."""

import io

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_utils.plotting import gif_bytes


@pytest.fixture
def frames() -> torch.Tensor:
    """Seven black-and-white frames, no two neighbors alike: [7, 5, 6]."""
    frames = (torch.rand(7, 5, 6, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    assert (frames[1:] != frames[:-1]).any((1, 2)).all()
    return frames


def decode(gif: bytes) -> np.ndarray:
    """Gray frames [T, H, W], 0 to 255."""
    frames = imageio.imread(gif, extension=".gif", index=None, mode="RGB")
    assert (frames == frames[..., :1]).all()
    return frames[..., 0]


def timing(gif: bytes) -> tuple[list[int], int | None]:
    """Milliseconds of each frame, and how often the animation is played: 0 is forever, None once."""
    image = Image.open(io.BytesIO(gif))
    milliseconds = []
    for n in range(image.n_frames):
        image.seek(n)
        milliseconds.append(image.info["duration"])
    return milliseconds, image.info.get("loop")


@pytest.mark.parametrize("enlarge", [1, 3, 4])
@pytest.mark.parametrize("channel", [False, True])
def test_every_frame_is_there_pixel_by_pixel(frames, enlarge, channel):
    gif = gif_bytes(frames[:, None] if channel else frames, enlarge=enlarge)
    blocks = frames.numpy().repeat(enlarge, 1).repeat(enlarge, 2)
    assert gif.startswith(b"GIF89a") and decode(gif).shape == (7, enlarge * 5, enlarge * 6)
    assert np.array_equal(decode(gif), 255 * blocks)


def test_every_level_of_gray_is_kept():
    ramp = torch.arange(256).reshape(1, 16, 16) / 255
    assert np.array_equal(decode(gif_bytes(ramp, enlarge=1))[0].ravel(), np.arange(256))


@pytest.mark.parametrize("levels", [2, 5, 64])
def test_fewer_levels_are_evenly_spaced_and_the_nearest_one_is_taken(levels):
    ramp = torch.arange(256).reshape(1, 16, 16) / 255
    found = decode(gif_bytes(ramp, enlarge=1, levels=levels))[0].ravel().astype(int)
    assert len(set(found)) == levels and {0, 255} <= set(found)
    assert abs(found - np.arange(256)).max() <= 255 / (levels - 1) / 2 + 0.5


def test_values_outside_0_to_1_are_clipped():
    frames = torch.tensor([[[-2.0, 0.0], [0.0, 0.0]], [[1.0, 9.0], [1.0, 1.0]]])
    assert decode(gif_bytes(frames, enlarge=1)).tolist() == [[[0, 0]] * 2, [[255, 255]] * 2]


@pytest.mark.parametrize("seconds", [0.04, 0.08, 0.1, 2])
def test_frames_stay_for_the_time_given_and_the_animation_loops_forever(frames, seconds):
    assert timing(gif_bytes(frames, seconds=seconds)) == ([1000 * seconds] * 7, 0)


def test_equal_neighbors_may_share_a_frame_but_not_their_time(frames):
    there_and_back = torch.cat([frames, frames.flip(0)])
    assert sum(timing(gif_bytes(there_and_back, seconds=0.1))[0]) == 14 * 100


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_narrow_frames_are_not_taken_for_color_channels(width):
    frames = torch.rand(6, 5, width, generator=torch.Generator().manual_seed(0)).round()
    assert decode(gif_bytes(frames, enlarge=1)).shape[1:] == (5, width)


def test_one_frame_is_a_gif_too(frames):
    assert decode(gif_bytes(frames[:1], enlarge=2)).shape == (1, 10, 12)


def test_frames_are_only_read(frames):
    before, state = frames.clone(), torch.get_rng_state()
    gif_bytes(frames.requires_grad_())
    assert (
        torch.equal(frames, before)
        and frames.requires_grad
        and torch.equal(torch.get_rng_state(), state)
    )


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("frames", {"frames": torch.rand(5, 6)}),
        ("frames", {"frames": torch.rand(7, 3, 5, 6)}),
        ("frames", {"frames": torch.rand(2, 7, 1, 5, 6)}),
        ("frames", {"frames": torch.rand(0, 5, 6)}),
        ("frames", {"frames": torch.full((7, 5, 6), float("nan"))}),
        ("frames", {"frames": torch.ones(7, 5, 6).to(torch.uint8)}),
        ("frames", {"frames": np.ones((7, 5, 6))}),
        ("seconds", {"seconds": 0}),
        ("seconds", {"seconds": -1}),
        ("seconds", {"seconds": float("nan")}),
        (
            "seconds",
            {"seconds": 0.004},
        ),  # a GIF counts in hundredths: this would be none, and browsers make 0.1 of it
        ("enlarge", {"enlarge": 0}),
        ("enlarge", {"enlarge": 1.5}),
        ("levels", {"levels": 1}),
        ("levels", {"levels": 257}),
    ],
)
def test_wrong_arguments_are_named(frames, name, wrong):
    with pytest.raises((TypeError, ValueError), match=name):
        gif_bytes(**{"frames": frames} | wrong)


def test_labels_stand_under_the_frames_and_leave_them_as_they_were():
    frames = torch.rand(3, 8, 20, generator=torch.Generator().manual_seed(0))
    plain = imageio.imread(gif_bytes(frames, enlarge=4), index=None)
    labelled = imageio.imread(
        gif_bytes(frames, enlarge=4, labels=["", "a 3", "t = 0.5: a very long text"]), index=None
    )
    assert labelled.shape == (3, 32 + 22, 80, *plain.shape[3:])
    assert abs(labelled[:, :32].astype(int) - plain.astype(int)).max() <= 1
    captions = labelled[:, 32:].reshape(3, -1)
    assert captions[0].max() < 10 < 200 < captions[1].max()
    assert (captions[1] != captions[2]).any()


def test_labels_are_one_for_each_frame():
    with pytest.raises(ValueError, match="labels must hold one text for each of 2 frames, got 1"):
        gif_bytes(torch.zeros(2, 8, 8), labels=["a"])
