import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media_files import picture, smooth
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import DataError, UsageError
from rzen.evaluation.fidelity.agreement import check
from rzen.evaluation.fidelity.cases import read_folder
from rzen.protocols import Encoder
from rzen.types import Content, Encoded, Frames, Image, Role, Text, Video

GOLDEN = Path(__file__).parents[3] / "golden" / "rzenembed-tiny"
Call = tuple[Role, str | None, tuple[Content, ...]]


class Told(DummyEncoder):
    """Gives the vectors it was told, row by row over all calls, and keeps what it was asked."""

    dim = 2

    def __init__(self, *vectors: Sequence[float], failed: Mapping[int, str] | None = None) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._left = list(vectors)
        self._failed = failed or {}

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        assert dim is None
        self.calls.append((role, instruction, tuple(contents)))
        given, self._left = self._left[: len(contents)], self._left[len(contents) :]
        return Encoded(
            vectors=np.array(given, np.float32),
            failed=self._failed,
            warnings={0: ["its end was left out"]},
        )


def folder_of(
    path: Path, *cases: Mapping[str, Any], reference: Sequence[Sequence[float]] | None = None
) -> Path:
    inputs = path / "inputs"
    inputs.mkdir(parents=True)
    for seed in range(3):
        (inputs / f"{seed}.png").write_bytes(picture(smooth(30 + seed, 20, seed=seed)))
    (path / "cases.json").write_text(json.dumps(cases), "utf-8")
    np.save(path / "reference.npy", np.array(reference or [[1.0, 0.0]] * len(cases)))
    return path


def texts(count: int) -> list[dict[str, Any]]:
    return [{"id": f"text-{at}", "text": f"text {at}"} for at in range(count)]


def test_distances_are_one_minus_the_cosine(tmp_path: Path) -> None:
    """Rows are compared with another row's, lengths count, or small distances drown in rounding."""
    reference = [[1.0, 0.0], [0.0, 3.0], [1.0, 0.0], [0.0, 1.0]]
    folder = folder_of(tmp_path / "toy", *texts(4), reference=reference)
    slant = (math.cos(1e-6), math.sin(1e-6))
    found = check(Told((2.0, 0.0), (0.0, -1.0), (0.5, math.sqrt(0.75)), slant[::-1]), folder)
    assert list(found.distances) == ["text-0", "text-1", "text-2", "text-3"]
    assert found.distances["text-0"] == 0.0
    assert found.distances["text-1"] == pytest.approx(2.0)
    assert found.distances["text-2"] == pytest.approx(0.5)
    assert found.distances["text-3"] == pytest.approx(5e-13, rel=0.1)
    assert found.worst == ("text-1", found.distances["text-1"])
    assert found.differing == ("text-1", "text-2")
    assert not found.faithful


def test_the_tolerance_is_the_callers(tmp_path: Path) -> None:
    """bfloat16 can never pass, or float32 passes with any error."""
    folder = folder_of(tmp_path / "toy", *texts(1))
    near = (1.0, 0.02)  # 2e-4
    assert not check(Told(near), folder).faithful
    lenient = check(Told(near), folder, tolerance=1e-3)
    assert lenient.faithful
    assert lenient.suspects == ()
    for tolerance in (0.0, -1.0, 2.0, math.nan):
        with pytest.raises(UsageError, match="1e-4 for float32"):
            check(Told(near), folder, tolerance=tolerance)


def test_a_case_is_encoded_as_it_is_written(tmp_path: Path) -> None:
    """The instruction lands in the text, the role is dropped, or frames become pictures."""
    folder = folder_of(
        tmp_path / "toy",
        {"id": "a", "text": " a boat ", "instruction": "Find it. "},
        {
            "id": "b",
            "text": "words",
            "image": "0.png",
            "images": ["1.png"],
            "video_frames": ["2.png", "0.png"],
            "fps": 2.0,
            "role": "document",
        },
        {"id": "c", "text": None, "image": None, "instruction": "Find it. "},
    )
    encoder = Told((1.0, 0.0), (1.0, 0.0), (1.0, 0.0))
    assert check(encoder, folder).faithful
    (role, instruction, (first, empty)), (other, none, (mixed,)) = encoder.calls
    assert (role, instruction, other, none) == ("query", "Find it. ", "document", "")
    assert first.parts == (Text(" a boat "),)
    assert empty.parts == (Text(""),)
    video, one, two, words = mixed.parts
    assert isinstance(video, Video)
    assert isinstance(video.source, Frames)
    assert video.source.times == (0.0, 0.5)
    for pixels, seed in zip(video.source.pixels, (2, 0), strict=True):
        np.testing.assert_array_equal(pixels, smooth(30 + seed, 20, seed=seed))
    assert isinstance(one, Image)
    assert isinstance(two, Image)
    assert (one.source, two.source) == (folder / "inputs" / "0.png", folder / "inputs" / "1.png")
    assert words == Text("words")


def test_rows_find_their_cases_again(tmp_path: Path) -> None:
    """Cases are encoded by role and instruction; their vectors come back in that order."""
    cases = texts(4)
    for at in (0, 3):
        cases[at]["instruction"] = "Find it."
    reference = [[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [-1.0, 0.0]]
    folder = folder_of(tmp_path / "toy", *cases, reference=reference)
    in_call_order = [reference[at] for at in (0, 3, 1, 2)]
    found = check(Told(*in_call_order), folder)
    assert found.faithful
    assert list(found.distances) == [case["id"] for case in cases]
    assert found.warnings == dict.fromkeys(("text-0", "text-1"), ("its end was left out",))


def test_what_cannot_be_encoded_is_not_faithful(tmp_path: Path) -> None:
    """A failed row is zero: it counts as a distance, or is left out and the rest passes."""
    folder = folder_of(tmp_path / "toy", *texts(3))
    encoder = Told((1.0, 0.0), (0.0, 0.0), (math.nan, 0.0), failed={1: "does not take text"})
    found = check(encoder, folder)
    assert not found.faithful
    assert found.failed["text-1"] == "does not take text"
    assert "no usable vector" in found.failed["text-2"]
    assert found.distances == {"text-0": 0.0}
    assert found.suspects == ()
    nothing = check(Told((0.0, 0.0)), folder_of(tmp_path / "other", *texts(1)))
    assert nothing.worst is None
    assert not nothing.faithful


def test_the_published_formats_are_read() -> None:
    """A key of the published fixtures is unknown here."""
    cases, reference_ND = read_folder(GOLDEN)
    assert reference_ND.shape == (16, 64)
    by_id = {case.id: case for case in cases}
    assert by_id["text-0"].instruction is None
    assert by_id["video-text-0"].frames == 4
    assert by_id["video-text-0"].content.modality == "video"
    assert by_id["image-text-2"].text == "  leading and trailing spaces  "
    assert by_id["image-text-2"].pixels == 1280 * 720
    assert {case.role for case in cases} == {"query"}


def test_another_encoder_than_the_published_one_is_told() -> None:
    """The dummy passes for RzenEmbed, or nothing is said of what these cases cannot show."""
    encoder: Encoder = DummyEncoder()
    found = check(encoder, GOLDEN)
    assert len(found.differing) == 16
    assert "pooling" in found.suspects[0]
    assert found.unseen == ("no case is a document: instructed candidates would not be noticed",)


def deleted(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def written(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def array(values: Any) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / "reference.npy", np.array(values))


def archive(folder: Path) -> None:
    with (folder / "reference.npy").open("wb") as file:
        np.savez(file, one=np.ones((1, 2)))


def cases(text: str) -> Callable[[Path], object]:
    return written("cases.json", text.encode())


HARMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no cases.json": (deleted("cases.json"), "cases.json: cannot be read"),
    "no reference": (deleted("reference.npy"), "reference.npy: cannot be read"),
    "no picture": (deleted("inputs/0.png"), "case 'one'.*0.png"),
    "cut picture": (written("inputs/0.png", b"\x89PNG\r\n\x1a\n"), "case 'one'.*0.png"),
    "no picture in it": (written("inputs/0.png", b"a text"), "is text, not image"),
    "cut array": (written("reference.npy", b"\x93NUMPY"), "no plain array"),
    "empty array": (written("reference.npy", b""), "no plain array"),
    "archive": (archive, "no plain array"),
    "pickle": (array([{}]), "no plain array"),
    "whole numbers": (array([[1, 2]]), "int64 .1, 2., where floats"),
    "one dimension": (array([1.0, 1.0]), "float64 .2,., where floats"),
    "not finite": (array([[1.0, math.nan]]), "row 0 is zero or not finite"),
    "zero": (array([[0.0, 0.0]]), "row 0 is zero or not finite"),
    "more vectors": (array([[1.0, 1.0]] * 2), "1 cases and reference.npy 2 vectors"),
    "other dimension": (array([[1.0] * 3]), "3 dimensions, but dummy makes 2"),
    "broken JSON": (cases("[{"), "cases.json: the whole"),
    "nothing": (cases("[]"), "no cases"),
    "unknown key": (cases('[{"id": "one", "audio": "a.wav"}]'), "0.audio: Extra inputs"),
    "wrong type": (cases('[{"id": "one", "text": 7}]'), "0.text: .*string"),
    "unknown role": (cases('[{"id": "one", "role": "x"}]'), "0.role: .*'query' or 'document'"),
    "no frames": (cases('[{"id": "one", "video_frames": []}]'), "0.video_frames"),
    "no speed": (cases('[{"id": "one", "fps": 0}]'), "0.fps"),
    "speed in words": (cases('[{"id": "one", "fps": "2"}]'), "0.fps"),
    "one id twice": (cases('[{"id": "one"}, {"id": "one"}]'), "two cases have the id 'one'"),
    "path upwards": (cases('[{"id": "one", "image": "../cases.json"}]'), "outside of"),
    "path from the root": (cases('[{"id": "one", "image": "/etc/hostname"}]'), "outside of"),
}


@pytest.mark.parametrize(("harm", "told"), HARMS.values(), ids=HARMS.keys())
def test_a_bad_folder_is_told_with_the_way_out(
    tmp_path: Path, harm: Callable[[Path], object], told: str
) -> None:
    """A traceback, a pickle that is run, or a comparison with half of the data."""
    folder = folder_of(tmp_path / "toy", {"id": "one", "image": "0.png"})
    assert check(Told((1.0, 0.0)), folder).faithful
    harm(folder)
    with pytest.raises(DataError, match=told) as caught:
        check(Told((1.0, 0.0)), folder)
    assert ": " in str(caught.value)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """An empty folder passes, for nothing differs in it."""
    with pytest.raises(DataError, match=r"holds cases\.json, inputs/ and reference\.npy"):
        check(Told(), tmp_path / "nowhere")


def test_needs_no_torch() -> None:
    """Whoever compares vectors of a remote encoder waits for torch, or has to install it."""
    code = "import sys, rzen.evaluation.fidelity.agreement; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
