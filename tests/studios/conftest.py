"""What holds in every test of a studio: nothing goes wrong unseen."""

import logging

import pytest


@pytest.fixture(autouse=True)
def no_errors(caplog):
    """After each test: no studio has logged an error, as one does that shows it in its panel."""
    yield
    assert [
        record for record in caplog.get_records("call") if record.levelno >= logging.ERROR
    ] == []
