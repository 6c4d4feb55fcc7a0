"""How what was retrieved enters the generation: three ways, which combine.

* ``context``: the evidence's words stand in the prompt, its pictures beside them for a model that
  sees.
* ``projector``: a trained network makes soft tokens of the evidence's vectors.
* ``marginal``: every piece of evidence has a prompt of its own, and the answers' distributions are
  mixed by how likely each piece is the right one.

The first two say what of a piece a prompt holds, the third how several pieces come together:
``marginal`` alone is ``marginal+context``. Each is a :class:`rzen.protocols.Generator` over a
language model.
"""

from rzen.errors import UsageError
from rzen.protocols import Generator
from rzen.rag.fusion.joint import JointFusion
from rzen.rag.fusion.marginal import MarginalFusion
from rzen.rag.language_model import Ensemble, LanguageModel
from rzen.rag.prompt import Form

PARTS = ("context", "marginal", "projector")


def parts_of(name: str) -> frozenset[str]:
    """The parts that a fusion's name is made of.

    >>> sorted(parts_of("marginal")), sorted(parts_of("context+projector"))
    (['context', 'marginal'], ['context', 'projector'])

    Raises:
        UsageError: if there is no such fusion.
    """
    named = frozenset(part.strip() for part in name.split("+"))
    if unknown := sorted(named - set(PARTS)):
        raise UsageError(
            f"there is no fusion {unknown[0]!r}: take {', '.join(PARTS)}, or several joined by +, "
            "such as marginal+projector"
        )
    return named | {"context"} if named == {"marginal"} else named


def model_of(generator: Generator) -> LanguageModel | None:
    """The language model behind a generator; ``None`` if there is none."""
    return generator.model if isinstance(generator, JointFusion | MarginalFusion) else None


def create(
    name: str,
    model: LanguageModel,
    *,
    max_tokens: int,
    temperature: float = 1.0,
    brief: bool | None = None,
) -> Generator:
    """Makes a generator that fuses evidence into what a model writes.

    Args:
        name: such as ``"context"`` or ``"marginal+projector"``.
        model: writes; for ``marginal`` one that is held in this process.
        max_tokens: of an answer, at most.
        temperature: of p(document | question), for ``marginal``.
        brief: whether the prompt has few words; ``None`` goes by the size of the model.

    Raises:
        UsageError: if there is no such fusion, or the model cannot do it.
    """
    parts = parts_of(name)
    form = Form(
        brief=model.is_small if brief is None else brief,
        texts="context" in parts,
        soft="projector" in parts,
    )
    if "marginal" not in parts:
        return JointFusion(model, form, max_tokens=max_tokens)
    if not isinstance(model, Ensemble):
        raise UsageError(
            f"the fusion marginal mixes a model's distributions token by token, which {model.name} "
            "does not give: name a model of transformers (a folder, a name on the hub, or smollm2)"
        )
    return MarginalFusion(model, form, max_tokens=max_tokens, temperature=temperature)
