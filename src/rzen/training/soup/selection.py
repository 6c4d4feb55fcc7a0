"""A greedy soup: only models that do not make it worse go in (Wortsman et al., 2022, recipe 1)."""

import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rzen.encoders.new_folder import check_new
from rzen.errors import UsageError
from rzen.training.soup.ingredients import kind_of, names, shares
from rzen.training.soup.mixing import Dtype, Order, mix
from rzen.training.soup.outcome import Souped, Step


def greedy(
    folders: Sequence[Path],
    out: Path,
    score: Callable[[Path], float],
    *,
    merge: bool = False,
    dtype: Dtype | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Souped:
    """Makes a soup of those models that do not make it worse, all with the same weight.

    The models are scored alone and sorted by that; the best begins, and each of the others stays
    in if the soup with it scores no less than the soup without.

    Args:
        folders: of the models, all of one kind.
        out: the new folder; it may be there if it is empty.
        score: of the model in a folder: higher is better. It must be taken on other data than what
            is reported, for it is what is chosen by.
        merge: as in :func:`rzen.training.soup.soup`; the soups that are scored are adapters.
        dtype: as there.
        on_step: called with what is done next.

    Raises:
        EncoderError: as there.
        UsageError: as there, or if a score is no number.
    """
    check_new(out)
    shares(None, len(folders))
    kind_of(folders)
    say = on_step or (lambda _: None)
    named = dict(zip(folders, names(folders), strict=True))
    alone: dict[Path, float] = {}
    for folder in folders:
        say(f"scoring {named[folder]}")
        alone[folder] = _checked(score(folder), named[folder])
    order = sorted(folders, key=lambda folder: -alone[folder])
    taken, best = [order[0]], alone[order[0]]
    steps = [Step(ingredients=(named[each],), score=alone[each], is_kept=False) for each in order]
    steps[0] = Step(ingredients=(named[order[0]],), score=best, is_kept=True)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.absolute().name}."
    with tempfile.TemporaryDirectory(prefix=prefix, dir=out.absolute().parent) as place:
        for number, each in enumerate(order[1:], start=1):
            tried = [*taken, each]
            said = " + ".join(named[folder] for folder in tried)
            candidate = Path(place) / f"soup-{number}"
            mix(_order(tried, merge=False, dtype=dtype, say=say), candidate)
            say(f"scoring {said}")
            found = _checked(score(candidate), said)
            shutil.rmtree(candidate)
            is_kept = found >= best
            ingredients = tuple(named[folder] for folder in tried)
            steps.append(Step(ingredients=ingredients, score=found, is_kept=is_kept))
            if is_kept:
                taken, best = tried, found
    return mix(_order(taken, merge=merge, dtype=dtype, say=say), out, steps)


def _order(
    folders: Sequence[Path], *, merge: bool, dtype: Dtype | None, say: Callable[[str], None]
) -> Order:
    return Order(tuple(folders), tuple(shares(None, len(folders))), merge, dtype, say)


def _checked(score: float, name: str) -> float:
    if not math.isfinite(score):
        raise UsageError(
            f"the score of {name} is {score}, by which nothing can be chosen: leave that model "
            "out, or choose another suite"
        )
    return score
