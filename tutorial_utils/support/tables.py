"""Tables of numbers as aligned plain text."""

from collections.abc import Mapping, Sequence


def span(values: Sequence[float], digits: int = 2) -> str:
    """The range of values, say over seeds: "0.12 to 0.15"; one number if both print alike."""
    if len(values) == 0:
        raise ValueError("values must hold at least one number, got none")
    # `+ 0.0` makes a zero of a -0.0, which would print as "-0.00".
    low, high = [f"{round(float(v), digits) + 0.0:.{digits}f}" for v in (min(values), max(values))]
    return low if low == high else f"{low} to {high}"


def table_lines(rows, *, digits: int, columns: Sequence[str] | None) -> list[str]:
    """The lines of `print_table`: the headings, then the rows."""
    headings, cells = _headings_and_cells(rows)
    if columns is not None and len(columns) != len(headings):
        raise ValueError(
            f"columns must hold {len(headings)} headings, as many as a row has cells, got {columns}"
        )
    lines = [list(columns or headings)]
    lines += [[_cell(cell, digits) for cell in row] for row in cells]
    left = [isinstance(cell, str) for cell in cells[0]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(_align, line, widths, left)).rstrip() for line in lines]


def _headings_and_cells(rows) -> tuple[list[str], list[list[object]]]:
    """The headings of a table and the cells of its rows, the names of the rows first."""
    if not rows:
        raise ValueError("rows must hold at least one row, got none")
    if isinstance(rows, Mapping):
        names = [key if isinstance(key, tuple) else (key,) for key in rows]
        values = list(rows.values())
    else:
        names, values = [()] * len(rows), list(rows)
    values = [row if isinstance(row, Mapping) else {"": row} for row in values]
    columns = list(values[0])
    if any(list(row) != columns for row in values) or len({len(name) for name in names}) != 1:
        raise ValueError(f"rows must all have the columns of the first, {columns}, got {rows}")
    cells = [[*map(str, name), *row.values()] for name, row in zip(names, values, strict=True)]
    return [""] * len(names[0]) + [str(column) for column in columns], cells


def _cell(value: object, digits: int) -> str:
    if isinstance(value, (list, tuple)):
        whole = all(isinstance(number, int) for number in value)
        return span(value, 0 if whole else digits)
    if isinstance(value, (int, str)):
        return str(value)
    return span([value], digits)


def _align(text: str, width: int, left: bool) -> str:
    return text.ljust(width) if left else text.rjust(width)
