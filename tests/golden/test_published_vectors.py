"""Encoders give the vectors that were published for their models, whatever else is in the batch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rzen.config import ModelSettings
from rzen.encoders import create
from rzen.encoders.vision_language.encoder import VisionLanguageEncoder
from rzen.encoders.vision_language.prompting import Prompt
from rzen.evaluation.fidelity.agreement import check
from rzen.evaluation.fidelity.cases import read_folder
from rzen.types import Content, Frames, Image, Text, Video

GOLDEN = Path(__file__).parent
FOLDERS = {"rzen-release": "rzenembed-tiny", "qwen3-vl-embedding": "qwen3vl-embedding-tiny"}
NEIGHBOUR = 1e-5  # what a vector may change by when its neighbours do
PUBLISHED = 1e-5  # cosine distance; 1e-4 would do


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(template: str) -> VisionLanguageEncoder:
    encoder = create(
        str(GOLDEN / FOLDERS[template] / "model"),
        device="cpu",
        model=ModelSettings(template=template),
    )
    assert isinstance(encoder, VisionLanguageEncoder)
    return encoder


@pytest.fixture(scope="module")
def encoders() -> dict[str, VisionLanguageEncoder]:
    return {template: made(template) for template in FOLDERS}


@pytest.mark.parametrize("template", FOLDERS)
def test_gives_the_published_vectors(
    template: str, encoders: dict[str, VisionLanguageEncoder]
) -> None:
    """Newer libraries place, resize and wrap media otherwise; the published vectors stay."""
    found = check(encoders[template], GOLDEN / FOLDERS[template])
    assert found.faithful, found.suspects
    assert not found.failed
    assert not found.warnings
    assert max(found.distances.values()) < PUBLISHED, found.worst
    kinds = {name.partition("-")[0] for name in found.distances}
    assert {"text", "image", "video"} <= kinds, "the folder shows too little"


@pytest.mark.parametrize("template", FOLDERS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_vector_does_not_depend_on_its_neighbours(
    template: str, encoders: dict[str, VisionLanguageEncoder], data: st.DataObject
) -> None:
    """Padding, positions or another content's pictures leak into a row."""
    encoder = encoders[template]
    cases, reference_ND = read_folder(GOLDEN / FOLDERS[template])
    plain = [row for row, case in enumerate(cases) if not case.instruction]
    told = [row for row, case in enumerate(cases) if case.instruction == cases[-3].instruction]
    rows = data.draw(st.sampled_from([each for each in (plain, told) if each]))
    order = data.draw(st.lists(st.sampled_from(rows), min_size=1, max_size=6))
    instruction = cases[rows[0]].instruction or ""
    vectors_BD = np.asarray(
        encoder.encode([cases[row].content for row in order], role="query", instruction=instruction)
    )
    for row, vector_D in zip(order, vectors_BD, strict=True):
        assert np.abs(vector_D - reference_ND[row]).max() < 1e-3
        (alone_D,) = np.asarray(
            encoder.encode([cases[row].content], role="query", instruction=instruction)
        )
        assert np.abs(vector_D - alone_D).max() < NEIGHBOUR


def test_small_batches_are_batches_of_many(
    encoders: dict[str, VisionLanguageEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If every content went alone, the test above would prove nothing."""
    encoder, sizes = encoders["rzen-release"], list[int]()
    whole = VisionLanguageEncoder._pooled

    def counted(self: VisionLanguageEncoder, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        sizes.append(len(prompts))
        return whole(self, prompts)

    monkeypatch.setattr(VisionLanguageEncoder, "_pooled", counted)
    pixels = np.zeros((56, 56, 3), np.uint8)
    encoder.encode(
        [
            Content(Text("a")),
            Content(Text("a longer text than that")),
            Content(Image(Frames(pixels=(pixels,))), Text("b")),
            Content(Video(Frames(pixels=(pixels, pixels + 9, pixels + 99)))),
        ],
        role="query",
    )
    assert max(sizes) >= 2


def test_bfloat16_stays_close() -> None:
    """The dtype of a GPU must be one that can be asked for, and be near the published vectors."""
    encoder = create(
        str(GOLDEN / FOLDERS["rzen-release"] / "model"),
        device="cpu",
        model=ModelSettings(dtype="bfloat16"),
    )
    assert encoder.fingerprint.environment["dtype"] == "bfloat16"
    found = check(encoder, GOLDEN / FOLDERS["rzen-release"], tolerance=5e-3)
    assert found.faithful, found.worst
    assert max(found.distances.values()) > 1e-6, "this was float32"
