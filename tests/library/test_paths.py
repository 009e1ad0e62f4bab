"""Paths between codes: their ends, and steps of equal length or of equal angle."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from tutorial_utils.latent import great_circle, straight_line

T = torch.linspace(0, 1, 9)
PATHS = pytest.mark.parametrize("path", [straight_line, great_circle])


@pytest.fixture
def ends():
    return torch.randn(2, 20, generator=torch.Generator().manual_seed(0))


@PATHS
@pytest.mark.parametrize("n", [1, 2, 64])
def test_ends_are_the_codes_and_back_is_the_same_way(path, n):
    z_a, z_b = torch.rand(2, n, generator=torch.Generator().manual_seed(n)) + 0.1
    way = path(z_a, z_b, T)
    assert way.shape == (9, n)
    torch.testing.assert_close(way[[0, -1]], torch.stack([z_a, z_b]))
    torch.testing.assert_close(path(z_b, z_a, T).flip(0), way)


@PATHS
def test_from_a_code_to_itself_nothing_moves(path, ends):
    torch.testing.assert_close(path(ends[0], ends[0], T), ends[0].expand(9, 20))


def test_line_has_equal_steps(ends):
    steps = straight_line(*ends, T).diff(dim=0)
    torch.testing.assert_close(steps, (ends[1] - ends[0]).expand(8, 20) / 8)


def test_circle_keeps_the_length_where_the_ends_have_one_and_the_line_does_not(ends):
    ends = 4 * normalize(ends, dim=1)
    torch.testing.assert_close(great_circle(*ends, T).norm(dim=1), torch.full((9,), 4.0))
    assert straight_line(*ends, T)[4].norm() < 3.5


def test_circle_turns_at_a_constant_rate_and_its_length_changes_in_a_line(ends):
    way = great_circle(*(ends * torch.tensor([[1.0], [3.0]])), T)
    angles, lengths = cosine_similarity(way[1:], way[:-1]).arccos(), way.norm(dim=1).diff()
    for steps in (angles, lengths):
        torch.testing.assert_close(steps, steps[:1].expand(8), rtol=1e-3, atol=1e-4)


def test_circle_stays_in_the_plane_of_its_ends(ends):
    basis = torch.linalg.qr(ends.T).Q
    way = great_circle(*ends, T)
    torch.testing.assert_close(way @ basis @ basis.T, way)


def test_a_quarter_turn():
    z = great_circle(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([1 / 3]))
    torch.testing.assert_close(z[0], torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)]))


@PATHS
def test_bad_arguments_are_named(path, ends):
    with pytest.raises(ValueError, match="z_a and z_b must have the same shape"):
        path(ends[0], ends[1, :5], T)
    with pytest.raises(TypeError, match="z_a must be a tensor of floats"):
        path([1.0], ends[1], T)


@pytest.mark.parametrize("z_b", [torch.tensor([-2.0, 0.0]), torch.zeros(2)])
def test_no_circle_through_opposite_codes_or_from_the_origin(z_b):
    with pytest.raises(ValueError, match="opposite"):
        great_circle(torch.tensor([1.0, 0.0]), z_b, T)
