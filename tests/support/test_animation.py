"""Animations: every frame is in the file, of the size and for the time that was asked for."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_utils.support.animation import animated_png, gif_bytes


def png(frames, *, seconds=0.1, enlarge=4, labels=None, levels=256) -> bytes:
    """`animated_png`, with the defaults of `gif_bytes`."""
    return animated_png(frames, seconds=seconds, enlarge=enlarge, labels=labels, levels=levels)


animation = pytest.mark.parametrize("animation", [gif_bytes, png])


@pytest.fixture
def frames() -> torch.Tensor:
    """Seven black-and-white frames, no two neighbors alike: [7, 5, 6]."""
    frames = (torch.rand(7, 5, 6, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    assert (frames[1:] != frames[:-1]).any((1, 2)).all()
    return frames


def read(data: bytes) -> tuple[np.ndarray, list[int], int | None]:
    """Gray frames [T, H, W], 0 to 255; milliseconds of each; how often: 0 is forever, None once."""
    image = Image.open(io.BytesIO(data))
    frames, milliseconds = [], []
    for n in range(image.n_frames):
        image.seek(n)
        frames.append(np.asarray(image.convert("RGB")))
        milliseconds.append(image.info.get("duration"))
    frames = np.stack(frames)
    assert (frames == frames[..., :1]).all()
    return frames[..., 0], milliseconds, image.info.get("loop")


def decode(data: bytes) -> np.ndarray:
    """The frames alone."""
    return read(data)[0]


@animation
@pytest.mark.parametrize("enlarge", [1, 3, 4])
@pytest.mark.parametrize("channel", [False, True])
def test_every_frame_is_there_pixel_by_pixel(frames, enlarge, channel, animation):
    data = animation(frames[:, None] if channel else frames, enlarge=enlarge)
    blocks = frames.numpy().repeat(enlarge, 1).repeat(enlarge, 2)
    assert decode(data).shape == (7, enlarge * 5, enlarge * 6)
    assert np.array_equal(decode(data), 255 * blocks)


def test_each_is_of_its_kind(frames):
    assert gif_bytes(frames).startswith(b"GIF89a")
    image = Image.open(io.BytesIO(png(frames)))
    assert (image.format, image.mode, image.n_frames) == ("PNG", "L", 7)


def test_a_png_is_not_larger_than_a_gif():
    """Of smooth gray images, such as those of a decoder."""
    t = torch.linspace(0, 1, 12)[:, None, None]
    x, y = torch.meshgrid(torch.linspace(-2, 2, 28), torch.linspace(-2, 2, 28), indexing="ij")
    frames = torch.exp(-((x - t) ** 2) - (y + t) ** 2)
    for levels in (32, 256):
        assert len(png(frames, levels=levels)) < len(gif_bytes(frames, levels=levels))


@animation
@pytest.mark.parametrize("levels", [2, 5, 64, 256])
def test_levels_are_evenly_spaced_and_the_nearest_one_is_taken(levels, animation):
    ramp = torch.arange(256).reshape(1, 16, 16) / 255
    found = decode(animation(ramp, enlarge=1, levels=levels))[0].ravel().astype(int)
    assert len(set(found)) == levels and {0, 255} <= set(found)
    assert abs(found - np.arange(256)).max() <= 255 / (levels - 1) / 2 + 0.49


@animation
def test_values_outside_0_to_1_are_clipped(animation):
    frames = torch.tensor([[[-2.0, 0.0], [0.0, 0.0]], [[1.0, 9.0], [1.0, 1.0]]])
    assert decode(animation(frames, enlarge=1)).tolist() == [[[0, 0]] * 2, [[255, 255]] * 2]


@animation
@pytest.mark.parametrize("seconds", [0.04, 0.08, 0.1, 2])
def test_frames_stay_for_the_time_given_and_the_animation_loops_forever(frames, seconds, animation):
    assert read(animation(frames, seconds=seconds))[1:] == ([1000 * seconds] * 7, 0)


@animation
def test_equal_neighbors_may_share_a_frame_but_not_their_time(frames, animation):
    there_and_back = torch.cat([frames, frames.flip(0)])
    assert sum(read(animation(there_and_back, seconds=0.1))[1]) == 14 * 100


@animation
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_narrow_frames_are_not_taken_for_color_channels(width, animation):
    frames = torch.rand(6, 5, width, generator=torch.Generator().manual_seed(0)).round()
    assert decode(animation(frames, enlarge=1)).shape[1:] == (5, width)


@animation
def test_one_frame_is_an_animation_too(frames, animation):
    assert decode(animation(frames[:1], enlarge=2)).shape == (1, 10, 12)


@animation
def test_frames_are_only_read(frames, animation):
    before, state = frames.clone(), torch.get_rng_state()
    animation(frames.requires_grad_())
    assert torch.equal(frames, before) and frames.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


@animation
def test_labels_stand_under_the_frames_and_leave_them_as_they_were(animation):
    frames = torch.rand(3, 8, 20, generator=torch.Generator().manual_seed(0))
    plain = decode(animation(frames, enlarge=4)).astype(int)
    labels = ["", "a 3", "t = 0.5: a very long text"]
    labelled = decode(animation(frames, enlarge=4, labels=labels)).astype(int)
    assert labelled.shape == (3, 32 + 22, 80)
    assert abs(labelled[:, :32] - plain).max() <= 1
    captions = labelled[:, 32:].reshape(3, -1)
    assert captions[0].max() < 10 < 200 < captions[1].max()
    assert (captions[1] != captions[2]).any()


@animation
def test_tabs_put_each_part_of_a_label_under_its_share_of_the_frame(animation):
    frames, labels = torch.zeros(3, 8, 30), ["I\tI\tI", "\tI\t", "I\t\t"]
    below = decode(animation(frames, enlarge=4, labels=labels)).astype(int)[:, 32:]
    thirds = [[bool((part > 200).any()) for part in np.split(line, 3, axis=1)] for line in below]
    assert thirds == [[True] * 3, [False, True, False], [True, False, False]]
