from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import media_files
from evaluation_sets import TableEncoder, scattered
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import EncoderError
from rzen.evaluation import encoding
from rzen.evaluation.encoding import EncodedContents, EncodingTask, encode_contents, peak_bytes
from rzen.evaluation.vector_cache import VectorCache
from rzen.protocols import Encoder
from rzen.types import Content, Encoded, Image, Modality, Text, Vectors

TASK = EncodingTask(set_name="stamps", role="document")


def texts(*each: str) -> dict[str, Content]:
    return {f"id of {text}": Content(Text(text)) for text in each}


def encoded(
    tmp_path: Path, contents: dict[str, Content], encoder: Encoder, **options: Any
) -> EncodedContents:
    with VectorCache(tmp_path / "v.sqlite", dim=encoder.dim) as cache:
        return encode_contents(contents, encoder, cache, options.pop("task", TASK), **options)


def table(**options: Any) -> TableEncoder:
    return TableEncoder(scattered, dim=4, **options)


def test_vectors_come_in_the_order_of_the_contents(tmp_path: Path) -> None:
    """Guards against rows that are shuffled by batching, or by what was cached."""
    names = [f"text {number}" for number in range(200)]
    encoded(tmp_path, texts(*names[50:120:3]), table())
    found = encoded(tmp_path, texts(*names), table())
    expected = np.stack([np.array(scattered(name)) for name in names])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert found.ids == tuple(f"id of {name}" for name in names)
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    assert found.vectors.dtype == np.float32


def test_equal_contents_are_encoded_once(tmp_path: Path) -> None:
    """A pool with the same document under many ids must not pay for each, nor pass for warm."""
    encoder = table()
    contents = {"a": Content(Text("boat")), "b": Content(Text("tree")), "c": Content(Text("boat"))}
    found = encoded(tmp_path, contents, encoder)
    assert [text for text, _, _ in encoder.asked] == ["boat", "tree"]
    assert (found.vectors[0] == found.vectors[2]).all()
    assert found.digests["a"] == found.digests["c"] != found.digests["b"]
    assert (found.cost.items, found.cost.cached) == (2, 0), "nothing was found in the cache"
    again = encoded(tmp_path, contents, table())
    assert (again.cost.items, again.cost.cached) == (0, 2)


def test_what_is_cached_is_not_encoded_again(tmp_path: Path) -> None:
    """The second run of a suite must cost nothing, and give the very same vectors."""
    first = encoded(tmp_path, texts("boat", "tree"), table(tokens=3))
    encoder = table(tokens=3)
    again = encoded(tmp_path, texts("boat", "tree", "sun"), encoder)
    assert [text for text, _, _ in encoder.asked] == ["sun"]
    assert (again.vectors[:2] == first.vectors).all()
    assert (first.cost.items, first.cost.cached, first.cost.tokens) == (2, 0, 6)
    assert (again.cost.items, again.cost.cached, again.cost.tokens) == (1, 2, 3)


def test_role_and_instruction_reach_the_encoder_and_part_the_vectors(tmp_path: Path) -> None:
    """A document's vector for a query's would hide a wrong template."""
    encoder = table()
    tasks = [
        EncodingTask(set_name="stamps", role="query", instruction="Find it"),
        EncodingTask(set_name="stamps", role="query"),
        EncodingTask(set_name="stamps", role="document"),
        EncodingTask(set_name="other", role="document"),
    ]
    for task in tasks:
        encoded(tmp_path, texts("boat"), encoder, task=task)
    assert encoder.asked == [
        ("boat", "query", "Find it"),
        ("boat", "query", None),
        ("boat", "document", None),
    ]


@pytest.mark.parametrize(
    ("vector", "problem"),
    [
        ([np.nan, 0.0], "NaN"),
        ([np.inf, 0.0], "infinite"),
        ([0.0, 0.0], "a zero vector"),
        ([3.0, 4.0], "length 5"),
        ([0.998, 0.0], r"length 0\.998"),
    ],
)
def test_what_is_no_unit_vector_ends_the_run_by_name(
    tmp_path: Path, vector: list[float], problem: str
) -> None:
    """NaN compares with nothing and long vectors win everything: both look like scores."""
    encoder = TableEncoder({"boat": [1.0, 0.0], "tree": np.array(vector)}, name="wild")
    with pytest.raises(EncoderError, match=problem) as caught:
        encoded(tmp_path, texts("boat", "tree"), encoder)
    assert "'wild'" in str(caught.value)
    assert "document 'id of tree' of set 'stamps'" in str(caught.value)
    sound = TableEncoder({"boat": [1, 0], "tree": [1, 0]}, name="wild")
    encoded(tmp_path, texts("boat", "tree"), sound)
    assert len(sound.asked) == 2, "nothing of the bad batch may have been kept"


def test_lengths_that_are_off_by_rounding_are_mended(tmp_path: Path) -> None:
    """bfloat16 vectors are off by less than a thousandth, which would move cosines by as much."""
    encoder = TableEncoder({"boat": np.array([0.9995, 0.0])})
    found = encoded(tmp_path, texts("boat"), encoder)
    assert found.vectors.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("shape", [(1, 2), (2, 3), (2,)])
def test_an_array_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Rows that are missing would shift all that follow."""

    class Odd(TableEncoder):
        def encode(self, *_: Any, **__: Any) -> Encoded:
            vectors: Vectors = np.ones(shape, np.float32)
            return Encoded(vectors=vectors)

    with pytest.raises(EncoderError, match="rows are missing"):
        encoded(tmp_path, texts("boat", "tree"), Odd({}))


def test_contents_that_cannot_be_opened_fail_alone(tmp_path: Path) -> None:
    """One lost picture must not cost the other thousand, and must not pass for a vector."""
    (tmp_path / "sound.png").write_bytes(media_files.picture(media_files.smooth(20, 20)))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    contents = {
        name: Content(Image(tmp_path / f"{name}.png")) for name in ("broken", "gone", "sound")
    }
    steps: Counter[Modality] = Counter()
    found = encoded(
        tmp_path,
        contents,
        DummyEncoder(),
        on_step=lambda kind, count, *_: steps.update({kind: count}),
    )
    assert found.failed.keys() == {"broken", "gone"}
    assert "gone.png" in found.failed["gone"]
    assert not found.vectors[:2].any()
    assert np.linalg.norm(found.vectors[2]) == pytest.approx(1.0)
    assert found.digests.keys() == {"broken", "sound"}
    assert (found.cost.items, found.cost.cached) == (1, 0)
    assert steps == {"image": 3}
    again = encoded(tmp_path, contents, DummyEncoder())
    assert again.failed == found.failed, "a failure is not cached as a vector"
    assert (again.cost.items, again.cost.cached) == (0, 1)


def test_a_failure_reaches_all_ids_of_a_content(tmp_path: Path) -> None:
    """Guards against a second id of a broken picture that keeps a zero vector."""
    for name in ("one.png", "other.png"):
        (tmp_path / name).write_bytes(b"no picture at all")
    contents = {name: Content(Image(tmp_path / f"{name}.png")) for name in ("one", "other")}
    assert encoded(tmp_path, contents, DummyEncoder()).failed.keys() == {"one", "other"}


def test_warnings_come_out_of_the_cache_too(tmp_path: Path) -> None:
    """A text that was cut off is still cut off in the second run."""
    first = encoded(tmp_path, texts("boat"), table(warning="cut off"))
    again = encoded(tmp_path, texts("boat"), table())
    assert first.warnings == again.warnings == {"id of boat": ("cut off",)}


def test_an_interrupted_run_keeps_its_batches(tmp_path: Path) -> None:
    """A kill costs one batch, not the set."""
    contents = texts(*(f"text {number}" for number in range(200)))
    with pytest.raises(KeyboardInterrupt):
        encoded(tmp_path, contents, table(dies_after=128))
    encoder = table()
    found = encoded(tmp_path, contents, encoder)
    assert len(encoder.asked) == 72
    assert (found.cost.items, found.cost.cached) == (72, 128)


def test_steps_add_up_and_name_their_modality(tmp_path: Path) -> None:
    """Progress that ends at 97 % or 140 % is none."""
    names = [f"text {number}" for number in range(150)]
    encoded(tmp_path, texts(*names[:10]), table())
    steps: list[tuple[Modality, int, int, float]] = []
    contents = {**texts(*names), "again": Content(Text(names[0])), "new": Content(Text(names[149]))}
    encoded(tmp_path, contents, table(), on_step=lambda *step: steps.append(step))
    assert sum(count for _, count, _, _ in steps) == len(contents)
    assert sum(coded for _, _, coded, _ in steps) == 140
    assert {kind for kind, _, _, _ in steps} == {"text"}
    assert all(seconds >= 0 for _, _, _, seconds in steps)


def test_batches_hold_one_modality(tmp_path: Path) -> None:
    """Clips among captions would make each batch as slow as its slowest."""
    picture = media_files.picture(media_files.smooth(8, 8))
    contents: dict[str, Content] = {}
    for number in range(3):
        contents[f"text {number}"] = Content(Text(f"boat {number}"))
        contents[f"image {number}"] = Content(Image(picture), Text(f"{number}"))
    encoder = table(modalities=frozenset({"text", "image"}))
    encoded(tmp_path, contents, encoder)
    assert encoder.batches == [3, 3]
    assert max(encoding.BATCH.values()) <= 64


def test_tokens_are_unknown_when_a_batch_does_not_tell(tmp_path: Path) -> None:
    """Guards against a sum that leaves batches out."""
    assert encoded(tmp_path, texts("boat"), table()).cost.tokens is None


def test_peak_memory_is_in_bytes() -> None:
    """Linux counts in kilobytes, macOS in bytes: a python with numpy has 20 MB to 20 GB."""
    assert 20e6 < peak_bytes() < 20e9
