"""Where a projector begins: evenly spread vectors, and soft tokens that are the answers' words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

import language_models as tiny
from rzen.config import ModelSettings
from rzen.rag.generators import local_model
from rzen.rag.local.loading import Loaded
from rzen.rag.local.projector import Projector, ProjectorShape
from rzen.rag.local.prompts import answer_tokens
from rzen.training.projector.rows import QuestionRow, QuestionRows
from rzen.training.projector.start import start
from rzen.types import MODALITIES, Modality

ANSWERS = ("red", "blue", "green", "gold")
DIM = 16


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("start")
    tiny.write_checkpoint(folder, tiny.language_model(3, template=tiny.TEMPLATE))
    return local_model(str(folder), device="cpu", model=ModelSettings()).loaded


def rows(modalities: Sequence[Modality], each: int = 40) -> QuestionRows:
    """Items in a narrow cone about another place for each modality, a direction for each answer."""
    dice = np.random.default_rng(4)
    cone_MD = 3 * np.eye(DIM)[-len(modalities) :]
    vectors: list[np.ndarray[Any, Any]] = []
    kinds: list[Modality] = []
    found: list[QuestionRow] = []
    for place, modality in enumerate(modalities):
        for at in range(each):
            vector = cone_MD[place] + dice.normal(size=DIM) * np.geomspace(0.2, 0.002, DIM)
            vector[at % len(ANSWERS)] += 0.3
            answer = ANSWERS[at % len(ANSWERS)]
            found.append(
                QuestionRow(name="", question="What?", answer=answer, items=(len(vectors),))
            )
            vectors.append(vector / np.linalg.norm(vector))
            kinds.append(modality)
    return QuestionRows(
        rows=found,
        vector_ID=np.array(vectors, np.float32),
        modality_I=kinds,
        repeats=[1.0] * len(found),
        revision="",
    )


def begun(loaded: Loaded, learnt: QuestionRows, *, zeroed: bool = False) -> Projector:
    torch.manual_seed(5)
    width = loaded.network.get_input_embeddings().weight.shape[1]
    projector = Projector(ProjectorShape(dim=DIM, hidden=64, tokens=3, width=width))
    start(projector, loaded, learnt, zeroed=zeroed)
    return projector


def spread(projector: Projector, learnt: QuestionRows) -> torch.Tensor:
    """What the first layer reads."""
    kinds = torch.tensor([MODALITIES.index(name) for name in learnt.modality_I])
    wide = torch.from_numpy(learnt.vector_ID) * DIM**0.5 + projector.modality(kinds)
    spread_ID: torch.Tensor = projector.whiten(wide).detach()
    return spread_ID


def test_what_a_modality_shares_is_taken_off(loaded: Loaded) -> None:
    """Guards against one middle for pictures and texts: their gap would be all that is seen."""
    learnt = rows(("image", "text"))
    wide_ID = spread(begun(loaded, learnt), learnt)
    assert wide_ID[:40].mean(0).abs().max() < 1e-4
    assert wide_ID[40:].mean(0).abs().max() < 1e-4


def test_directions_are_spread_evenly(loaded: Loaded) -> None:
    """Guards against a whitening that does nothing, and one that blows noise up."""
    learnt = rows(("image",))
    raw = np.linalg.eigvalsh(np.cov(learnt.vector_ID.T))
    wide = np.linalg.eigvalsh(np.cov(spread(begun(loaded, learnt), learnt).numpy().T))
    assert raw[-1] / raw[-4] > 1.3
    assert 0.95 < wide[-1] < 1.1
    assert wide[-1] / wide[-4] < 1.1
    assert wide[0] < 0.05, "the least direction is noise"


def test_soft_tokens_begin_as_the_answers_words(loaded: Loaded) -> None:
    """Guards against rows, items and words that are paired wrongly."""
    learnt = rows(("image", "video"))
    projector = begun(loaded, learnt)
    kinds = torch.tensor([MODALITIES.index(name) for name in learnt.modality_I])
    embed = loaded.network.get_input_embeddings().weight.detach()
    words_AH = torch.stack([embed[answer_tokens(loaded, each)[:-1]].mean(0) for each in ANSWERS])
    with torch.no_grad():
        hidden = projector.hidden(torch.from_numpy(learnt.vector_ID), kinds)
        soft_ITH = projector.out(hidden).unflatten(1, (3, -1))
    apart = words_AH - words_AH.mean(0)
    alike_ITA = (soft_ITH - words_AH.mean(0)) @ apart.T / apart.norm(dim=1)
    right = torch.tensor([ANSWERS.index(row.answer) for row in learnt.rows])
    assert (alike_ITA.mean(1).argmax(1) == right).float().mean() > 0.95
    assert (soft_ITH[:, 0] - soft_ITH[:, 1]).abs().max() > 1e-3, "they can become different"


def test_a_twin_begins_with_the_mean_word(loaded: Loaded) -> None:
    """Guards against zeros that are divided by, and a twin that is trained otherwise."""
    learnt = rows(("image",))
    projector = begun(loaded, learnt, zeroed=True)
    embed = loaded.network.get_input_embeddings().weight.detach()
    words = [embed[answer_tokens(loaded, each)[:-1]].mean(0) for each in ANSWERS]
    nothing = projector.hidden(torch.zeros(1, DIM), torch.tensor([MODALITIES.index("image")]))
    made = projector.out(nothing).detach().unflatten(1, (3, -1))[0]
    assert torch.allclose(made, torch.stack(words).mean(0).expand(3, -1), atol=1e-4)
    assert torch.isfinite(projector.whiten.weight).all()
