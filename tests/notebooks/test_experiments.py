"""Every experiment that the series reproduces is there, and every correction it owes is made where the topic is taught.

The series was asked for through five earlier tutorials, named S0 to S4 here and never in a
notebook.  Three tables: experiments (id -> notebook, heading, figures, settings), claims that had
to be measured, and what those tutorials got wrong.  A heading's section ends at the next heading of
the same or a higher level.
"""

import re
from collections import Counter
from typing import NamedTuple

import nbformat
import pytest
from test_notebooks import LEARNERS

NOTEBOOKS = {path.stem[:2]: path for path in LEARNERS}


class Experiment(NamedTuple):
    """shows: "kind: words of the alternative text" (kinds: png, gif, svg for drawn, widget, print).  says: settings."""

    id: str
    notebook: str
    heading: str
    shows: tuple[str, ...]
    says: tuple[str, ...]


SHARE = ("05", "Predict", ("png: Six scatters of means, the digits decoded over them",))
WIDE = ("04", "Wider, deeper?", ("png: For five networks and two values of beta: a scatter",))
SMALL = ("400-256, 400-128 and 256-128", "0.00784", "$10^{-5}$")
TABLE_48 = ("05", "A table of 48 columns")
TIMES_48 = (
    "8 × 6 pixels",
    "48 times the mean is the sum",
    "[1, 4, 8, 12, 16, 24, 48, 96, 192, 480]",
)
ATTRIBUTION = ("04", "What does one number mean?")
PRIORS = ("04", "How many numbers?", ("png: for 2, 8, 16 and 64 numbers decoded prior samples",))
GIFS = ("04", "Walking")
MOVE = ("05", "Move it")
MOVED = ("png: for beta 0, 0.1, 1 and 10 the decoded mean, a posterior sample and a prior sample",)
DEEP = ("05", "0, 12, 200")
TSNE = ("04", "The same glasses for everyone: t-SNE")
DEEP_TSNE = "png: Four t-SNE pictures. Beta 0, and beta 10 with 64 numbers"
DEEP_ROWS = "png: with beta 0 good reconstructions and new images that are tangles; with beta 200"

EXPERIMENTS = [
    Experiment("S0-0", "02", "Change 3 · Charge for it", ("svg: An image x enters the encoder",), ("μ and log σ²",)),
    Experiment("S0-A1", *SHARE, ("mlp([784, 400, 2 * k]", "0.5", "784")),
    Experiment("S0-A2", *SHARE, ("mlp([784, 400, 2 * k]", "0.01")),
    Experiment("S0-A3", *SHARE, ("mlp([784, 400, 2 * k]", "1e-7")),
    Experiment("S0-B1", *WIDE, (*SMALL, '"400-256"')),
    Experiment("S0-B2", *WIDE, (*SMALL, '"400-128"')),
    Experiment("S0-B3", *WIDE, (*SMALL, '"256-128"')),
    Experiment("S0-C1", *WIDE, (*SMALL, '"400-256"')),
    Experiment("S0-C2", *WIDE, (*SMALL, '"400-256-64"')),
    Experiment("S0-C3", *WIDE, (*SMALL, '"400-256-64-10"')),
    Experiment("S1-1", *TABLE_48, ("png: Times 1: all means in one point", "widget:"), TIMES_48),
    Experiment("S1-2", *TABLE_48, ("png: three identical standard normal densities", "widget:"), TIMES_48),
    Experiment("S1-3", *TABLE_48, ("png: Times 48: two separate clusters", "widget:"), TIMES_48),
    Experiment("S1-4", *TABLE_48, ("png: one narrow and shifted, one only narrower", "widget:"), TIMES_48),
    Experiment("S1-5", *ATTRIBUTION, ("png: heat maps of 3 latent numbers by 48 columns, for encoder",), ("jacrev",)),
    Experiment(
        "S1-6", *ATTRIBUTION, ("png: encoder and decoder", "png: Error against step size"), ("jacrev", "central")
    ),
    Experiment("S2-1", "04", "The map, twice", ("png: Means of test images as digit glyphs",), ("shipped.encode",)),
    Experiment("S2-2", *GIFS, ("gif: Animation morph_2_numbers: a 2 turns into a 1",), ("3, 8, 7, 9", "shipped")),
    Experiment("S2-3", *PRIORS, ("for k in sizes", "model.sample(12")),
    Experiment("S2-4", *TSNE, ("png: Three t-SNE pictures of digit glyphs",), ("vae_64",)),
    Experiment("S2-5", *PRIORS, ("for k in sizes", "model.sample(12")),
    Experiment("S2-6", *PRIORS, ("for k in sizes", "sampled_codes(model, x_test[:12])")),
    Experiment("S2-7", *GIFS, ("gif: Animation morph_64_numbers_2_to_1: a 2 turns into a 1",), ("vae_64",)),
    Experiment("S2-8", *GIFS, ("gif: Animation morph_64_numbers_4_to_0: a 4 turns into a 0",), ("vae_64",)),
    Experiment("S2-9", *MOVE, (*MOVED, "png: At 0 copies are sharp and prior samples are tangles"), ("64 numbers",)),
    Experiment("S2-10", *MOVE, MOVED, ("at $\\beta = 0$ posterior samples are sharp",)),
    Experiment("S2-11", *MOVE, (*MOVED, "png: at 10 copies are blurred"), ("the variety is down",)),
    Experiment("S2-12", *DEEP, (DEEP_TSNE,), ("64_numbers_beta_10",)),
    Experiment("S2-13", *MOVE, ("gif: for beta 10, a blurred 8 into a blurred 9",), ("[0, 1, 10]",)),
    Experiment("S3-1", *DEEP, (DEEP_TSNE, DEEP_ROWS), ("mlp", "[784, 512, 256, 2 * k]", "lr=1e-3", "(20, 0)")),
    Experiment("S3-2", *DEEP, (DEEP_TSNE, DEEP_ROWS), ("[784, 512, 256, 2 * k]", "lr=1e-3", "(20, 200)")),
    Experiment(
        "S3-3", *DEEP, (DEEP_TSNE, "png: A grid of decoded digits on normal quantiles"), ("(20, 12)", "(2, 12)")
    ),
    Experiment(
        "S3-4", "03", "4 · σ from what?", ("print: σ from    diverged  test −ELBO     largest gradient  range of σ",),
        ("softplus(rho)", "[784, 512, 256, 40]", "range(5)", "rates = [1e-3, 3e-3, 1e-2, 3e-2]"),
    ),
    Experiment(
        "S3-5", "05", "The KL against over-fitting", ("png: With beta 0 the validation curve turns up again",),
        ("[2, 8, 64], [0, 1], seeds", "lowest validation $-$ELBO"),
    ),
    Experiment("S4-1", *TSNE, ("png: a VAE without KL and of a VAE", "print: silhouette"), ("no_kl", "knn_accuracy")),
    Experiment("S4-2", *TSNE, ("png: of an autoencoder", "print: ae_64"), ("*reconstruction* makes the clusters",)),
    Experiment(
        "S4-3", "05", "Collapse, made and cured",
        ("png: KL of each of eight latent numbers", "print: gradient peak", "widget:"),
        ("linear_warmup", "cyclical", "free_bits_kl", '"constant": {}'),
    ),
    Experiment("S4-4", "07", "Predict", ("png: MIG, SAP and DCI's D against beta",), ("five seeds", "β-TCVAE")),
    Experiment("S4-5", "06", "Five kinds of images", ("png: by a VAE, softer; new digits of the VAE",), ("sharpness",)),
    Experiment("S4-6", "01", "Too long a code only copies", ("png: digits, three patches of photographs",), ("1024",)),
    Experiment("S4-6", "01", "A sparse code", ("png: with L1 they are single pen strokes",), ("**L1**", "active")),
    Experiment("S4-7", "08", "A code larger than the input", ("png: as the copier",), ("code_dim",)),
    Experiment(
        "S4-8", "06", "Beyond digits", ("png: Power against frequency", "png: foggy"), ("fashion_mnist", "Photographs")
    ),
    Experiment("S4-8", "08", "Another data set", ("png: images of clothes",), ("fashion_mnist",)),
    Experiment("S4-9", "09", "Generated images as training data", ("png:",), ("real", "generated", "both")),
]  # fmt: skip

IDS = [
    "S0-0", *(f"S0-{group}{n}" for group in "ABC" for n in (1, 2, 3)), *(f"S1-{n}" for n in range(1, 7)),
    *(f"S2-{n}" for n in range(1, 14)), *(f"S3-{n}" for n in range(1, 6)), *(f"S4-{n}" for n in range(1, 10)),
]  # fmt: skip


class Statement(NamedTuple):
    """Words that must stand, letter by letter but for line breaks, under a heading.

    about: what they answer.
    """

    notebook: str
    heading: str
    about: str
    words: str


CORRECTIONS = {  # about: the tutorial, and in a few words what it says
    ("01", "What the codes look like"): {
        "S1: an autoencoder's codes have no structure": "there *is* structure: equal digits lie together",
    },
    ("01", "A sparse code"): {
        "S4: a prior on data": "Both are a penalty on the *code*, which depends on the data.",
    },
    ("02", "The trouble"): {
        "S4: encoder p(z|x), decoder q(x|z)": "$p$ is the recipe, from code to data; $q$ is the guess that goes back",
    },
    ("02", "Sentences to read twice"): {
        "S0: samples the learned distribution": "generation samples the *prior*; $q(z\\mid x)$ is for given images",
        "S2: two numbers": "two *vectors*: $\\mu$ and $\\log\\sigma^2$",
        "S2: how likely the code created the image": "$q$ says which codes can have made the image",
        "S2: the most likely image": "it gives each pixel's *mean*; a draw from $p(x\\mid z)$ looks different",
        "S4: the trick makes it stochastic": "sampling does; the trick lets gradients through",
    },
    ("03", "4 · σ from what?"): {
        "S3: exp is less stable than softplus": "the two end with losses that overlap over seeds",
    },
    ("04", "Four sizes, and rivals"): {
        "S0: concentrated is more normal": "the means shrink to a point, while the samples are a perfect $N(0, I)$",
    },
    ("04", "How many numbers?"): {
        "S2: every code is pushed to a Gaussian": "the KL does not ask every code to be a standard normal",
        "S2: the decoder never saw such a code": "the prior puts mass where the aggregate has little",
    },
    ("04", "Wider, deeper?"): {
        "S0: KL ratio 0.99999": "the share of the *reconstruction*: its KL weight was $10^{-5}$",
    },
    ("04", "Predict"): {
        "S3: t-SNE of collapsed means": "Read the std of the means and the KL *before* you look",
    },
    ("04", "What does one number mean?"): {
        "S1: f(x + θ)/θ": "Without subtracting $f(z_1)$ that has no limit. Three ways against autograd",
    },
    ("04", "Sentences to read twice"): {
        "S2: t-SNE of 64 is better organized": "not comparable: same projection, or a number",
        "S4: good samples, good representations": "good samples mean a good representation | not implied",
    },
    ("05", "Move it"): {
        "S2: at β = 10 all posteriors are the prior": "not to the point where all posteriors are the prior",
    },
    ("05", "β is a price"): {
        "S3: β = 200 optimizes only the KL": "still a weighted sum, but no nat of rate saves 200 nats of distortion",
    },
    ("05", "Predict"): {
        "S0: 0.5 leaves no clusters": "$r = 0.5$ is $\\beta = 1$, and that shows clusters. Averaged, it is 784",
    },
    ("05", "A table of 48 columns"): {
        "S1: VAEs are hard to optimize": "no heuristic: 48 times the mean is the sum, and the loss is $-$ELBO again",
        "S1: three equal densities": "collapse, for each row, since no KL is negative",
    },
    ("05", "0, 12, 200"): {
        "S3: file names say 8, and Beta0": "elsewhere $\\beta = 10$ is called",
    },
    ("05", "β = 0 is not an autoencoder"): {
        "S2: β = 0 is deterministic": "But $z$ is still sampled; the network is only free to shrink the noise",
    },
    ("05", "Collapse, made and cured"): {
        "S4: a loose bound first": "that is a warm-up. It ends better. More stable?",
    },
    ("07", "Three words"): {
        "S4: disentangled = uncorrelated": "An earlier tutorial took the first word for the third.",
    },
    ("07", "Sentences to read twice"): {
        "S4: very high β disentangles": "an intermediate β; too high, and nothing is left to disentangle",
    },
    ("08", "Why it works: E[x | noisy x]"): {
        "S4: extra units remove the noise": "no special units",
    },
}
N_CORRECTIONS = {"S0": 4, "S1": 4, "S2": 8, "S3": 4, "S4": 8}

CLAIMS = {  # what had to be measured beside the figures, and the exercises that came of it
    ("03", "4 · σ from what?"): {
        "S3: the verdict on σ": "As far as these four tell, the rate decides.",
    },
    ("03", "6 · An audit"): {
        "the museum of losses": "a museum of losses of the kinds found in public code",
    },
    ("04", "Walking"): {
        "S2: digits on the path": "a walk passes through one to two third digits",
    },
    ("04", "How many numbers?"): {
        "S2: the gap grows with the code": "from 8 on the gap is there, and `low` grows",
    },
    ("04", "Wider, deeper?"): {
        "S0 (b): overlaps": "not that only 256-128 confuses 2 with 3, 5 and 8",
        "S0 (c): all three reconstruct alike": "**Width:** they do not reconstruct alike",
        "S0 (d): depth": "**Depth:** one more layer of 64 does not help",
    },
    ("04", "The same glasses for everyone: t-SNE"): {
        "S4: why there are clusters": "images that look alike get neighboring codes because the networks are smooth",
    },
    ("04", "What does one number mean?"): {
        "S1: attribution, checked": "on the table the right columns come out on top",
        "S1: the sentence cut off": "The effect of a number depends on where *you stand*, in all the others.",
    },
    ("05", "The sweep"): {
        "S2: diversity": "an effective number of classes",
    },
    ("05", "Predict"): {
        "S0 (a): more KL, no clusters": "More KL, fewer clusters: right, but the number 0.5 alone says nothing.",
    },
    ("05", "1 · The detective (five minutes, four words)"): {
        "who summed, who averaged": 'Was the reconstruction `"summed"` or `"averaged"`?',
    },
}
STATEMENTS = [
    Statement(notebook, heading, about, words)
    for table in (CORRECTIONS, CLAIMS)
    for (notebook, heading), said in table.items()
    for about, words in said.items()
]


# --- a section of a notebook, and the law


class Section(NamedTuple):
    markdown: str
    code: str
    printed: str
    pictures: list[str]  # "kind: alternative text"


def pieces(notebook):
    """The notebook in order: (level, title) of headings, strings of Markdown without them, code cells."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield cell
            continue
        fenced = False
        for line in cell.source.splitlines():
            fenced ^= line.startswith("```")
            heading = None if fenced else re.match(r"(#{1,6}) +(.+?)\s*$", line)
            yield (len(heading[1]), heading[2]) if heading else line


def section(notebook, title: str) -> Section:
    """What stands under a heading.  LookupError unless it is there exactly once."""
    found = list(pieces(notebook))
    starts = [n for n, piece in enumerate(found) if isinstance(piece, tuple) and piece[1] == title]
    if len(starts) != 1:
        raise LookupError(f"{len(starts)} headings {title!r}")
    lines, cells, level = [], [], found[starts[0]][0]
    for piece in found[starts[0] + 1 :]:
        if isinstance(piece, tuple) and piece[0] <= level:
            break
        if isinstance(piece, str):
            lines.append(piece)
        elif not isinstance(piece, tuple):
            cells.append(piece)
    text = one_line("\n".join(lines))
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    drawn = [
        f"{target.rsplit('.')[-1]}: {alt}"
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", text)
    ]
    return Section(
        text,
        "\n".join(cell.source for cell in cells),
        "\n".join(output.get("text", "") for output in outputs),
        drawn + [picture for output in outputs for picture in pictures(output)],
    )


def pictures(output) -> list[str]:
    kinds = {"image/png": "png", "image/gif": "gif"}
    data, metadata = output.get("data", {}), output.get("metadata", {})
    alts = {
        kind: one_line(metadata.get(mime, {}).get("alt", ""))
        for mime, kind in kinds.items()
        if mime in data
    }
    return [f"{kind}: {alt}" for kind, alt in alts.items()] + ["widget:"] * (
        "widget appears" in str(data)
    )


def one_line(text: str) -> str:
    return " ".join(text.split())


def missing(experiment: Experiment, notebook) -> list[str]:
    """What an experiment asks for and its notebook does not have."""
    try:
        found = section(notebook, experiment.heading)
    except LookupError as error:
        return [str(error)]
    wrong = []
    for asked in experiment.shows:
        kind, _, words = asked.partition(":")
        there = (
            [found.printed]
            if kind == "print"
            else [p for p in found.pictures if p.startswith(f"{kind}:")]
        )
        if not any(words.strip() in picture for picture in there):
            wrong.append(f"does not show {asked!r}")
    both = f"{found.markdown}\n{found.code}"
    return wrong + [f"does not say {words!r}" for words in experiment.says if words not in both]


def not_said(statement: Statement, notebook) -> list[str]:
    """Why a statement does not stand in its notebook, as a list."""
    try:
        text = section(notebook, statement.heading).markdown
    except LookupError as error:
        return [str(error)]
    return [] if statement.words in text else [f"does not say {statement.words!r}"]


def notebook_of(row):
    return nbformat.read(NOTEBOOKS[row.notebook], as_version=4)


# --- the laws, asked about the series


@pytest.mark.parametrize("row", EXPERIMENTS, ids=lambda row: f"{row.id} in {row.notebook}")
def test_the_experiment_is_there(row):
    assert missing(row, notebook_of(row)) == []


@pytest.mark.parametrize("row", STATEMENTS, ids=lambda row: f"{row.about} in {row.notebook}")
def test_it_is_said_where_it_is_taught(row):
    assert not_said(row, notebook_of(row)) == []


def test_the_tables_are_complete():
    assert len(IDS) == len(set(IDS)) == 43
    assert list(dict.fromkeys(row.id for row in EXPERIMENTS)) == IDS
    assert all(row.shows and row.says for row in EXPERIMENTS)
    assert Counter(about[:2] for said in CORRECTIONS.values() for about in said) == N_CORRECTIONS
    assert len({row.about for row in STATEMENTS}) == len(STATEMENTS)
    assert {row.notebook for row in [*EXPERIMENTS, *STATEMENTS]} == {
        f"{n:02}" for n in range(1, 10)
    }


# --- the laws themselves


def a_notebook(*cells):  # Markdown, or code and its outputs
    def cell(content):
        if isinstance(content, str):
            return nbformat.v4.new_markdown_cell(content)
        return nbformat.v4.new_code_cell(content[0], outputs=list(content[1:]))

    return nbformat.v4.new_notebook(cells=[cell(content) for content in cells])


def a_picture(alt: str, mime: str = "image/png"):
    return nbformat.v4.new_output("display_data", data={mime: ""}, metadata={mime: {"alt": alt}})


GOOD = a_notebook(
    "# 1 · A\ntext\n## The figure\nwith\nbeta 7",
    ("plot(lr=3)", a_picture("A blue  line")),
    "### Below\nmore\n```\n## no heading\n```\n![A box](box.svg)\n## Next\nelse",
    (
        "other()",
        a_picture("A red line", "image/gif"),
        nbformat.v4.new_output("stream", text="loss 3"),
    ),
)


@pytest.mark.parametrize(
    ("row", "n_wrong"),
    [
        (
            (
                "The figure",
                ("png: A blue line", "svg: box"),
                ("lr=3", "with beta 7", "## no heading"),
            ),
            0,
        ),
        (("Next", ("gif: red", "print: loss"), ("else",)), 0),
        (("The figure", ("png: red",), ()), 1),  # in another section
        (("Below", ("png: A blue line",), ()), 1),  # above the heading
        (("The figure", ("gif: A blue line",), ()), 1),  # no animation
        (("The figure", ("widget:",), ()), 1),
        (("Next", ("print: loss 4",), ()), 1),
        (("The figure", ("png:",), ("lr=4", "else")), 2),
        (("No such heading", ("png:",), ()), 1),
        (("no heading", ("png:",), ()), 1),  # inside fenced code
    ],
)
def test_missing(row, n_wrong):
    assert len(missing(Experiment("S0-0", "01", *row), GOOD)) == n_wrong


def test_a_heading_that_is_there_twice_names_no_section():
    assert missing(Experiment("S0-0", "01", "B", (), ()), a_notebook("## B\n## B")) == [
        "2 headings 'B'"
    ]


@pytest.mark.parametrize(
    ("heading", "words", "said"),
    [
        ("The figure", "with beta 7", True),
        ("Next", "beta 7", False),
        ("The figure", "lr=3", False),
        ("X", "e", False),
    ],
)
def test_not_said(heading, words, said):
    assert (not_said(Statement("01", heading, "", words), GOOD) == []) == said


def test_a_widget_is_seen():
    note = nbformat.v4.new_output(
        "display_data", data={"text/markdown": "*The widget appears here ...*"}
    )
    assert pictures(note) == ["widget:"]
