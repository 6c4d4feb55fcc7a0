"""The model card of an exported folder: what it is, what agrees and how well, what differs."""

from collections.abc import Sequence

from rzen.encoders.export.check import TOLERANCE, Outcome
from rzen.encoders.export.layout import versions
from rzen.encoders.families import Family
from rzen.encoders.templates import Template

_USE = """```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("this folder")
model.encode(["a red boat"])                                   # rzen: instruction=""
model.encode([picture, {"image": picture, "text": "at night"}])    # PIL images
model.encode_query(["a red boat"], prompt="Find a picture of it")  # rzen: instruction="Find ..."
model.encode_document([picture])                               # rzen: role="document"
```"""
_HEAD = (
    "---",
    "library_name: sentence-transformers",
    "pipeline_tag: sentence-similarity",
    "tags: [sentence-transformers, feature-extraction, rzen]",
    "---",
    "",
    "# An embedding model, exported by rzen",
    "",
)
_WARY = (
    "A text that may look like an address or a path goes in as `{'text': ...}`; else "
    "sentence-transformers opens it."
)
_PROMPT = (
    "A prompt is the instruction: it goes where the template has it. `model.prompts` lists those "
    "of the authors; `encode_query` and `encode_document` without one say what rzen says for "
    "that role."
)
_ADVICE = (
    _PROMPT,
    _WARY,
    "Turn pictures upright and to RGB first: rzen follows EXIF, a PIL image does not.",
    "Shorter vectors: `truncate_dim` together with `normalize_embeddings=True`.",
)


def card(
    name: str,
    family: Family,
    template: Template | None,
    outcomes: Sequence[Outcome],
    differences: Sequence[str],
) -> str:
    """README.md, in Markdown.

    Args:
        name: of the model that was exported.
        family: its row.
        template: that prompts are written by; ``None`` where sentence-transformers runs it.
        outcomes: of the probes.
        differences: what plain sentence-transformers gives otherwise.
    """
    libraries = ", ".join(f"{name} {version}" for name, version in versions().items())
    origin = (
        f"Exported from `{name}` (family: {family.name}). Plain sentence-transformers loads it, "
        "without rzen; `rzen.load` takes it too."
    )
    checked = (
        f"Cosine distances to rzen's own vectors, float32, on a CPU, with {libraries}; "
        f"{TOLERANCE:.0e} is the most that is called equal."
    )
    lines = [*_HEAD, origin, ""]
    if template is not None:
        lines += [f"Prompts are written by the template `{template.id}`: {template.about}.", ""]
        lines += [_USE, ""]
    if template is not None and family.licence:
        lines += [f"Licence of the weights that its authors published: {family.licence}.", ""]
    if differences:
        lines += ["## What differs from rzen", "", *(f"- {each}" for each in differences), ""]
    if template is not None:
        lines += ["## Good to know", "", *(f"- {each}" for each in _ADVICE), ""]
    lines += [
        "## Checked when it was exported",
        "",
        checked,
        "",
        "| probe | distance | |",
        "|---|---|---|",
        *(f"| {each.name} | {each.distance:.1e} | {each.because} |" for each in outcomes),
        "",
    ]
    return "\n".join(lines)
