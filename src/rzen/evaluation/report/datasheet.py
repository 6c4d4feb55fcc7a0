"""The datasheet of rzen-bench: what is in it, where it comes from, and what guessing scores."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rzen.data.bench import suite as bench
from rzen.evaluation.baselines import Baselines
from rzen.evaluation.pools import Pools
from rzen.evaluation.predictions import write_whole

FILE = "datasheet.md"
_BASELINES = ("random", "words", "thumbnail", "majority")


def baselines_file(folder: Path, split: str) -> Path:
    """Where the baselines of a split are kept."""
    return folder / f"baselines-{split}.json"


def write_datasheet(folder: Path, on_set: Callable[[str, int, int], None] | None = None) -> Path:
    """Computes the baselines of all sets and writes the datasheet beside the suite.

    Args:
        folder: of the suite.
        on_set: called with the set at hand, its number and how many there are.

    Raises:
        DataError: if the suite is damaged.
    """
    about = bench.manifest(folder)
    total = sum(map(len, about["sets"].values()))
    number, figures = 0, {}
    for split, sets in about["sets"].items():
        versions = dict.fromkeys(sets, about["version"])
        known = Baselines(
            baselines_file(folder, split), versions, lambda: bench.train_examples(folder)
        )
        for name in sets:
            number += 1
            if on_set is not None:
                on_set(f"baselines: {split} {name}", number, total)
            figures[split, name] = known.of(Pools(bench.load(folder, split, name)), None)
    text = "\n".join(_lines(about, figures)) + "\n"
    write_whole(folder / FILE, [text.encode()])
    return folder / FILE


def _lines(
    about: Mapping[str, Any], figures: Mapping[tuple[str, str], Mapping[str, float]]
) -> Iterator[str]:
    media = about["media"]
    yield f"# {about['suite']}: datasheet"
    yield ""
    yield (
        f"Edition {about['edition']}, version `{about['version']}` (a hash over all rows; media "
        f"stand in them by the hash of their pixels). {media['files']:,} media files, "
        f"{media['bytes'] / 1e6:.0f} MB. Built by `rzen eval fetch` from packages that registries "
        "serve by name; none of it lies in this repository."
    )
    yield from _set_lines(about, figures)
    yield from _example_lines(about)
    yield from _left_out_lines(about)
    yield from _source_lines(about)


def _set_lines(
    about: Mapping[str, Any], figures: Mapping[tuple[str, str], Mapping[str, float]]
) -> Iterator[str]:
    yield ""
    yield "## Sets"
    yield ""
    yield (
        "Queries / documents of the test split, in brackets those of the validation split. "
        "Baselines are main figures on the test split: `random` is the expected value over all "
        "orders, `words` is BM25, `thumbnail` compares 8 x 8 colour thumbnails, `majority` gives "
        "the answer that is most often right for the words of the question."
    )
    yield ""
    yield (
        "| set | group, family | metric, scope | queries | documents | "
        + " | ".join(_BASELINES)
        + " |"
    )
    yield "|---|---|---|---|---|" + "---|" * len(_BASELINES)
    validation = about["sets"]["validation"]
    for name, each in about["sets"]["test"].items():
        other = validation.get(name)
        sizes = [
            f"{each[what]:,} ({other[what]:,})" if other else f"{each[what]:,} (-)"
            for what in ("queries", "documents")
        ]
        found = figures["test", name]
        cells = [f"{found[key]:.3f}" if key in found else "" for key in _BASELINES]
        yield (
            f"| {name} | {each['group']}, {each['family']} | {each['metric']}, {each['scope']} | "
            + " | ".join([*sizes, *cells])
            + " |"
        )
    yield ""
    for name, each in about["sets"]["test"].items():
        yield f"- **{name}**: {each['about']}"


def _example_lines(about: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## Training examples"
    yield ""
    yield "| of | examples |"
    yield "|---|---|"
    for name, count in about["examples"].items():
        yield f"| {name} | {count:,} |"


def _left_out_lines(about: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## Split, and what was left out"
    yield ""
    yield (
        "All that is about one concept lies in one split, whatever package and modality it comes "
        "from. Emoji in Google's style never occur in training. Near-duplicates across splits are "
        "taken out of training first, then of validation. Left out, and how often:"
    )
    yield ""
    for what, count in about["left_out"].items():
        yield f"- {what}: {count:,}"


def _source_lines(about: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## Sources"
    yield ""
    yield "| package | registry | version | holds | terms | SHA-256 |"
    yield "|---|---|---|---|---|---|"
    for source in about["sources"]:
        version = source["version"] or "of the release"
        yield (
            f"| {source['name']} | {source['registry']} | {version} | {source['holds']} | "
            f"{source['terms']} | `{source['sha256'][:16]}` |"
        )
