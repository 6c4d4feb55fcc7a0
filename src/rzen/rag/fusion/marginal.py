"""A prompt for each piece of evidence, and their answers mixed.

p(y | x) = sum over d of p(d | x) p(y | x, d), after RAG (Lewis et al. 2020, arXiv 2005.11401,
section 2.1), with no training: p(d | x) comes from the scores of the search. Token by token it is
used to write, over whole answers to choose among candidates.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rzen.rag.fusion.joint import Prompting
from rzen.rag.language_model import Ensemble, Message
from rzen.rag.prompt import Form, messages
from rzen.types import Evidence, Hit, Turn

_LEAST = 1e-6  # of a score: a cosine may be negative


def priors(hits: Sequence[Hit], temperature: float = 1.0) -> NDArray[np.float64]:
    """p(d | x) over hits: their scores to the power of 1 / temperature, made to add up to 1.

    With a calibration a score estimates the probability that the hit is the right one, and
    temperature 1 takes it at its word; lower ones trust the first hit more, higher ones all alike.

    Returns:
        (K,) positive weights.

    >>> two = [Hit(id=i, modality="text", uri="", score=s) for i, s in (("a", 0.6), ("b", 0.2))]
    >>> priors(two).round(2).tolist(), priors(two, 0.5).round(2).tolist()
    ([0.75, 0.25], [0.9, 0.1])
    """
    return np.exp(log_priors(hits, temperature))


def log_priors(hits: Sequence[Hit], temperature: float = 1.0) -> NDArray[np.float64]:
    """Logarithms of :func:`priors`, (K,): no float holds the smallest of those."""
    log_K = np.log(np.maximum([hit.score for hit in hits], _LEAST)) / temperature
    return np.asarray(log_K - np.logaddexp.reduce(log_K), np.float64)


class MarginalFusion(Prompting):
    """A generator that asks once a piece of evidence, and mixes.

    Args:
        model: held in this process.
        form: of each prompt.
        max_tokens: of an answer, at most.
        temperature: of p(d | x); see :func:`priors`.
    """

    model: Ensemble

    def __init__(
        self,
        model: Ensemble,
        form: Form,
        *,
        max_tokens: int,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(model, form, max_tokens=max_tokens)
        self._temperature = temperature

    def generate(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Turn] = ()
    ) -> Iterator[str]:
        """See :class:`rzen.protocols.Generator`."""
        return self.model.write_mixed(
            self._dialogues(question, evidence, history),
            np.exp(self._log_priors(evidence)),
            max_tokens=self._max_tokens,
        )

    def scores(
        self, question: str, evidence: Sequence[Evidence], candidates: Sequence[str]
    ) -> NDArray[np.float64]:
        """Log p(answer | question) of each candidate: RAG-Sequence, the documents summed out.

        Args:
            question: as asked.
            evidence: K pieces.
            candidates: C answers, whole.

        Returns:
            (C,) logarithms; they add up to no whole, for there are other answers.
        """
        log_KC = self.model.log_likelihoods(self._dialogues(question, evidence), candidates)
        log_K = self._log_priors(evidence)
        return np.asarray(np.logaddexp.reduce(log_KC + log_K[:, None], 0), np.float64)

    def _log_priors(self, evidence: Sequence[Evidence]) -> NDArray[np.float64]:
        if not evidence:
            return np.zeros(1)
        return log_priors([one.hit for one in evidence], self._temperature)

    def _dialogues(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Turn] = ()
    ) -> list[list[Message]]:
        alone = [[one] for one in evidence] or [[]]
        return [messages(question, own, history, self._form) for own in alone]
