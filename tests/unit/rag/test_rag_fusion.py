from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import language_models as tiny
from language_models import TEMPLATE
from rzen.errors import UsageError
from rzen.protocols import Generator
from rzen.rag import fusion
from rzen.rag.fusion.joint import JointFusion
from rzen.rag.fusion.marginal import MarginalFusion, priors
from rzen.rag.language_model import Ensemble, Message, SoftItem
from rzen.rag.local.model import LocalModel
from rzen.rag.prompt import Form, messages
from rzen.types import Evidence, Frames, Hit, Turn

QUESTION = "Which boat?"
TEXTS = ["The boat is red.", "Ada sails on Mondays, as all in Holm do.", "Nets are mended here."]
SCORES = [0.6, 0.3, 0.1]
BRIEF = Form(brief=True)


@dataclass
class Asked:
    """A model that keeps what it was asked, and answers what it was told to."""

    name: str = "asked"
    sees: bool = False
    is_small: bool = True
    window: int | None = None
    dialogues: list[Sequence[Message]] = field(default_factory=list)
    max_tokens: int = 0

    def count(self, text: str) -> int:
        return len(text.split())

    def write(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        self.dialogues, self.max_tokens = [messages], max_tokens
        yield from ("one ", "answer")


@dataclass
class AskedTogether(Asked):
    """The same, of several conversations."""

    log_KC: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 2)))
    weight_K: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def write_mixed(
        self,
        dialogues: Sequence[Sequence[Message]],
        weight_K: NDArray[np.float64],
        *,
        max_tokens: int,
    ) -> Iterator[str]:
        self.dialogues, self.weight_K = list(dialogues), weight_K
        self.max_tokens = max_tokens
        yield from ("mixed ", "answer")

    def log_likelihoods(
        self, dialogues: Sequence[Sequence[Message]], candidates: Sequence[str]
    ) -> NDArray[np.float64]:
        self.dialogues = list(dialogues)
        assert self.log_KC.shape == (len(dialogues), len(candidates))
        return self.log_KC


def hit(at: int, score: float) -> Hit:
    return Hit(id=str(at), modality="text", uri=f"/docs/{at}.txt", score=score)


def evidence(texts: Sequence[str] = TEXTS, scores: Sequence[float] = SCORES) -> list[Evidence]:
    return [
        Evidence(number=at + 1, hit=hit(at, score), text=text)
        for at, (text, score) in enumerate(zip(texts, scores, strict=True))
    ]


def mixed(model: Ensemble, form: Form = BRIEF, temperature: float = 1.0) -> MarginalFusion:
    return MarginalFusion(model, form, max_tokens=16, temperature=temperature)


def same(one: Sequence[Message], other: Sequence[Message]) -> bool:
    return [(each.speaker, each.parts) for each in one] == [
        (each.speaker, each.parts) for each in other
    ]


@pytest.fixture(scope="module")
def local() -> Iterator[LocalModel]:
    """One thread: matrices this small gain nothing from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield LocalModel(tiny.language_model(3, template=TEMPLATE, window=1024), "tiny")
    torch.set_num_threads(before)


# --- names ---


@pytest.mark.parametrize("name", ["contexts", "context+magic", "", "context+", "Context", "+"])
def test_unknown_fusions_are_refused(name: str) -> None:
    """Guards against a misspelt name that quietly becomes another fusion."""
    with pytest.raises(
        UsageError, match=r"there is no fusion .*: take context, marginal, projector"
    ):
        fusion.create(name, AskedTogether(), max_tokens=8)


SUBSETS = list(chain.from_iterable(combinations(fusion.PARTS, size) for size in (1, 2, 3)))


@pytest.mark.parametrize("parts", SUBSETS, ids="+".join)
def test_parts_combine_in_any_order(parts: tuple[str, ...]) -> None:
    """Guards against a prompt without evidence, and names whose order counts."""
    found = fusion.parts_of("+".join(parts))
    assert found == fusion.parts_of(" + ".join(reversed(parts)))
    assert found >= set(parts)
    assert found & {"context", "projector"}
    assert found - set(parts) <= ({"context"} if parts == ("marginal",) else set())


@pytest.mark.parametrize("name", ["marginal", "marginal+context", "projector+marginal"])
def test_a_mixture_needs_a_model_that_gives_its_distributions(name: str) -> None:
    """Guards against a traceback in the middle of an answer, from an endpoint or a GGUF file."""
    with pytest.raises(UsageError, match=r"marginal .* which asked does not give: name a model of"):
        fusion.create(name, Asked(), max_tokens=8)
    assert isinstance(fusion.create(name, AskedTogether(), max_tokens=8), MarginalFusion)


def test_a_model_in_this_process_is_an_ensemble(local: LocalModel) -> None:
    """Guards against two ends of a seam that drift apart."""
    assert isinstance(local, Ensemble)
    assert not isinstance(Asked(), Ensemble)


@pytest.mark.parametrize("sees", [False, True])
@pytest.mark.parametrize("parts", SUBSETS, ids="+".join)
def test_what_a_fusion_wants(parts: tuple[str, ...], sees: bool) -> None:
    """Guards against pictures decoded for nobody, and vectors that the prompt lacks."""
    model = AskedTogether(sees=sees)
    made = fusion.create("+".join(parts), model, max_tokens=8)
    has_words = "context" in parts or parts == ("marginal",)
    expected = {"frames"} if sees and has_words else set()
    expected |= {"vectors"} if "projector" in parts else set()
    assert made.wants == expected
    assert isinstance(made, Generator)
    assert made.name == "asked"
    assert made.count("a red boat") == 3
    assert isinstance(made, MarginalFusion if "marginal" in parts else JointFusion)
    assert fusion.model_of(made) is model


# --- prompts ---


@pytest.mark.parametrize("name", ["context", "marginal"])
@pytest.mark.parametrize(
    ("is_small", "brief", "expected"),
    [(True, None, 1), (False, None, 2), (True, False, 2), (False, True, 1)],
)
def test_small_models_are_asked_in_few_words(
    name: str, is_small: bool, brief: bool | None, expected: int
) -> None:
    """Guards against rules that a small model loses its way in; the long form has a system turn."""
    model = AskedTogether(is_small=is_small)
    made = fusion.create(name, model, max_tokens=8, brief=brief)
    "".join(made.generate(QUESTION, evidence()))
    assert {len(dialogue) for dialogue in model.dialogues} == {expected}


HISTORY = [Turn(question="Who sails?", answer="Ada [1].")]


def test_one_prompt_holds_all_evidence() -> None:
    """Guards against evidence, history or the length of an answer that gets lost on the way."""
    model = AskedTogether()
    made = fusion.create("context", model, max_tokens=23)
    assert "".join(made.generate(QUESTION, evidence(), HISTORY)) == "one answer"
    (dialogue,) = model.dialogues
    assert same(dialogue, messages(QUESTION, evidence(), HISTORY, BRIEF))
    assert all(text in dialogue[-1].text for text in TEXTS)
    assert model.max_tokens == 23


def test_each_piece_of_evidence_has_a_prompt_of_its_own() -> None:
    """Guards against pieces that share a prompt, lose their number, or lack question or history."""
    model = AskedTogether()
    made = fusion.create("marginal", model, max_tokens=23, temperature=0.5)
    assert "".join(made.generate(QUESTION, evidence(), HISTORY)) == "mixed answer"
    assert len(model.dialogues) == 3
    for at, (dialogue, one) in enumerate(zip(model.dialogues, evidence(), strict=True)):
        assert same(dialogue, messages(QUESTION, [one], HISTORY, BRIEF))
        assert [text in dialogue[-1].text for text in TEXTS] == [at == n for n in range(3)]
        assert f"[{at + 1}] " in dialogue[-1].text
        assert QUESTION in dialogue[-1].text
        assert len(dialogue) == 3
    np.testing.assert_allclose(model.weight_K, np.square(SCORES) / np.square(SCORES).sum())
    assert model.max_tokens == 23


@pytest.mark.parametrize("name", ["context+projector", "marginal+projector", "projector"])
def test_vectors_and_pictures_are_parts_of_a_prompt(name: str) -> None:
    """Guards against vectors of one item in another's prompt, and words where none are wanted."""
    pixels = Frames(pixels=(np.zeros((4, 4, 3), np.uint8),))
    vectors = [np.full(4, at, np.float32) for at in range(2)]
    pieces = [
        Evidence(number=at + 1, hit=hit(at, 0.5), text=TEXTS[at], vector=vectors[at], frames=frames)
        for at, frames in enumerate([None, pixels])
    ]
    if name != "context+projector":  # frames come where they are wanted alone
        pieces = [
            Evidence(number=1, hit=one.hit, text=one.text, vector=one.vector) for one in pieces
        ]
    model = AskedTogether(sees=True)
    "".join(fusion.create(name, model, max_tokens=8).generate(QUESTION, pieces))
    parts = [[*chain.from_iterable(each.parts for each in talk)] for talk in model.dialogues]
    soft = [[int(p.vector_D[0]) for p in row if isinstance(p, SoftItem)] for row in parts]
    assert soft == ([[0], [1]] if name == "marginal+projector" else [[0, 1]])
    frames = [part for row in parts for part in row if isinstance(part, Frames)]
    assert frames == ([pixels] if name == "context+projector" else [])
    texts = "".join(each.text for talk in model.dialogues for each in talk)
    assert (TEXTS[0] in texts) is (name == "context+projector")


# --- p(document | question) ---


def weights(scores: Sequence[float], temperature: float = 1.0) -> NDArray[np.float64]:
    return priors([hit(at, score) for at, score in enumerate(scores)], temperature)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.floats(0.1, 100.0))
def test_priors_are_a_distribution(scores: list[float], temperature: float) -> None:
    """Guards against weights that add up to something else, fall below zero or lose the order."""
    weight_K = weights(scores, temperature)
    assert weight_K.sum() == pytest.approx(1.0)
    assert (weight_K > 0).all()
    order = np.argsort(scores, kind="stable")
    assert (np.diff(weight_K[order]) > -1e-12).all()
    np.testing.assert_allclose(weights(scores[::-1], temperature), weight_K[::-1])


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=8), st.floats(0.2, 5.0))
def test_priors_are_powers_of_scores(scores: list[float], temperature: float) -> None:
    """Guards against a softmax of scores, which are probabilities already."""
    powers = np.power(scores, 1 / temperature)
    np.testing.assert_allclose(weights(scores, temperature), powers / powers.sum(), rtol=1e-9)
    np.testing.assert_allclose(
        weights([score / 2 for score in scores], temperature), weights(scores, temperature)
    )


def test_limits_of_the_temperature() -> None:
    """Guards against a temperature that works the other way round, and overflow at its ends."""
    np.testing.assert_allclose(weights(SCORES, 1e-3), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(weights(SCORES, 1e6), [1 / 3] * 3, atol=1e-5)
    np.testing.assert_allclose(weights(SCORES), SCORES)
    np.testing.assert_allclose(weights([0.4, 0.4, 0.1], 1e-3), [0.5, 0.5, 0], atol=1e-12)
    first = [weights(SCORES, temperature)[0] for temperature in (0.1, 0.5, 1.0, 2.0, 10.0)]
    assert first == sorted(first, reverse=True)


# --- scores of whole answers ---


def test_scores_by_hand() -> None:
    """Log (0.6 p1 + 0.3 p2 + 0.1 p3), for two answers: guards against a mean of logarithms."""
    p_KC = np.array([[0.5, 0.01], [0.25, 0.2], [0.125, 0.9]])
    model = AskedTogether(log_KC=np.log(p_KC))
    found_C = mixed(model).scores(QUESTION, evidence(), ["red", "Ada"])
    np.testing.assert_allclose(np.exp(found_C), [0.3875, 0.156])
    assert [same(*pair) for pair in zip(model.dialogues, prompts(evidence()), strict=True)]
    even_C = mixed(model, temperature=1e9).scores(QUESTION, evidence(), ["red", "Ada"])
    np.testing.assert_allclose(np.exp(even_C), p_KC.mean(0), rtol=1e-6)
    assert found_C[0] > found_C[1]
    assert even_C[0] < even_C[1], "the temperature makes no difference, and this proves nothing"


def test_scores_of_one_prompt_are_its_likelihoods() -> None:
    """Guards against candidates that are compared after another prompt than answers are."""
    model = AskedTogether(log_KC=np.array([[-2.0, -1.0]]))
    made = fusion.create("context", model, max_tokens=8)
    assert isinstance(made, JointFusion)
    found_C = made.scores(QUESTION, evidence(), ["red", "Ada"])
    np.testing.assert_array_equal(found_C, [-2.0, -1.0])
    (dialogue,) = model.dialogues
    assert same(dialogue, messages(QUESTION, evidence(), (), BRIEF))
    blind = fusion.create("context", Asked(), max_tokens=8)
    assert isinstance(blind, JointFusion)
    with pytest.raises(UsageError, match="asked cannot score answers: name a model of"):
        blind.scores(QUESTION, evidence(), ["red"])


def prompts(pieces: Sequence[Evidence]) -> list[list[Message]]:
    return [messages(QUESTION, [one], (), BRIEF) for one in pieces]


@given(
    st.lists(
        st.tuples(st.floats(0.01, 1), st.floats(-5000, 0), st.floats(-5000, 0)),
        min_size=1,
        max_size=6,
    )
)
def test_scores_are_a_mean_of_probabilities(rows: list[tuple[float, float, float]]) -> None:
    """Guards against answers so long that their probability is zero in floating point.

    A mean lies between the least and the largest, whatever the order of the evidence.
    """
    scores = [row[0] for row in rows]
    log_KC = np.array([row[1:] for row in rows])
    texts = ["a"] * len(rows)
    found_C = mixed(AskedTogether(log_KC=log_KC)).scores(
        QUESTION, evidence(texts, scores), ["b", "c"]
    )
    assert (found_C <= log_KC.max(0) + 1e-9).all()
    assert (found_C >= log_KC.min(0) - 1e-9).all()
    assert (found_C >= (log_KC + np.log(weights(scores))[:, None]).max(0) - 1e-9).all()
    turned_C = mixed(AskedTogether(log_KC=log_KC[::-1])).scores(
        QUESTION, evidence(texts, scores[::-1]), ["b", "c"]
    )
    np.testing.assert_allclose(turned_C, found_C, atol=1e-9)


def test_a_piece_that_cannot_be_right_adds_nothing() -> None:
    """Guards against warnings of numpy on the terminal, at a temperature that is allowed."""
    model = AskedTogether(log_KC=np.log([[0.5, 0.01], [0.25, 0.2], [0.125, 0.9]]))
    found_C = mixed(model, temperature=0.01).scores(
        QUESTION, evidence(scores=[0.9, 0.0, -0.1]), ["red", "Ada"]
    )
    np.testing.assert_allclose(np.exp(found_C), [0.5, 0.01])


# --- with a model ---


def test_scores_of_a_model_are_its_likelihoods_summed(local: LocalModel) -> None:
    """Guards against documents and their weights that are put together in another order."""
    candidates = ["red", "Ada sails", "no"]
    found_C = mixed(local).scores(QUESTION, evidence(), candidates)
    p_C = np.zeros(3)
    for one, score in zip(evidence(), SCORES, strict=True):
        (own_C,) = local.log_likelihoods([messages(QUESTION, [one], (), BRIEF)], candidates)
        p_C += score * np.exp(own_C)
    np.testing.assert_allclose(found_C, np.log(p_C), atol=1e-4)
    turned = evidence(scores=SCORES[::-1])
    assert abs(mixed(local).scores(QUESTION, turned, candidates) - found_C).max() > 0.01


def test_a_model_writes_from_the_mixture(local: LocalModel) -> None:
    """Guards against a fusion that mixes otherwise than it says; the scores must matter."""
    made = fusion.create("marginal", local, max_tokens=24)
    written = "".join(made.generate(QUESTION, evidence()))
    assert written == "".join(
        local.write_mixed(prompts(evidence()), np.array(SCORES), max_tokens=24)
    )
    turned = "".join(made.generate(QUESTION, evidence(scores=SCORES[::-1])))
    assert written != turned
    assert min(len(written), len(turned)) > 8, "too little to prove anything: take another seed"


def test_one_piece_of_evidence_is_a_plain_prompt(local: LocalModel) -> None:
    """Guards against fusions that differ where there is nothing to fuse."""
    one = evidence()[:1]
    marginal, joint = (
        "".join(fusion.create(name, local, max_tokens=24).generate(QUESTION, one))
        for name in ("marginal", "context")
    )
    assert marginal == joint


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 2, 0), (2, 1, 0)])
def test_the_order_of_evidence_does_not_matter_to_a_mixture(
    order: tuple[int, ...], local: LocalModel
) -> None:
    """Guards against the bias of one long prompt for what stands first, which a mixture ends."""
    made = fusion.create("marginal", local, max_tokens=16)
    turned = [evidence()[at] for at in order]
    assert "".join(made.generate(QUESTION, turned)) == "".join(made.generate(QUESTION, evidence()))
