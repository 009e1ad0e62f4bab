"""Tests of tutorial_utils/support/progress.py."""

import pytest

from tutorial_utils.support.progress import progress_bar, time_left


@pytest.mark.parametrize(
    ("seconds", "n_done", "said"),
    [(59, 1, "about 9 min left"), (530, 9, ""), (560, 9, "about 2 min left"), (600, 10, "")],
)
def test_the_time_left_is_what_the_rest_takes_at_the_same_speed(seconds, n_done, said):
    bar = progress_bar(10, True)
    bar.start_t -= seconds
    assert time_left(bar, n_done) == said
    bar.close()
