"""All evidence in one prompt: as words and pictures, as soft tokens, or both."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rzen.errors import UsageError
from rzen.rag.language_model import Ensemble, LanguageModel
from rzen.rag.prompt import Form, messages
from rzen.types import Evidence, Turn


class Prompting:
    """What generators share that put evidence into prompts of one form.

    Args:
        model: writes.
        form: of the prompt.
        max_tokens: of an answer, at most.
    """

    def __init__(self, model: LanguageModel, form: Form, *, max_tokens: int) -> None:
        self.model = model
        self._form = form
        self._max_tokens = max_tokens

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def wants(self) -> frozenset[Literal["frames", "vectors"]]:
        """See :class:`rzen.protocols.Generator`."""
        return wanted(self._form, sees=self.model.sees)

    def count(self, text: str) -> int:
        """See :class:`rzen.protocols.Generator`."""
        return self.model.count(text)


class JointFusion(Prompting):
    """A generator that puts all evidence into one prompt."""

    def generate(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Turn] = ()
    ) -> Iterator[str]:
        """See :class:`rzen.protocols.Generator`."""
        asked = messages(question, evidence, history, self._form)
        return self.model.write(asked, max_tokens=self._max_tokens)

    def scores(
        self, question: str, evidence: Sequence[Evidence], candidates: Sequence[str]
    ) -> NDArray[np.float64]:
        """Log p(answer | question, evidence) of each candidate, (C,).

        Raises:
            UsageError: if the model is not held in this process.
        """
        if not isinstance(self.model, Ensemble):
            raise UsageError(
                f"{self.model.name} cannot score answers: name a model of transformers (a folder, "
                "a name on the hub, or smollm2) and a fusion that needs it in process"
            )
        asked = messages(question, evidence, form=self._form)
        log_1C = self.model.log_likelihoods([asked], candidates)
        return np.asarray(log_1C[0], np.float64)


def wanted(form: Form, *, sees: bool) -> frozenset[Literal["frames", "vectors"]]:
    """What of the evidence can be used beside its texts in prompts of a form."""
    wants: set[Literal["frames", "vectors"]] = set()
    if sees and form.texts:
        wants.add("frames")
    if form.soft:
        wants.add("vectors")
    return frozenset(wants)
