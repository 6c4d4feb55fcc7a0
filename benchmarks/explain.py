"""The pointing game: does the hottest cell of mini's map lie on what was asked for?

python -m benchmarks.explain

Composed scenes of rzen-bench (`grounding-scenes`): four to six things on a plain ground, and the
name of one of them. Where it is, its crop says, which stands in the scene pixel by pixel. How a
place's logits become a vector is chosen on validation and confirmed on test.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Section
from rzen.config import Limits
from rzen.data.bench import suite as bench
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.encoders.mini import conse
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.encoders.rows import unit
from rzen.evaluation.set_run import limited
from rzen.evaluation.statistics import compare, interval
from rzen.media import open as open_part
from rzen.types import Content, Image, MediaBudget, Text

SET = "grounding-scenes"
MARGIN = 8  # around a crop, see rzen.data.bench.pictures.scenes
BUDGET = MediaBudget(image_pixels=1 << 24)
Pixels = NDArray[np.uint8]
Maps = NDArray[np.float32]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """How places become vectors: the side of the picture, temperature, how many classes."""

    side: int
    temperature: float
    classes: int = 1000

    def __str__(self) -> str:
        kept = "all" if self.classes == 1000 else f"the likeliest {self.classes}"
        return f"side {self.side}, temperature {self.temperature:g}, {kept} classes"


ENCODING = Variant(side=conse.INPUT_SIZE, temperature=conse._TEMPERATURE, classes=conse._CLASSES)
SHIPPED = Variant(side=conse._PLACE_SIZE, temperature=conse._PLACE_TEMPERATURE)
VARIANTS = (
    ENCODING,
    *(
        Variant(side=side, temperature=temperature)
        for side in (224, 448, 672)
        for temperature in (1.5, 3.0, 6.0, 10.0)
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """One query of the game: a scene, a name and where its thing is (top, left, bottom, right)."""

    scene: Pixels
    text: str
    box: Box

    @property
    def share(self) -> float:
        """Of the scene that the box takes: what pointing anywhere hits."""
        top, left, bottom, right = self.box
        return (bottom - top) * (right - left) / self.scene[..., 0].size

    def is_hit(self, down: float, across: float) -> bool:
        """Whether a point, in fractions of the scene, lies in the box."""
        height, width, _ = self.scene.shape
        top, left, bottom, right = self.box
        return bool(top <= down * height < bottom and left <= across * width < right)

    def is_hit_by(self, heat_HW: Maps) -> bool:
        """Whether the middle of the hottest cell does."""
        row, column = np.unravel_index(int(heat_HW.argmax()), heat_HW.shape)
        return self.is_hit((row + 0.5) / heat_HW.shape[0], (column + 0.5) / heat_HW.shape[1])


def run(quick: bool = False) -> list[Section]:
    """Variants on validation, what was chosen on test."""
    limit = 30 if quick else None
    encoder = MiniEncoder()
    validation, test = (
        list(_game(limited(bench.load(bench.folder(), split, SET), limit)))
        for split in bench.MEASURED
    )
    hits = _variants(encoder, validation)
    best = max(hits, key=lambda variant: hits[variant].mean())
    return [_chosen(hits, best), _confirmed(encoder, {"validation": validation, "test": test})]


def _game(made: RetrievalSet) -> Iterator[Asked]:
    for query in made.queries:
        yield _asked(query, made.documents[query.labels[0]])


def _asked(query: Query, answer: Content) -> Asked:
    (shown,) = (part for part in query.content.parts if isinstance(part, Image))
    (told,) = (part for part in query.content.parts if isinstance(part, Text))
    scene, crop = _pixels(shown), _pixels(answer.parts[0])
    top, left = place_of(crop, scene)
    height, width, _ = crop.shape
    box = top + MARGIN, left + MARGIN, top + height - MARGIN, left + width - MARGIN
    return Asked(scene=scene, text=told.text, box=box)


def _pixels(part: object) -> Pixels:
    assert isinstance(part, Image)
    frames = open_part(part, budget=BUDGET, limits=Limits()).frames
    assert frames is not None
    return frames.pixels[0]


def place_of(crop: Pixels, scene: Pixels) -> tuple[int, int]:
    """Where a crop was cut out: the only place at which all of its pixels are the scene's."""
    height, width, _ = crop.shape
    down, across = scene.shape[0] - height + 1, scene.shape[1] - width + 1
    rows, columns = (each.ravel() for each in np.indices((down, across)))
    # The pixels least like the corner, which is mostly ground, rule most places out at once.
    unlike = np.abs(crop.astype(int) - crop[0, 0]).sum(-1).ravel()
    for at in np.argsort(-unlike)[:: max(1, unlike.size // 50)]:
        row, column = divmod(int(at), width)
        fits = (scene[rows + row, columns + column] == crop[row, column]).all(-1)
        rows, columns = rows[fits], columns[fits]
    found = [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if (scene[row : row + height, column : column + width] == crop).all()
    ]
    assert len(found) == 1, f"the crop is at {len(found)} places of its scene"
    return found[0]


def _variants(encoder: MiniEncoder, game: Sequence[Asked]) -> Mapping[Variant, NDArray[np.float64]]:
    tower = encoder._images
    _, classes = tower._load()
    asked_BD = _queries(encoder, game)
    hits: dict[Variant, list[bool]] = {variant: [] for variant in VARIANTS}
    for side in sorted({variant.side for variant in VARIANTS}):
        with patch.object(conse, "_PLACE_SIZE", side):
            seen: dict[bytes, Maps] = {}  # a scene is asked twice
            for asked, query_D in zip(game, asked_BD, strict=True):
                scene = asked.scene.tobytes()
                if scene not in seen:
                    seen[scene] = tower.place_logits(conse.whole_places(asked.scene))
                logits = seen[scene]
                for variant in VARIANTS:
                    if variant.side == side:
                        places = unit(shares(logits, variant) @ classes)
                        hits[variant].append(asked.is_hit_by(places @ query_D))
    return {variant: np.array(values, np.float64) for variant, values in hits.items()}


def shares(logits: Maps, variant: Variant) -> NDArray[np.float64]:
    shares = conse.shares(logits, variant.temperature)
    if variant.classes == shares.shape[-1]:
        return shares
    least = np.partition(shares, -variant.classes, axis=-1)[..., -variant.classes, None]
    return np.where(shares >= least, shares, 0.0)


def _queries(encoder: MiniEncoder, game: Sequence[Asked]) -> NDArray[np.float32]:
    texts = [Content(Text(asked.text)) for asked in game]
    return np.asarray(encoder.encode(texts, role="query"))


def _chosen(hits: Mapping[Variant, NDArray[np.float64]], best: Variant) -> Section:
    rows = []
    for variant, values_B in hits.items():
        beside = compare(values_B, hits[SHIPPED])
        name = f"**{variant}**" if variant == SHIPPED else str(variant)
        rows.append(
            [
                name,
                f"{values_B.mean():.3f}",
                f"{beside.difference:+.3f} ({beside.low:+.3f} to {beside.high:+.3f})",
            ]
        )
    return Section(
        title="From a place's logits to mini's map",
        claim=(
            f"Best on validation: {best}, {hits[best].mean():.3f}; shipped: {SHIPPED}, "
            f"{hits[SHIPPED].mean():.3f}."
        ),
        columns=["variant", "hottest cell on the thing", "less the shipped one (95 %)"],
        rows=rows,
        notes=[
            f"{len(hits[best])} queries of {SET}, validation; paired bootstrap over queries",
            "the first row is what encoding itself uses",
        ],
    )


def _confirmed(encoder: MiniEncoder, games: Mapping[str, Sequence[Asked]]) -> Section:
    rows = []
    told: list[str] = []
    for split, game in games.items():
        asked_BD = _queries(encoder, game)
        # The same scenes asked for the names of others: a map that knows only what stands out.
        others_BD = np.roll(asked_BD, len(game) // 2, axis=0)
        found, blind = _hits(encoder, game, [asked_BD, others_BD])
        centre = np.array([asked.is_hit(0.5, 0.5) for asked in game], np.float64)
        chance = float(np.mean([asked.share for asked in game]))
        rows.append([split, len(game), _told(found), _told(blind), _told(centre), f"{chance:.3f}"])
        told.append(f"{found.mean():.2f} on {split} (chance {chance:.2f})")
    return Section(
        title="mini points at what was asked for",
        claim=f"The hottest cell lies on the thing for a share of {' and '.join(told)}.",
        columns=[
            "split",
            "queries",
            "mini's map (95 %)",
            "map for another scene's name",
            "middle of the scene",
            "chance: the thing's share of the area",
        ],
        rows=rows,
        notes=[
            "pointing game (Zhang et al., arXiv 1608.00507) with tight boxes and no tolerance",
            "intervals by bootstrap over queries",
        ],
    )


def _hits(
    encoder: MiniEncoder, game: Sequence[Asked], questions: Sequence[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """For each way of asking, a one for each query whose thing the map points at."""
    hits = np.zeros((len(questions), len(game)))
    for at, asked in enumerate(game):
        places_HWD = encoder._images.places(asked.scene)
        hits[:, at] = [asked.is_hit_by(places_HWD @ vectors_BD[at]) for vectors_BD in questions]
    return hits


def _told(values_B: NDArray[np.float64]) -> str:
    sure = interval(values_B)
    return f"{values_B.mean():.3f} ({sure.low:.3f} to {sure.high:.3f})"


if __name__ == "__main__":
    for section in run():
        print(section.markdown())
