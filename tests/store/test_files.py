"""Files of the cache: a damaged, half-written or foreign one is never used, and none stays open."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from tutorial_utils.data import DamagedFile
from tutorial_utils.store.files import (
    CachedFile,
    clear,
    embeddings_dir,
    models_dir,
    read_tensors,
    write_atomically,
)

needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
TENSORS = {
    "weight": torch.rand(5, 3, generator=torch.Generator().manual_seed(0)),
    "half": torch.ones(2).half(),
    "number": torch.tensor(7),
    "none": torch.zeros(0, 2),
}
TEXT = '{"seconds": [0.1], "pid": "β"}'


@pytest.fixture
def file(tmp_path) -> CachedFile:
    """A file with TENSORS and TEXT."""
    file = CachedFile(tmp_path / "models", "toy", "1234")
    assert file.load() is None and file.save(TENSORS, TEXT)
    return file


def holds(file: CachedFile) -> bool:
    """Whether the file gives back TENSORS and TEXT, to the last bit."""
    tensors, text = file.load()
    same = all(
        torch.equal(tensors[name], value) and tensors[name].dtype == value.dtype
        for name, value in TENSORS.items()
    )
    return same and tensors.keys() == TENSORS.keys() and text == TEXT


def test_what_is_saved_is_loaded(file, capsys):
    assert holds(file) and file.path.name == "toy-1234.safetensors"
    assert capsys.readouterr() == ("", "")


def test_what_is_loaded_can_be_written_to(file):
    tensors, _ = file.load()
    tensors["weight"] += 1
    assert holds(file)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_a_file_that_was_read_is_neither_mapped_nor_open(file):
    """Windows cannot replace a file that a process holds."""
    tensors, _ = file.load()
    opened = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert str(file.path) not in Path("/proc/self/maps").read_text() + str(opened)
    assert len(tensors) == len(TENSORS)


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGES = {
    "last byte cut": lambda content: content[:-1],
    "half": lambda content: content[: len(content) // 2],
    "cut in the header": lambda content: content[:20],
    "empty": lambda content: b"",
    "the first bit flipped": lambda content: flip(content, 0),
    "a bit of a weight flipped": lambda content: flip(content, len(content) - 3),
    "a bit of the text flipped": lambda content: flip(content, content.index(b"pid") + 2),
    "no text": lambda content: content.replace(b'"history"', b'"histosy"'),
    "a pickle": lambda content: pickle.dumps({"weight": [1.0]}),
    "noise": lambda content: bytes(range(256)) * 4,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_reported_in_one_line_and_can_be_replaced(file, capsys, damage):
    content = file.path.read_bytes()
    file.path.write_bytes(damage(content))
    assert file.path.read_bytes() != content and file.load() is None
    said = capsys.readouterr().out
    assert said.startswith(f"toy: {file.path} ") and said.endswith(". Making it again.\n")
    assert said.count("\n") == 1 and file.save(TENSORS, TEXT) and holds(file)


def test_a_file_made_for_another_key_is_refused(file):
    with pytest.raises(DamagedFile, match="damaged or was made for something else"):
        read_tensors(file.path, "5678")


def test_a_folder_under_the_name_is_reported_too(file, capsys):
    file.path.unlink()
    file.path.mkdir()
    assert file.load() is None and "cannot be read" in capsys.readouterr().out


def test_a_full_disk_is_reported_not_raised(file, capsys, monkeypatch):
    def full(*_):
        raise OSError("disk full (on purpose)")

    monkeypatch.setattr(os, "fsync", full)
    assert file.save({}, "") is False
    assert capsys.readouterr().out == "toy: made, but not saved: disk full (on purpose)\n"
    assert holds(file) and list(file.folder.iterdir()) == [file.path]
    with pytest.raises(OSError, match="disk full"):
        write_atomically(file.path, b"new")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "a.b", 7])
def test_a_bad_name_is_named(name, tmp_path):
    with pytest.raises(ValueError, match="name must consist of letters, digits, '-' and '_', got"):
        CachedFile(tmp_path, name, "1")


def test_clear_deletes_finished_and_half_written_files_and_counts_them(empty_data_dir):
    assert clear() == 0
    for folder in (models_dir(), embeddings_dir()):
        assert folder.is_relative_to(empty_data_dir)
        assert CachedFile(folder, "toy", "1").save(TENSORS, "")
    (models_dir() / "toy-2.safetensors.abc123").write_bytes(b"half")
    (models_dir() / "notes.txt").write_text("of the learner")
    assert clear() == 3 and [path.name for path in models_dir().iterdir()] == ["notes.txt"]
    assert not list(embeddings_dir().iterdir()) and clear() == 0


def test_write_atomically_writes_replaces_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "deep" / "file.bin"
    for content in (b"one", b"two", b""):
        write_atomically(path, content)
        assert path.read_bytes() == content and list(path.parent.iterdir()) == [path]


@needs_kill
def test_kill_in_the_middle_of_a_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")
    code = """
        import os, sys, time
        from pathlib import Path
        from tutorial_utils.store.files import write_atomically
        def slow(handle):  # the bytes are in the temporary file, which has not got its name
            print("writing", flush=True)
            time.sleep(60)
        os.fsync = slow
        write_atomically(Path(sys.argv[1]), b"new" * 100_000)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        during = list(tmp_path.iterdir())
        process.send_signal(signal.SIGKILL)
    assert len(during) == 2, "it was in the middle"
    assert path.read_bytes() == b"old"
    write_atomically(path, b"newer")
    assert path.read_bytes() == b"newer"
