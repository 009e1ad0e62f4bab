"""This computer: its report, its speed, and the minutes that the notebooks and README promise."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from tutorial_utils.store.machine import (
    COLD_SECONDS,
    REFERENCE_SPEED,
    estimated_minutes,
    machine_report,
    training_speed,
)
from tutorial_utils.training import best_device

ROOT = Path(__file__).parents[2]
MAIN_LINE = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORDS = {word: number for number, word in enumerate(NUMBERS)}


def shown_minutes(stem: str) -> int:
    """How every text rounds the time of a notebook: to minutes, never to none."""
    return max(1, round(COLD_SECONDS[stem] / 60))


def test_report_names_versions_system_cores_and_device():
    report = machine_report()
    named = [version(package) for package in ("torch", "torchvision", "jupyterlab")]
    named += [platform.python_version(), platform.system(), platform.machine()]
    device = best_device().type
    named += [torch.cuda.get_device_name() if device == "cuda" else device.upper()]
    named += [f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} used by torch"]
    assert not [text for text in named if text not in report]


def test_report_names_no_folder_and_no_person():
    """People are asked to paste it in public."""
    report = machine_report()
    private = [str(Path.home()), str(ROOT), platform.node(), os.environ.get("USER", "")]
    assert not [text for text in private if len(text) > 2 and text in report]
    assert len(report.splitlines()) <= 5


def test_training_speed_is_a_speed_and_leaves_random_state_and_screen_alone(capsys):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert 100 < training_speed() < 1e8
    assert torch.equal(torch.get_rng_state(), before)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("factor", [0.1, 0.5, 1, 3])
def test_a_machine_that_is_faster_takes_less_time_in_proportion(factor):
    here = estimated_minutes(factor * REFERENCE_SPEED)
    assert here == pytest.approx({stem: s / 60 / factor for stem, s in COLD_SECONDS.items()})


def test_there_is_an_estimate_for_the_main_line_and_for_no_strange_notebook():
    side_trips = {path.stem for path in (ROOT / "notebooks").glob("side_trips/*.ipynb")}
    assert [stem for stem in estimated_minutes(1) if stem not in side_trips] == MAIN_LINE
    assert all(seconds > 0 for seconds in COLD_SECONDS.values())


@pytest.mark.parametrize("stem", MAIN_LINE)
def test_readme_gives_the_minutes_of_the_first_run(stem):
    readme = (ROOT / "README.md").read_text("utf-8")
    row = rf"^\|[^|]*\(notebooks/{stem}\.ipynb\)[^|]*\|[^|]*\|\s*(\d+)\b"
    assert re.findall(row, readme, re.M) == [str(shown_minutes(stem))]


@pytest.mark.parametrize("stem", MAIN_LINE)
def test_the_notebook_itself_promises_the_same_minutes(stem):
    text = (ROOT / "notebooks" / "src" / f"{stem}.py").read_text("utf-8")
    said = r"about (\w+) min(?:utes?)? on two CPU cores"
    promised = re.search(said, text.replace("\n# ", " "))[1]
    assert int(WORDS.get(promised, promised)) == shown_minutes(stem)
