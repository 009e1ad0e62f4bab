"""Tables of numbers as aligned plain text."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real


def span(values: Iterable[float], digits: int = 2) -> str:
    """The range of values, say over seeds: "0.12 to 0.15"; one number if both print alike.

    NaN is named at the end: "0.12 to 0.15, nan".
    """
    _check_digits(digits)
    numbers = _python_numbers(values)
    known = [value for value in numbers if value == value]
    if not known:
        return "nan"
    # `+ 0.0` makes a zero of a -0.0, which would print as "-0.00".
    low, high = [f"{round(float(v), digits) + 0.0:.{digits}f}" for v in (min(known), max(known))]
    text = low if low == high else f"{low} to {high}"
    return text if len(known) == len(numbers) else f"{text}, nan"


def table_lines(rows, *, digits: int, columns: Sequence[str] | None) -> list[str]:
    """The lines of `print_table`: the headings, then the rows."""
    _check_digits(digits)
    headings, cells = _headings_and_cells(rows)
    headings = headings if columns is None else _checked_columns(columns, len(headings))
    lines = [headings, *([_cell(cell, digits) for cell in row] for row in cells)]
    left = [all(isinstance(cell, str) for cell in column) for column in zip(*cells, strict=True)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(_align, line, widths, left)).rstrip() for line in lines]


def _check_digits(digits: object) -> None:
    if not isinstance(digits, int) or isinstance(digits, bool) or digits < 0:
        raise ValueError(f"digits must be a whole number of at least 0, got {digits!r}")


def _checked_columns(columns: object, n: int) -> list[str]:
    is_list = isinstance(columns, Sequence) and not isinstance(columns, str)
    if not is_list or not all(isinstance(heading, str) for heading in columns):
        raise TypeError(f"columns must be a list of texts, got {columns!r}")
    if len(columns) != n:
        raise ValueError(
            f"columns must hold {n} headings, as many as a row has cells, got {columns}"
        )
    return list(columns)


def _headings_and_cells(rows) -> tuple[list[str], list[list[object]]]:
    """The headings of a table and the cells of its rows, the names of the rows first."""
    if isinstance(rows, Mapping):
        names = [key if isinstance(key, tuple) else (key,) for key in rows]
        values = [row if isinstance(row, Mapping) else {"": row} for row in rows.values()]
    elif isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        names, values = [()] * len(rows), list(rows)
    else:
        raise TypeError(f"rows must be a dict, or a list of dicts, got {rows!r}")
    if not values:
        raise ValueError("rows must hold at least one row, got none")
    columns = list(values[0])
    if any(list(row) != columns for row in values) or len({len(name) for name in names}) != 1:
        raise ValueError(f"rows must all have the columns of the first, {columns}, got {rows}")
    cells = [[*map(str, name), *row.values()] for name, row in zip(names, values, strict=True)]
    return [""] * len(names[0]) + [str(column) for column in columns], cells


def _cell(value: object, digits: int) -> str:
    value = _of_python(value)
    if isinstance(value, (int, str)):
        return str(value)
    numbers = _python_numbers(value if isinstance(value, (list, tuple)) else [value])
    whole = all(isinstance(number, int) for number in numbers)
    return span(numbers, 0 if whole else digits)


def _python_numbers(values: object) -> list[float]:
    """The values, of Python, NumPy or torch, as numbers of Python, at least one."""
    values = _of_python(values)
    is_list = isinstance(values, Iterable) and not isinstance(values, (str, bytes, Mapping))
    numbers = [_of_python(value) for value in values] if is_list else []
    if not is_list or not all(isinstance(number, Real) for number in numbers):
        raise TypeError(f"values must be a list of numbers, got {values!r}")
    if not numbers:
        raise ValueError("values must hold at least one number, got none")
    return numbers


def _of_python(value: object) -> object:
    """A number or array of NumPy or torch as number or list of Python; others as they are."""
    return value.tolist() if hasattr(value, "tolist") else value


def _align(text: str, width: int, left: bool) -> str:
    gap = " " * (width - _width(text))
    return text + gap if left else gap + text


def _width(text: str) -> int:
    """How wide a text is printed: a Chinese character or an emoji is two wide, an accent none."""
    wide = [letter for letter in text if unicodedata.east_asian_width(letter) in "WF"]
    accents = [letter for letter in text if unicodedata.combining(letter)]
    return len(text) + len(wide) - len(accents)
