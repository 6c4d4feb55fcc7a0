"""Known causes of wrong vectors, each built into an encoder that is otherwise right.

The encoder below gives RzenEmbed's published vectors. Every mutant of it has one defect that cost
a re-implementation several points, and the check must notice it and name a fitting cause.

Shape suffixes: B = 1 batch, S tokens, D dimensions, T vision tokens, H W C pixels.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from rzen import media
from rzen.config import Limits
from rzen.encoders.rows import Rows
from rzen.evaluation.fidelity.agreement import Fidelity, check
from rzen.types import (
    MODALITIES,
    Calibration,
    Content,
    Encoded,
    Fingerprint,
    Image,
    MediaBudget,
    Modality,
    Part,
    Role,
    Text,
)

FOLDER = Path(__file__).parent / "rzenembed-tiny"
QUERY = "Find a document image that matches the given query: "
QUERIES = (
    "text-0",
    "text-2",
    "text-instructed-0",
    "text-instructed-1",
    "image-instructed-0",
    "image-instructed-4",
    "image-text-0",
    "image-text-1",
    "video-instructed-0",
    "video-text-0",
)
DOCUMENTS = ("text-0", "text-1", "image-instructed-0")
EXACT = 1e-6  # cosine distance of what is computed alike
CLEAR = 4e-4  # of what is not, where it is farthest: four times the tolerance
SPACES = {
    "id": "image-text-spaces",
    "instruction": "Find an image that matches the edit: ",
    "text": "  leading and trailing spaces  ",
    "image": "image1.png",
}
SEVERAL = {
    "id": "images-several",
    "images": ["image0.png", "image1.png", "image4.png"],
    "text": "compare them",
}
BARE = {"id": "document-bare", "image": "image1.png", "role": "document"}

_SIDE = 28  # pixels of a vision token, across and down
_TOKEN = _SIDE * _SIDE
_SCRIPT_TOKENS = 4, 16_384  # of a picture, in the resize that the release does first
_IMAGE_TOKENS = 256, 1280  # in the processor's, which comes second
_FRAME_TOKENS = 160, 180


class Weights:
    """The tiny checkpoint, and the vision features that were computed already."""

    def __init__(self, folder: Path, known: dict[bytes, torch.Tensor] | None = None) -> None:
        self.processor = AutoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]
        model = Qwen2VLForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        )
        self.model: Any = model.eval()  # type: ignore[no-untyped-call]
        self.known: dict[bytes, torch.Tensor] = {} if known is None else known

    def features(self, pixels: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        """Pictures, as the language model sees them; a mutant of the template sees the same."""
        digest = hashlib.blake2b(pixels.numpy().data, digest_size=16)
        digest.update(grid.numpy().data)
        key = digest.digest()
        if key not in self.known:
            found = self.model.model.get_image_features(pixels, grid)
            self.known[key] = torch.cat(list(found.pooler_output))
        return self.known[key]


class ReleasedEncoder:
    """RzenEmbed as its release computes it: template, sizes, positions and pooling."""

    dim = 64
    modalities: frozenset[Modality] = frozenset(MODALITIES)
    calibration: Mapping[Modality, Calibration] = {}
    # Pictures come whole: the release resizes them by its own rules.
    budget = MediaBudget(
        image_pixels=_SCRIPT_TOKENS[1] * _TOKEN, frame_pixels=_SCRIPT_TOKENS[1] * _TOKEN, fps=1.0
    )

    system = "You are a helpful assistant."
    vision = "<|vision_start|><|image_pad|><|vision_end|>"
    frame_tokens = _FRAME_TOKENS

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.model = weights.model.model

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            encoder="tiny RzenEmbed",
            weights="tiny",
            template="rzen-release",
            pooling="last-token",
            positions="1d",
            budget=self.budget,
            dim=self.dim,
        )

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        del role  # the release knows none: whoever calls it says what documents are told
        rows = Rows(len(contents), self.dim, dim)
        for row, content in enumerate(contents):
            with torch.inference_mode():
                states_SD = self.states(self.inputs(content, instruction or ""))
                rows.put(row, self.pooled(states_SD).numpy())
        return rows.encoded()

    def inputs(self, content: Content, instruction: str) -> dict[str, torch.Tensor]:
        """Token ids and patches of one content."""
        pictures = [self.resized(pixels) for pixels in self.pixels(content)]
        low, high = self.frame_tokens if content.modality == "video" else _IMAGE_TOKENS
        size = {"shortest_edge": low * _TOKEN, "longest_edge": high * _TOKEN}
        return dict(
            self.weights.processor(
                text=[self.prompt(self.vision * len(pictures), content.text, instruction)],
                images=pictures or None,
                images_kwargs={"size": size},
                return_tensors="pt",
            )
        )

    def pixels(self, content: Content) -> list[NDArray[np.uint8]]:
        """(H, W, C) of every picture and of every frame of a video: a frame is a picture."""
        opened = [media.open(part, budget=self.budget, limits=Limits()) for part in content.parts]
        return [pixels for part in opened if part.frames for pixels in part.frames.pixels]

    def resized(self, pixels_HWC: NDArray[np.uint8]) -> Pillow.Image:
        """The release's own resize, to whole tokens, before the processor's."""
        height, width, _ = pixels_HWC.shape
        low, high = (tokens * _TOKEN for tokens in _SCRIPT_TOKENS)
        down, across = (max(_SIDE, round(side / _SIDE) * _SIDE) for side in (height, width))
        if down * across > high:
            shrink = math.sqrt(high / (height * width))
            down, across = (math.floor(s * shrink / _SIDE) * _SIDE for s in (height, width))
        elif down * across < low:
            grow = math.sqrt(low / (height * width))
            down, across = (math.ceil(s * grow / _SIDE) * _SIDE for s in (height, width))
        return Pillow.fromarray(pixels_HWC).resize((across, down))

    def prompt(self, vision: str, words: str, instruction: str) -> str:
        """The chat; the instruction stands in the user's turn, between media and text."""
        return self.chat(self.system, vision + instruction + words)

    def chat(self, system: str, user: str) -> str:
        return (
            f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n"
            "<|im_start|>assistant\n<|endoftext|>"
        )

    def states(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The last layer's states after the final norm."""
        return self.language_states(self.embedded(inputs), self.positions(inputs))

    def language_states(self, embedded_BSD: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        found = self.model.language_model(inputs_embeds=embedded_BSD, position_ids=positions)
        states_BSD: torch.Tensor = found.last_hidden_state
        return states_BSD[0]

    def embedded(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Tokens as vectors, with the pictures' features where their tokens are."""
        ids_BS = inputs["input_ids"]
        embedded_BSD: torch.Tensor = self.model.get_input_embeddings()(ids_BS)
        if "pixel_values" in inputs:
            seen_TD = self.weights.features(inputs["pixel_values"], inputs["image_grid_thw"])
            embedded_BSD[ids_BS == self.model.config.image_token_id] = seen_TD
        return embedded_BSD

    def positions(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(B, S), one after the other, pictures too: the release passes none to its model."""
        return torch.arange(inputs["input_ids"].shape[1])[None]

    def pooled(self, states_SD: torch.Tensor) -> torch.Tensor:
        """The state of ``<|endoftext|>``."""
        return states_SD[-1]


class BeforeTheNorm(ReleasedEncoder):
    def language_states(self, embedded_BSD: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        caught: list[torch.Tensor] = []
        norm = self.model.language_model.norm
        hook = norm.register_forward_pre_hook(lambda _, given: caught.append(given[0]))
        try:
            super().language_states(embedded_BSD, positions)
        finally:
            hook.remove()
        return caught[0][0]


class MeanOfTokens(ReleasedEncoder):
    def pooled(self, states_SD: torch.Tensor) -> torch.Tensor:
        return states_SD.mean(0)


class PaperSystemTurn(ReleasedEncoder):
    system = (
        "Given an image, summarize the provided image in one word. Given only text, describe the "
        "text in one word."
    )


class InstructionInSystemTurn(ReleasedEncoder):
    def prompt(self, vision: str, words: str, instruction: str) -> str:
        return self.chat(instruction or self.system, vision + words)


class NoInstruction(ReleasedEncoder):
    def prompt(self, vision: str, words: str, instruction: str) -> str:
        del instruction
        return super().prompt(vision, words, "")


class InstructedDocuments(ReleasedEncoder):
    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        if role == "document" and not instruction:
            instruction = QUERY
        return super().encode(contents, role=role, instruction=instruction, dim=dim)


class QueryInstructionForDocuments(ReleasedEncoder):
    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        if role == "document" and instruction:
            instruction = QUERY
        return super().encode(contents, role=role, instruction=instruction, dim=dim)


class StrippedText(ReleasedEncoder):
    def prompt(self, vision: str, words: str, instruction: str) -> str:
        return super().prompt(vision, words.strip(), instruction)


class TextBeforePictures(ReleasedEncoder):
    def prompt(self, vision: str, words: str, instruction: str) -> str:
        return self.chat(self.system, instruction + words + vision)


class OneRealVideo(ReleasedEncoder):
    """Frames go through the video door of the model, which merges them two by two."""

    def inputs(self, content: Content, instruction: str) -> dict[str, torch.Tensor]:
        if content.modality != "video":
            return super().inputs(content, instruction)
        frames = [np.asarray(self.resized(pixels)) for pixels in self.pixels(content)]
        vision = self.vision.replace("image", "video")
        low, high = self.frame_tokens
        size = {"shortest_edge": low * _TOKEN, "longest_edge": high * _TOKEN}
        return dict(
            self.weights.processor(
                text=[self.prompt(vision, content.text, instruction)],
                videos=[frames],
                videos_kwargs={"size": size, "do_sample_frames": False},
                return_tensors="pt",
            )
        )

    def embedded(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        embedded_BSD = super().embedded(inputs)
        if "pixel_values_videos" in inputs:
            found = self.model.get_video_features(
                inputs["pixel_values_videos"], inputs["video_grid_thw"]
            )
            is_video_BS = inputs["input_ids"] == self.model.config.video_token_id
            embedded_BSD[is_video_BS] = torch.cat(list(found.pooler_output))
        return embedded_BSD


class FramesAsLargeAsPictures(ReleasedEncoder):
    frame_tokens = _IMAGE_TOKENS


class FramesBackwards(ReleasedEncoder):
    def pixels(self, content: Content) -> list[NDArray[np.uint8]]:
        step = slice(None, None, -1 if content.modality == "video" else 1)
        return super().pixels(content)[step]


class MultimodalPositions(ReleasedEncoder):
    """What transformers does by itself."""

    def positions(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if "pixel_values" not in inputs:
            return super().positions(inputs)
        known = {key: value for key, value in inputs.items() if key != "pixel_values"}
        return torch.as_tensor(self.model.get_rope_index(**known)[0])


class ResizedOnce(ReleasedEncoder):
    """Only the processor resizes."""

    def resized(self, pixels_HWC: NDArray[np.uint8]) -> Pillow.Image:
        return Pillow.fromarray(pixels_HWC)


class CutOff(ReleasedEncoder):
    """Truncates at 600 tokens, which cuts into the largest pictures."""

    def language_states(self, embedded_BSD: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return super().language_states(embedded_BSD[:, :600], positions[:, :600])


class HalfOfTheVisionTokens(ReleasedEncoder):
    def states(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        is_vision_S = inputs["input_ids"][0] == self.model.config.image_token_id
        is_even_S = torch.arange(len(is_vision_S)) % 2 == 0
        kept_BSD = self.embedded(inputs)[:, ~is_vision_S | is_even_S]
        return self.language_states(kept_BSD, torch.arange(kept_BSD.shape[1])[None])


def cases_of(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "cases.json").read_text("utf-8"))
    return found


def write_folder(folder: Path, cases: Sequence[Mapping[str, Any]], reference_ND: Any) -> Path:
    folder.mkdir()
    shutil.copytree(FOLDER / "inputs", folder / "inputs")
    (folder / "cases.json").write_text(json.dumps(cases), "utf-8")
    np.save(folder / "reference.npy", reference_ND)
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights(FOLDER / "model")


@pytest.fixture(scope="module")
def scaled(weights: Weights) -> Weights:
    """The same, but for the final norm, whose weights are all one in the checkpoint."""
    other = Weights(FOLDER / "model", known=weights.known)
    norm = other.model.model.language_model.norm.weight
    with torch.no_grad():
        norm.copy_(torch.rand(norm.shape, generator=torch.Generator().manual_seed(0)) + 0.5)
    return other


@pytest.fixture(scope="module")
def with_documents(tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> Path:
    """Published cases, as few as tell the defects apart, and some once more as documents.

    The release knows no roles: a document's vector is the published one of the same content. Cases
    that were not published come from the model's own forward.
    """
    published = zip(cases_of(FOLDER), np.load(FOLDER / "reference.npy"), strict=True)
    every = {case["id"]: (case, vector) for case, vector in published}
    chosen = [every[name] for name in QUERIES]
    for name in DOCUMENTS:
        case, vector = every[name]
        chosen.append(({**case, "id": f"document-{name}", "role": "document"}, vector))
    chosen += [(case, stock_vector(weights, case)) for case in (SPACES, SEVERAL, BARE)]
    folder = tmp_path_factory.mktemp("fidelity") / "with-documents"
    return write_folder(folder, [case for case, _ in chosen], [vector for _, vector in chosen])


def stock_vector(weights: Weights, case: Mapping[str, Any]) -> NDArray[np.float32]:
    """By the model's own forward, told of 1-D positions."""
    encoder = ReleasedEncoder(weights)
    names = [case["image"]] if case.get("image") else case.get("images", [])
    parts: list[Part] = [Image(FOLDER / "inputs" / name) for name in names]
    if case.get("text"):
        parts.append(Text(case["text"]))
    inputs = encoder.inputs(Content(*parts), case.get("instruction") or "")
    with torch.inference_mode():
        found = weights.model.model(**inputs, position_ids=encoder.positions(inputs))
    state_D: torch.Tensor = found.last_hidden_state[0, -1]
    return state_D.numpy()


def is_any(case: Mapping[str, Any]) -> bool:
    return True


def has_instruction(case: Mapping[str, Any]) -> bool:
    return case.get("instruction") is not None


def is_document(case: Mapping[str, Any]) -> bool:
    return case.get("role") == "document"


def has_video(case: Mapping[str, Any]) -> bool:
    return case.get("video_frames") is not None


def sees(case: Mapping[str, Any]) -> bool:
    return has_video(case) or bool(case.get("image") or case.get("images"))


def test_the_encoder_that_is_mutated_here_gives_the_published_vectors(
    weights: Weights, with_documents: Path
) -> None:
    """A mutant would be told from an encoder that is wrong itself."""
    for folder, count in ((FOLDER, 16), (with_documents, 16)):
        found = check(ReleasedEncoder(weights), folder)
        assert found.faithful
        assert found.suspects == ()
        assert len(found.distances) == count
        assert max(found.distances.values()) < EXACT, found
    assert found.unseen == ()


Holds = Callable[[Mapping[str, Any]], bool]
MUTANTS: list[tuple[type[ReleasedEncoder], Holds, str]] = [
    (MeanOfTokens, is_any, "pooling"),
    (PaperSystemTurn, is_any, "the template"),
    (InstructionInSystemTurn, has_instruction, "the instruction is in the wrong turn"),
    (NoInstruction, has_instruction, "left out"),
    (
        InstructedDocuments,
        lambda case: is_document(case) and not has_instruction(case),
        "instructed candidates: documents are given an instruction",
    ),
    (
        QueryInstructionForDocuments,
        lambda case: is_document(case) and has_instruction(case),
        "instructed candidates: the documents' own instruction",
    ),
    (
        StrippedText,
        lambda case: case["id"] == SPACES["id"],
        "stripped",
    ),
    (
        TextBeforePictures,
        lambda case: sees(case) and bool(case.get("instruction") or case.get("text")),
        "the order of media and words",
    ),
    (OneRealVideo, has_video, "one real video"),
    (FramesAsLargeAsPictures, has_video, "another order, number or size"),
    (FramesBackwards, has_video, "another order, number or size"),
    (MultimodalPositions, sees, "M-RoPE"),
    (HalfOfTheVisionTokens, sees, "vision tokens that are left out"),
    (
        CutOff,
        lambda case: has_video(case) or case["id"] == SEVERAL["id"],
        "tokens are cut off",
    ),
    (
        ResizedOnce,
        # Frames are whole tokens wide and high already.
        lambda case: sees(case) and not has_video(case),
        "pictures are resized otherwise",
    ),
]


@pytest.mark.parametrize(
    ("mutant", "differs", "cause"), MUTANTS, ids=[mutant.__name__ for mutant, _, _ in MUTANTS]
)
def test_a_defect_is_noticed_and_named(
    mutant: type[ReleasedEncoder],
    differs: Holds,
    cause: str,
    weights: Weights,
    with_documents: Path,
) -> None:
    """An encoder with a known defect passes, or the reader is sent to look in the wrong place."""
    found = check(mutant(weights), with_documents)
    assert not found.faithful
    expected = [case["id"] for case in cases_of(with_documents) if differs(case)]
    assert list(found.differing) == expected
    assert max(found.distances[name] for name in expected) > CLEAR
    others = [far for name, far in found.distances.items() if name not in expected]
    assert max(others, default=0.0) < found.tolerance / 5
    assert cause in likeliest(found), found.suspects


def likeliest(found: Fidelity) -> str:
    """The cause named first; where every case differs, pooling and template look alike."""
    count = 2 if found.suspects[0].startswith("every case differs") else 1
    return "\n".join(found.suspects[:count])


def test_the_state_before_the_final_norm_is_noticed_and_named(
    scaled: Weights, with_documents: Path, tmp_path: Path
) -> None:
    """Hidden states are taken from a list of layers, whose last is not normed in every version."""
    cases = [case for case in cases_of(with_documents) if not has_video(case)]
    reference_ND = [stock_vector(scaled, case) for case in cases]
    folder = write_folder(tmp_path / "scaled", cases, reference_ND)
    assert check(ReleasedEncoder(scaled), folder).faithful
    found = check(BeforeTheNorm(scaled), folder)
    assert len(found.differing) == len(cases)
    assert min(found.distances.values()) > 10 * found.tolerance
    assert "the state before the final norm" in found.suspects[0]


def test_published_cases_cannot_show_the_state_before_the_norm(
    weights: Weights, with_documents: Path
) -> None:
    """A norm whose weights are all one turns no vector: passing here says nothing about it.

    If this fails, the checkpoint was replaced, and the test above can do with the published one.
    """
    assert torch.all(weights.model.model.language_model.norm.weight == 1)
    assert check(BeforeTheNorm(weights), with_documents).faithful
