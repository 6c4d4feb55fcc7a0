"""From opened parts to a prompt of tokens and the pictures that belong to it, within its length.

A prompt that is too long loses no token of a picture silently: pictures shrink first, then the end
of the text is cut, and the content carries a warning that says so.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.families import Look
from rzen.encoders.opening import OpenPart
from rzen.encoders.sizes import Bounds, fitted_through
from rzen.encoders.templates import Clip, Picture, Piece, Template, Words
from rzen.encoders.vision_language.pixels import Patching, Pixels, grid, resized
from rzen.encoders.vision_language.positions import Grid
from rzen.errors import EncoderError

_LEAST_TOKENS = 16  # of a picture that is shrunk to make room
_CHARS_PER_TOKEN = 10  # at most, about: longer texts are cut before they are counted

Tokenize = Callable[[str], Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A still, or the frames of a clip, at the size that the model sees.

    Attributes:
        frames: pictures of one size.
        is_pairs: whether they go in as a video, two by two.
        part: number of the part that they are of.
        frame: number of the frame, where a clip is shown as pictures.
    """

    frames: tuple[Pixels, ...]
    is_pairs: bool
    part: int
    frame: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prompt:
    """One content, ready for the model.

    Attributes:
        ids_S: tokens.
        shown: what the pads among them stand for, in the order in which they stand there.
        grids: of each of them, in tokens.
        warnings: what was left out.
    """

    ids_S: NDArray[np.int64]
    shown: tuple[Shown, ...]
    grids: tuple[Grid, ...]
    warnings: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """How many."""
        return len(self.ids_S)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Draft:
    """Pieces with the pictures that they stand for, before they are known to fit."""

    pieces: tuple[Piece, ...]
    shown: tuple[Shown, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Prompter:
    """Makes prompts by one template and one way of looking.

    Attributes:
        template: what is written.
        look: how large pictures are shown, and how long a prompt may get.
        patching: of the checkpoint.
        tokenize: text to token ids.
        special: the tokenizer's own tokens, which no text may write.
    """

    template: Template
    look: Look
    patching: Patching
    tokenize: Tokenize
    special: frozenset[str] = field(default_factory=frozenset)

    def prompt(self, parts: Sequence[OpenPart], instruction: str) -> Prompt:
        """The prompt of one content.

        Args:
            parts: opened.
            instruction: empty for none.

        Raises:
            EncoderError: if its pictures do not fit, however small.
        """
        warnings: list[str] = []
        texts = {at: self._clean(part.text, warnings) for at, part in enumerate(parts)}
        draft = self._draft(parts, texts, None)
        ids = self._ids(draft, instruction)
        limit = self.look.tokens
        if len(ids) > limit and draft.shown:
            draft = self._smaller(parts, texts, draft, len(ids), warnings)
            ids = self._ids(draft, instruction)
        if len(ids) > limit:
            draft = self._shorter(draft, instruction, len(ids), warnings)
            ids = self._ids(draft, instruction)
        if len(ids) > limit:
            raise EncoderError(
                f"{len(draft.shown)} pictures and the instruction do not fit into the {limit} "
                f"tokens of {self.template.name}, however small: give fewer of them at once"
            )
        # Videos stand before stills in the one template of pairs whose positions depend on it.
        ordered = sorted(draft.shown, key=lambda each: not each.is_pairs)
        return Prompt(
            ids_S=np.array(ids, np.int64),
            shown=tuple(ordered),
            grids=tuple(grid(each.frames, self.patching) for each in ordered),
            warnings=tuple(warnings),
        )

    def _ids(self, draft: _Draft, instruction: str) -> Sequence[int]:
        return self.tokenize(self.template.prompt(draft.pieces, instruction))

    def _clean(self, text: str, warnings: list[str]) -> str:
        """A text that can be tokenised, and that writes none of the model's own tokens."""
        longest = self.look.tokens * _CHARS_PER_TOKEN
        if len(text) > longest:
            warnings.append(self._cut())
            text = text[:longest]
        text = text.encode("utf-8", "replace").decode("utf-8")
        for token in self.special:
            if token in text:
                text = text.replace(token, token.replace("<|", "< |"))
                warnings.append(f"its text holds {token!r}, a token of the model's: spaced out")
        return text

    def _cut(self) -> str:
        return (
            f"longer than the {self.look.tokens} tokens of {self.template.name}: the end of the "
            "text was left out"
        )

    def _draft(self, parts: Sequence[OpenPart], texts: dict[int, str], most: int | None) -> _Draft:
        """Every part as a piece.

        Args:
            parts: opened.
            texts: number of a part -> its text.
            most: tokens of a picture or frame, at most; ``None`` means as the family has it.
        """
        pieces: list[Piece] = []
        shown: list[Shown] = []
        for at, part in enumerate(parts):
            if not part.pixels:
                pieces.append(Words(texts[at]))
                continue
            is_clip = part.modality == "video"
            steps = self.look.frames(len(part.pixels)) if is_clip else self.look.picture
            frames = self._resized(part.pixels, self._bounded(steps, most))
            if is_clip and self.template.frames == "pairs":
                piece, views = self._pairs(frames, part, at)
                pieces.append(piece)
                shown += views
            else:
                views = [
                    Shown(frames=(frame,), is_pairs=False, part=at, frame=number)
                    for number, frame in enumerate(frames)
                ]
                tokens = tuple(math.prod(grid(each.frames, self.patching)) for each in views)
                seconds = tuple(float(number) for number in range(len(frames)))
                pieces.append(Clip(tokens, seconds) if is_clip else Picture(tokens[0]))
                shown += views
        return _Draft(pieces=tuple(pieces), shown=tuple(shown))

    def _pairs(self, frames: Sequence[Pixels], part: OpenPart, at: int) -> tuple[Clip, list[Shown]]:
        view = Shown(frames=tuple(frames), is_pairs=True, part=at)
        pairs, down, across = grid(view.frames, self.patching)
        times = _times(part, pairs * self.patching.pair)
        step = self.patching.pair
        # The time of a pair is the mean of those of its first and its last frame.
        seconds = tuple((times[n] + times[n + step - 1]) / 2 for n in range(0, len(times), step))
        return Clip((down * across,) * pairs, seconds), [view]

    def _bounded(self, steps: tuple[Bounds, ...], most: int | None) -> tuple[Bounds, ...]:
        if most is None:
            return steps
        high = most * self.patching.side**2
        last = steps[-1]
        return (*steps[:-1], replace(last, low=min(last.low, high), high=min(last.high, high)))

    def _resized(self, frames: Sequence[Pixels], steps: tuple[Bounds, ...]) -> list[Pixels]:
        # All frames of a clip have the size that its first one gets.
        height, width, _ = frames[0].shape
        sizes = fitted_through(height, width, steps)
        return [resized(frame, sizes) for frame in frames]

    def _smaller(
        self,
        parts: Sequence[OpenPart],
        texts: dict[int, str],
        draft: _Draft,
        length: int,
        warnings: list[str],
    ) -> _Draft:
        """The same with smaller pictures, as small as need be, or as may be."""
        counts = [count for each in draft.pieces for count in _token_counts(each)]
        room = sum(counts) - (length - self.look.tokens)
        most = max(_LEAST_TOKENS, _level(counts, room))
        small = self._draft(parts, texts, most)
        left = sum(count for each in small.pieces for count in _token_counts(each))
        warnings.append(
            f"longer than the {self.look.tokens} tokens of {self.template.name}: its pictures were "
            f"shrunk from {sum(counts)} to {left} tokens"
        )
        return small

    def _shorter(self, draft: _Draft, instruction: str, length: int, warnings: list[str]) -> _Draft:
        """The same with the end of its last texts cut off."""
        pieces = list(draft.pieces)
        for at in reversed(range(len(pieces))):
            piece = pieces[at]
            if not isinstance(piece, Words) or length <= self.look.tokens:
                continue
            pieces[at] = self._longest_that_fits(pieces, at, instruction)
            length = len(self.tokenize(self.template.prompt(pieces, instruction)))
        warnings.append(self._cut())
        return replace(draft, pieces=tuple(pieces))

    def _longest_that_fits(self, pieces: Sequence[Piece], at: int, instruction: str) -> Words:
        """The longest beginning of a text with which the whole prompt fits; empty if none does."""
        piece = pieces[at]
        assert isinstance(piece, Words)
        low, high = 0, len(piece.text)
        while low < high:
            middle = (low + high + 1) // 2
            tried = [*pieces[:at], Words(piece.text[:middle]), *pieces[at + 1 :]]
            if len(self.tokenize(self.template.prompt(tried, instruction))) <= self.look.tokens:
                low = middle
            else:
                high = middle - 1
        return Words(piece.text[:low])


def _token_counts(piece: Piece) -> tuple[int, ...]:
    match piece:
        case Picture(tokens):
            return (tokens,)
        case Clip(tokens, _):
            return tokens
        case Words():
            return ()


def _level(counts: Sequence[int], room: int) -> int:
    """What each count may be at most for all of them to fit.

    >>> _level([100, 10, 100], 130)
    60
    """
    left = sorted(counts)
    for at, count in enumerate(left):
        share = room // (len(left) - at)
        if count > share:
            return max(0, share)
        room -= count
    return max(counts, default=0)


def _times(part: OpenPart, count: int) -> list[float]:
    """Seconds of frames from the first one on; two a second where nobody says."""
    frames = part.frames
    assert frames is not None
    if len(frames.times) == len(frames.pixels):
        times = [time - frames.times[0] for time in frames.times]
    else:
        times = [number / 2 for number in range(len(frames.pixels))]
        # A frame that is repeated to make a pair whole counts as the next one, here as there.
        times += [number / 2 for number in range(len(times), count)]
    return times + [times[-1]] * (count - len(times))
