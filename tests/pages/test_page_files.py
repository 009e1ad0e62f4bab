"""Exported pages as files: one each, which refers to nothing outside; or an error, and no file."""

import base64
import json
import math
import re

import pytest
import torch
from torch import nn

from tutorial_utils.models import VAE, Autoencoder, mlp
from tutorial_utils.pages.html import MAX_BYTES
from tutorial_utils.pages.playground import export_playground
from tutorial_utils.pages.slider import export_slider
from tutorial_utils.plotting import to_png
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.studios.base import Part
from tutorial_utils.studios.beta_slider import model_slider
from tutorial_utils.training import local_seed


def panels(size: int = 20) -> dict[str, list[Part]]:
    """Two panels with a line and a picture of noise."""
    with local_seed(0):
        pngs = [to_png(torch.rand(size, size)) for _ in "ab"]
    return {
        label: [Part("", f"<p>{label}</p>", label), Part(f"noise\n{label}", png, f"noise {label}")]
        for label, png in zip("ab", pngs, strict=True)
    }


def playground(path):
    return export_playground(load_pretrained("vae_2d"), path)


def playground_of_two(path):
    models = {"2 </script>": load_pretrained("vae_2d"), "20": load_pretrained("vae_20d")}
    return export_playground(models, path)


def slider(path):
    return export_slider("β", panels(), path)


@pytest.mark.parametrize("export", [playground, playground_of_two, slider])
def test_one_file_that_refers_to_nothing_outside(export, tmp_path):
    path = export(str(tmp_path / "new" / "a.html"))
    assert path == tmp_path / "new" / "a.html" and list(path.parent.iterdir()) == [path]
    page = path.read_text(encoding="utf-8")
    assert len(page.encode()) <= MAX_BYTES == 1_500_000
    addresses = re.findall(r"(?:src|href|url|action)\s*[=(]\s*[\"']?([^\"')\s>]+)", page)
    assert set(addresses) == {"data:,", "https://creativecommons.org/licenses/by-sa/3.0/"}
    assert "default-src 'none'" in page and "<!-- " not in page and "Yann LeCun" in page


@pytest.mark.parametrize("export", [playground, slider])
def test_where_nothing_can_be_written_the_page_is_elsewhere_and_that_is_said(
    export, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    path = export(tmp_path / "file" / "a.html")
    assert path == tmp_path / "temporary" / "a.html" and path.stat().st_size > 10_000
    assert str(path) in capsys.readouterr().out


def test_own_images_carry_no_credit_of_mnist(make_vae, digits, tmp_path):
    path = tmp_path / "a.html"
    for page in (
        export_playground(make_vae(), path, x=digits.x_test, y=digits.y_test).read_text("utf-8"),
        export_slider("β", panels(), path, credit="").read_text("utf-8"),
    ):
        assert "LeCun" not in page


def test_the_slider_page_holds_what_the_widget_shows(tmp_path):
    page = slider(tmp_path / "a.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="vae-panels">(.*?)</script>', page, re.S)[1])
    assert data["labels"] == ["a", "b"]
    for label, parts in zip(data["labels"], data["panels"], strict=True):
        for part in parts:
            if "png" in part:
                part["png"] = base64.b64decode(part["png"])
        assert parts == model_slider("β", panels(), start=label).view.parts


def new_vae(k: int, down: list[int], up: list[int]) -> VAE:
    encoder = mlp([784, *down, 2 * k], activation=nn.GELU)
    decoder = mlp([k, *up, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    return VAE(encoder, decoder, latent_dim=k)


def test_the_models_of_notebook_04_fit_just_trained_as_well_as_from_the_shelf(tmp_path):
    plane, larger = new_vae(2, [256, 128, 64], [64, 128, 256]), new_vae(32, [256], [256, 256])
    for models in (plane, {"2 numbers": plane, "32 numbers": larger}):
        path = export_playground(models, tmp_path / "a.html")
        assert path.stat().st_size <= MAX_BYTES


def weights_of(path) -> list[list]:
    """What a page says of each layer with weights: kind, numbers in and out, levels."""
    text = path.read_text(encoding="utf-8")
    meta = json.loads(re.search(r'id="meta">(.*?)</script>', text, re.S)[1])
    layers = [layer for model in meta["models"] for layer in model["decoder"] + model["encoder"]]
    return [layer for layer in layers if layer[0] == "Linear"]


def test_rows_of_8_bits_stay_8_bits_and_others_get_16_where_they_fit(tmp_path, make_vae, digits):
    shelved = weights_of(playground_of_two(tmp_path / "a.html"))
    assert len(shelved) == 13
    for _, n_in, n_out, levels in shelved:  # small ones lie on the shelf in half precision
        assert levels == (127 if n_in * n_out >= 1024 else 32767)
    path = export_playground(make_vae(), tmp_path / "b.html", x=digits.x_test, y=digits.y_test)
    assert {levels for *_, levels in weights_of(path)} == {32767}


TOO_LARGE = r"too large for one page: \d\.\d\d MB, more than 1\.50"


def test_panels_that_are_too_large_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match=TOO_LARGE):
        export_slider("β", panels(900), tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


def with_encoder(*layers) -> Autoencoder:
    """A model of 8x8 images with two latent numbers and these layers as its encoder."""
    return Autoencoder(nn.Sequential(*layers), mlp([2, 64], out_shape=(1, 8, 8)))


def a_convolution() -> VAE:
    layers = nn.Unflatten(1, (2, 1, 1)), nn.ConvTranspose2d(2, 1, 8)
    return VAE(mlp([64, 4]), nn.Sequential(*layers), latent_dim=2)


def a_decode_of_its_own() -> VAE:
    model = with_encoder(nn.Flatten(), nn.Linear(64, 2))
    model.decode = lambda z: model.decoder(z) + 1
    return model


def not_a_number() -> VAE:
    model = with_encoder(nn.Flatten(), nn.Linear(64, 2))
    nn.init.constant_(model.encoder[1].bias, math.nan)
    return model


def too_wide() -> Autoencoder:
    return Autoencoder(mlp([64, 6000, 2]), mlp([2, 6000, 200, 64], out_shape=(1, 8, 8)))


FLAT, LAST = nn.Flatten(), nn.Linear(64, 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: with_encoder(FLAT, LAST, nn.BatchNorm1d(2)), TypeError, "encoder.*BatchNorm1d"),
        (lambda: with_encoder(FLAT, nn.GELU("tanh"), LAST), ValueError, "encoder.*tanh"),
        (lambda: with_encoder(nn.Linear(8, 8), FLAT, LAST), ValueError, "flatten.*64 numbers"),
        (lambda: with_encoder(FLAT, nn.Linear(64, 1)), ValueError, "two latent numbers"),
        (lambda: load_pretrained("vae_2d"), ValueError, r"shape.*\[360, 1, 8, 8\]"),
        (nn.Module, TypeError, "decoder.*NoneType"),
        (a_convolution, TypeError, "decoder.*ConvTranspose2d"),
        (a_decode_of_its_own, ValueError, "model.decode must be model.decoder"),
        (not_a_number, ValueError, "finite"),
        (too_wide, ValueError, TOO_LARGE),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    make, error, message, digits, make_vae, tmp_path
):
    path, images = tmp_path / "a.html", {"x": digits.x_test, "y": digits.y_test}
    with pytest.raises(error, match=message):
        export_playground(make(), path, **images)
    if make is not too_wide:
        with pytest.raises(error, match=rf"models\['b'\]: .*{message}"):
            export_playground({"a": make_vae(), "b": make()}, path, **images)
    assert not list(tmp_path.iterdir())


def test_a_dict_without_models_and_a_label_that_is_no_text_are_refused(make_vae, tmp_path):
    with pytest.raises(ValueError, match="models must hold at least one model, got none"):
        export_playground({}, tmp_path / "a.html")
    with pytest.raises(ValueError, match="a label in models must be a text, got 2"):
        export_playground({2: make_vae()}, tmp_path / "a.html")


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (torch.rand(5, 1, 8, 8), None, ValueError, "together"),
        (None, torch.arange(5), ValueError, "together"),
        (torch.rand(5, 1, 8, 8), torch.arange(4), ValueError, "x and y must have the same length"),
        (torch.rand(5, 3, 8, 8), torch.arange(5), ValueError, "gray"),
        (2 * torch.ones(5, 1, 8, 8), torch.arange(5), ValueError, r"\[0, 1\]"),
        (torch.rand(5, 1, 8, 8), torch.rand(5), TypeError, "whole numbers"),
        (torch.rand(300, 1, 8, 8), torch.arange(300), ValueError, "255 classes"),
    ],
)
def test_bad_images_are_refused(x, y, error, message, make_vae, tmp_path):
    with pytest.raises(error, match=message):
        export_playground(make_vae(), tmp_path / "a.html", x=x, y=y)
