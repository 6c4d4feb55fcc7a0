r"""Prompt templates of the published embedders: pure string functions with a name and a version.

A template says in which order media, instruction and words stand, what surrounds them, and which
positions the language model counts them by. It is part of an encoder's fingerprint: vectors made
with two templates do not compare. A change of what a template writes is a new version.

>>> TEMPLATES["qwen3-vl-embedding"].prompt([Words("a boat")], "Find it")[:61]
'<|im_start|>system\nFind it.<|im_end|>\n<|im_start|>user\na boat'
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

IMAGE_PAD = "<|image_pad|>"
VIDEO_PAD = "<|video_pad|>"
_BEGIN, _END = "<|vision_start|>", "<|vision_end|>"
_ASSISTANT = "You are a helpful assistant."

Positions: TypeAlias = Literal["1d", "m-rope"]


@dataclass(frozen=True, slots=True)
class Words:
    """A text."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture or a page, as the number of its tokens."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A video, as the numbers of tokens and the times of its frames, or of its pairs of frames.

    Attributes:
        tokens: of each frame, or pair.
        seconds: when each of them is, from the first frame on.
    """

    tokens: tuple[int, ...]
    seconds: tuple[float, ...]


Piece: TypeAlias = Words | Picture | Clip
Writes: TypeAlias = Callable[[Sequence[Piece], str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """How contents are put to a model.

    Attributes:
        name: what it is asked for by.
        version: counts up when what it writes changes.
        about: where it comes from.
        positions: "1d" counts all tokens alike; "m-rope" places a picture's tokens in a grid.
        frames: whether a video is shown as pictures, or as pairs of frames (the model's own video).
        write: pieces and instruction (empty for none) to the whole prompt. The last token's state
            is the embedding.
    """

    name: str
    version: int
    about: str
    positions: Positions
    frames: Literal["pictures", "pairs"]
    write: Writes

    @property
    def id(self) -> str:
        """Name and version, as the fingerprint has them.

        >>> TEMPLATES["rzen-release"].id
        'rzen-release-1'
        """
        return f"{self.name}-{self.version}"

    def prompt(self, pieces: Sequence[Piece], instruction: str = "") -> str:
        """The prompt of one content.

        Args:
            pieces: its parts, in order.
            instruction: the task; empty for none.
        """
        return self.write(pieces, instruction)


def _chat(system: str, user: str, close: str = "<|endoftext|>") -> str:
    return (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n"
        f"<|im_start|>assistant\n{close}"
    )


def _pictures(piece: Piece) -> str:
    """A picture, or each frame of a clip as a picture of its own; nothing for words."""
    match piece:
        case Picture(tokens):
            return f"{_BEGIN}{IMAGE_PAD * tokens}{_END}"
        case Clip(tokens, _):
            return "".join(f"{_BEGIN}{IMAGE_PAD * each}{_END}" for each in tokens)
        case Words():
            return ""


def _timed(clip: Clip) -> str:
    return "".join(
        f"<{seconds:.1f} seconds>{_BEGIN}{VIDEO_PAD * tokens}{_END}"
        for tokens, seconds in zip(clip.tokens, clip.seconds, strict=True)
    )


def _media(pieces: Sequence[Piece]) -> str:
    return "".join(_pictures(piece) for piece in pieces)


def _words(pieces: Sequence[Piece], between: str = "\n") -> str:
    return between.join(piece.text for piece in pieces if isinstance(piece, Words))


def _rzen_release(pieces: Sequence[Piece], instruction: str) -> str:
    return _chat(_ASSISTANT, _media(pieces) + instruction + _words(pieces))


def _rzen_mteb(pieces: Sequence[Piece], instruction: str) -> str:
    return _chat(instruction.strip() or _ASSISTANT, _media(pieces) + _words(pieces))


_SUMMARIZE = (
    "Given an image, summarize the provided image in one word. Given only text, describe the text "
    "in one word."
)
_INTENT = "Given an image, summarize the user's intent in one word."


def _rzen_paper(system: str) -> Writes:
    def write(pieces: Sequence[Piece], instruction: str) -> str:
        sees = any(not isinstance(piece, Words) for piece in pieces)
        asked = f"Represent the given {'image' if sees else 'text'} in one word."
        body = "".join(
            piece.text if isinstance(piece, Words) else _pictures(piece) for piece in pieces
        )
        said = [instruction.strip(), body, asked]
        return _chat(system, "\n".join(each for each in said if each))

    return write


def qwen3_vl_system(instruction: str) -> str:
    """What Qwen3-VL-Embedding is told before a content.

    >>> qwen3_vl_system("Find it"), qwen3_vl_system("")
    ('Find it.', "Represent the user's input.")
    """
    system = instruction.strip()
    if system and not unicodedata.category(system[-1]).startswith("P"):
        system += "."
    return system or "Represent the user's input."


def _qwen3_vl(pieces: Sequence[Piece], instruction: str) -> str:
    clips = "".join(_timed(piece) for piece in pieces if isinstance(piece, Clip))
    stills = "".join(_pictures(piece) for piece in pieces if isinstance(piece, Picture))
    user = clips + stills + _words(pieces, "")
    return _chat(qwen3_vl_system(instruction), user or "NULL", "")


def _gme(pieces: Sequence[Piece], instruction: str) -> str:
    return _chat(instruction.strip() or _ASSISTANT, _media(pieces) + _words(pieces))


def _vlm2vec(pieces: Sequence[Piece], instruction: str) -> str:
    said = [_bare(piece) for piece in pieces if not isinstance(piece, Words)]
    said += [instruction.strip(), _words(pieces)]
    return " ".join(each for each in said if each)


def _bare(piece: Piece) -> str:
    match piece:
        case Picture(tokens):
            return IMAGE_PAD * tokens
        case Clip(tokens, _):
            return VIDEO_PAD * sum(tokens)
        case Words(text):
            return text


_ALL: Final[tuple[Template, ...]] = (
    Template(
        name="rzen-release",
        version=1,
        about="RzenEmbed's released inference script (github.com/360CVGroup/RzenEmbed)",
        positions="1d",
        frames="pictures",
        write=_rzen_release,
    ),
    Template(
        name="rzen-paper",
        version=1,
        about="RzenEmbed's paper, section on prompts (arXiv 2510.27350v1); the end of the prompt "
        "is that of the release, since the paper does not give it",
        positions="m-rope",
        frames="pictures",
        write=_rzen_paper(_SUMMARIZE),
    ),
    Template(
        name="rzen-paper-intent",
        version=1,
        about="the other system prompt that RzenEmbed's paper quotes, in its section 4.4",
        positions="m-rope",
        frames="pictures",
        write=_rzen_paper(_INTENT),
    ),
    Template(
        name="rzen-mteb",
        version=1,
        about="mteb's wrapper of RzenEmbed as it was first: the instruction in the system turn "
        "(mteb 2.26.24 writes what the release writes)",
        positions="1d",
        frames="pictures",
        write=_rzen_mteb,
    ),
    Template(
        name="qwen3-vl-embedding",
        version=1,
        about="Qwen3-VL-Embedding's published script (github.com/QwenLM/Qwen3-VL-Embedding) with "
        "transformers 4.57: no outer pair of vision tokens around the frames of a video",
        positions="m-rope",
        frames="pairs",
        write=_qwen3_vl,
    ),
    Template(
        name="gme",
        version=1,
        about="GME-Qwen2-VL's gme_inference.py, as mteb has it (gme_v_models.py)",
        positions="1d",
        frames="pictures",
        write=_gme,
    ),
    Template(
        name="ops-mm",
        version=1,
        about="Ops-MM-embedding-v1's ops_mm_embedding_v1.py: GME's words, other positions",
        positions="m-rope",
        frames="pictures",
        write=_gme,
    ),
    Template(
        name="vlm2vec",
        version=1,
        about="VLM2Vec-V2's processor.py and demos (github.com/TIGER-AI-Lab/VLM2Vec): no chat",
        positions="1d",
        frames="pairs",
        write=_vlm2vec,
    ),
)
TEMPLATES: Final[Mapping[str, Template]] = {each.name: each for each in _ALL}
"""All templates by name."""
