"""Tables: columns stay aligned, whatever their cells hold."""

import pytest

from tutorial_utils.support.tables import table_lines


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ({"a": {"x": "-"}, "b": {"x": 1.25}}, ["      x", "a     -", "b  1.25"]),
        ({"a": {"x": 1.25}, "b": {"x": "-"}}, ["      x", "a  1.25", "b     -"]),
        ({"a": {"x": "-"}, "b": {"x": "all"}}, ["   x", "a  -", "b  all"]),
        ({"-a": {"x": 1}, "b": {"x": 22}}, ["     x", "-a   1", "b   22"]),
        ({"数": {"x": 1}, "abc": {"x": 2}}, ["     x", "数   1", "abc  2"]),
        ({"x\u0302": {"x": 1}, "ab": {"x": 2}}, ["    x", "x\u0302   1", "ab  2"]),
    ],
)
def test_columns_stay_aligned(rows, lines):
    assert table_lines(rows, digits=2, columns=None) == lines
