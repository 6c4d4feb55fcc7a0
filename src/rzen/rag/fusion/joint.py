"""All evidence in one prompt: as words and pictures, as soft tokens, or both."""

from collections.abc import Iterator, Sequence
from typing import Literal

from rzen.rag.language_model import LanguageModel
from rzen.rag.prompt import Form, messages
from rzen.types import Evidence, Turn


class JointFusion:
    """A generator that puts all evidence into one prompt.

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

    def generate(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Turn] = ()
    ) -> Iterator[str]:
        """See :class:`rzen.protocols.Generator`."""
        asked = messages(question, evidence, history, self._form)
        return self.model.write(asked, max_tokens=self._max_tokens)


def wanted(form: Form, *, sees: bool) -> frozenset[Literal["frames", "vectors"]]:
    """What of the evidence can be used beside its texts in prompts of a form."""
    wants: set[Literal["frames", "vectors"]] = set()
    if sees and form.texts:
        wants.add("frames")
    if form.soft:
        wants.add("vectors")
    return frozenset(wants)
