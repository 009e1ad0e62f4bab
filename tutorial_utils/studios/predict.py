"""Predict (all notebooks): a question, the learner's guess, and only then the answer."""

from collections.abc import Sequence
from html import escape
from zlib import crc32

import anywidget
import ipywidgets
import traitlets
from IPython.display import display, update_display

from ..support.arguments import nonempty_text, one_of
from .base import ASSETS, HIDDEN, Studio
from .controls import button

# Where the widget is on the page, its twin is not.
ONLY_ONE = """<style>
:root:has(.vae-asks-{0}) :is(.vae-twin-{0}, .jp-OutputArea-child:has(.vae-twin-{0})) {{
  display: none;
}}
</style>"""


def predict(question: str, options: Sequence[str], answer: str, because: str = "") -> "Predict":
    """A question with 2-6 options: the learner guesses, and then sees the answer and why.

    question, because: plain text.  options: texts that fit "It is …."; answer: one of them.
    Raises ValueError for an argument that is something else.
    """
    return Predict(question, options, answer, because)


class Reveal(anywidget.AnyWidget):
    """HTML that is empty at first; what comes is read out by screen readers, and has the focus."""

    _esm = ASSETS / "reveal.js"
    html = traitlets.Unicode().tag(sync=True)


class Predict(Studio):
    """A question, radio buttons, and a button; then the answer.  `guess` is None until then.

    Beside the widget it displays a twin for where no kernel runs: question, options and the answer,
    folded until there is a guess. The twin is saved with the notebook, and so is the guess in it.
    """

    def __init__(self, question: str, options: Sequence[str], answer: str, because: str = ""):
        self.question, self.options = nonempty_text("question", question), _texts(options)
        self.answer = one_of("answer", answer, self.options)
        if not isinstance(because, str):
            raise ValueError(f"because must be a text, got {because!r}")
        self.because, self.guess, self._is_shown = because, None, False
        self.choice = ipywidgets.RadioButtons(
            options=self.options, value=None, description=question, tooltip="Choose one"
        )
        self.button = button("This is my guess", self._keep, tip="Show the answer")
        self.button.disabled, self.reveal = True, Reveal()
        self.choice.observe(self._can_guess, "value")
        self._name = f"{crc32(question.encode()):08x}"  # the same whenever the notebook is built
        only_one = ipywidgets.HTML(ONLY_ONE.format(self._name), layout=HIDDEN)
        super().__init__("vae-predict", self.choice, self.button, self.reveal, only_one)
        self.add_class(f"vae-asks-{self._name}")

    @property
    def twin(self) -> dict[str, str]:
        """What is saved with the notebook, {media type: text}."""
        options = "".join(f"<li>{escape(option)}</li>" for option in self.options)
        html = f"<div><b>{escape(self.question)}</b></div><ul>{options}</ul>{self._result()}"
        lines = [self.question, *(f"* {option}" for option in self.options)]
        if self.guess is not None:
            lines += [f"{self._glyph} You guessed {self.guess}. It is {self.answer}."]
            lines += [self.because] if self.because else []
        return {
            "text/html": f'<div class="vae-twin-{self._name}">{html}</div>',
            "text/plain": "\n".join(lines),
        }

    @property
    def _glyph(self) -> str:
        return "✓" if self.guess == self.answer else "✗"

    def _result(self) -> str:
        """The answer as HTML: folded, or behind the guess if there is one."""
        said = f"It is <b>{escape(self.answer)}</b>."
        reason = f"<div>{escape(self.because)}</div>" if self.because else ""
        if self.guess is None:
            return f"<details><summary>Answer</summary><div>{said}</div>{reason}</details>"
        kind = "vae-right" if self.guess == self.answer else "vae-differs"
        glyph = f'<span class="{kind}">{self._glyph}</span>'
        return f"<div>{glyph} You guessed <b>{escape(self.guess)}</b>. {said}</div>{reason}"

    def _can_guess(self, _change: object) -> None:
        self.button.disabled = self.guess is not None or self.choice.value is None

    def _keep(self) -> None:
        """Keep the guess, for good, and show the answer."""
        if self.guess is not None or self.choice.value is None:
            return
        self.guess = self.choice.value
        self.reveal.html = self._result()
        self.choice.disabled = self.button.disabled = True
        self.button.layout.display = "none"
        if self._is_shown:
            update_display(self.twin, raw=True, display_id=self.model_id)

    def _ipython_display_(self) -> None:
        """Display the widget, with no text of its own, and the twin, which can change later."""
        self._is_shown = True
        display(self._repr_mimebundle_() | {"text/plain": ""}, raw=True)
        display(self.twin, raw=True, display_id=self.model_id)


def _texts(options: Sequence[str]) -> tuple[str, ...]:
    """The options, if they are 2-6 different texts; else ValueError."""
    listed = isinstance(options, (list, tuple)) and 2 <= len(options) <= 6
    texts = listed and all(isinstance(option, str) and option for option in options)
    if not texts or len(set(options)) < len(options):
        raise ValueError(f"options must be 2 to 6 different texts in a list, got {options!r}")
    return tuple(options)
