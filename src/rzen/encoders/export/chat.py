r"""The templates of :mod:`rzen.encoders.templates` once more, as chat templates of transformers.

sentence-transformers makes one user message of a content, and puts a prompt before it as a system
message. A chat template sees both, and writes them where the rzen template has them.

>>> from rzen.encoders.templates import TEMPLATES
>>> "assistant" in written(TEMPLATES["qwen3-vl-embedding"], {}, ["<|im_end|>"])
True
"""

import json
import sys
import unicodedata
from collections.abc import Collection, Mapping
from functools import cache
from typing import Final

from rzen.encoders.templates import IMAGE_PAD, Template
from rzen.errors import EncoderError
from rzen.types import Modality, Role

_PICTURE = f"<|vision_start|>{IMAGE_PAD}<|vision_end|>"
_HELPFUL = "You are a helpful assistant."

# `seen` holds what a content shows: `pictures`, `texts`, and `body` with both in their order.
_COLLECT = """
{%- set seen = namespace(instruction=none, pictures=0, texts=[], body='', text='') -%}
{%- for message in messages -%}
{%- set whole = message['content'] -%}
{%- set parts = [{'type': 'text', 'text': whole}] if whole is string else whole -%}
{%- for part in parts -%}
{%- if message['role'] == 'system' and part['type'] == 'text' -%}
{%- set seen.instruction = (seen.instruction or '') + part['text'] -%}
{%- elif message['role'] == 'user' and part['type'] == 'text' -%}
{%- set seen.text = part['text'] -%}
{%- for token in SPECIAL -%}
{%- set seen.text = seen.text.replace(token, token.replace('<|', '< |')) -%}
{%- endfor -%}
{%- set seen.texts = seen.texts + [seen.text] -%}
{%- set seen.body = seen.body + seen.text -%}
{%- elif message['role'] == 'user' and part['type'] == 'image' -%}
{%- set seen.pictures = seen.pictures + 1 -%}
{%- set seen.body = seen.body + PICTURE -%}
{%- else -%}
{{- raise_exception(REFUSAL) -}}
{%- endif -%}
{%- endfor -%}
{%- endfor -%}
"""
_REFUSAL = (
    "this model takes texts and images of a user, and a prompt as the system message: rzen.load "
    "takes videos too"
)
_CHAT = """
{{- '<|im_start|>system\\n' + system + '<|im_end|>\\n<|im_start|>user\\n' + user -}}
{{- '<|im_end|>\\n<|im_start|>assistant\\n' + CLOSE -}}
"""
_IN_SYSTEM = """
{%- set system = seen.instruction.strip() or HELPFUL -%}
{%- set user = PICTURE * seen.pictures + seen.texts | join('\\n') -%}
"""
_RELEASE = """
{%- set system = HELPFUL -%}
{%- set user = PICTURE * seen.pictures + seen.instruction + seen.texts | join('\\n') -%}
"""
_PAPER = """
{%- set kind = 'image' if seen.pictures else 'text' -%}
{%- set asked = 'Represent the given ' + kind + ' in one word.' -%}
{%- set system = SYSTEM -%}
{%- set user = [seen.instruction.strip(), seen.body, asked] | select | join('\\n') -%}
"""
_QWEN3 = """
{%- set system = seen.instruction.strip() -%}
{%- if system and system[-1] not in PUNCTUATION -%}
{%- set system = system + '.' -%}
{%- endif -%}
{%- set system = system or "Represent the user's input." -%}
{%- set user = (PICTURE * seen.pictures + seen.texts | join('')) or 'NULL' -%}
"""
_VLM2VEC = """
{{- ([IMAGE] * seen.pictures + [seen.instruction.strip(), seen.texts | join('\\n')])
    | select | join(' ') -}}
"""
_WRITERS: Final[Mapping[str, tuple[str, str | None]]] = {
    "rzen-release": (_RELEASE, "<|endoftext|>"),
    "rzen-paper": (_PAPER, "<|endoftext|>"),
    "rzen-paper-intent": (_PAPER, "<|endoftext|>"),
    "rzen-mteb": (_IN_SYSTEM, "<|endoftext|>"),
    "qwen3-vl-embedding": (_QWEN3, ""),
    "gme": (_IN_SYSTEM, "<|endoftext|>"),
    "ops-mm": (_IN_SYSTEM, "<|endoftext|>"),
    "vlm2vec": (_VLM2VEC, None),
}
"""Name of a template -> what writes system and user turn, and what ends the assistant's."""


def written(
    template: Template,
    instructions: Mapping[tuple[Role, Modality], str],
    special: Collection[str],
) -> str:
    """The chat template that writes what a template writes, for texts and images.

    Args:
        template: the template.
        instructions: role and modality -> what is said where nobody says anything else; the role is
            what ``encode_query`` and ``encode_document`` say.
        special: the tokenizer's own tokens, which no text may write.

    Raises:
        EncoderError: if nobody wrote one for it.
    """
    if template.name not in _WRITERS:
        raise EncoderError(
            f"the template {template.name} has no chat template yet: export with one of "
            f"{', '.join(_WRITERS)}"
        )
    writer, close = _WRITERS[template.name]
    constants = {
        "SPECIAL": sorted(token for token in special if "<|" in token),
        "PICTURE": _PICTURE,
        "IMAGE": IMAGE_PAD,
        "REFUSAL": _REFUSAL,
        "HELPFUL": _HELPFUL,
        "CLOSE": close or "",
        "SYSTEM": _system(template),
        "PUNCTUATION": _punctuation(),
    }
    body = _COLLECT + _defaults(instructions) + writer + (_CHAT if close is not None else "")
    used = {name: value for name, value in constants.items() if name in body}
    head = f"{{#- rzen's template {template.id}, for texts and images -#}}\n"
    return head + "".join(_constant(name, value) for name, value in used.items()) + body.lstrip()


def _constant(name: str, value: object) -> str:
    # JSON's strings and lists are Jinja's too.
    return f"{{%- set {name} = {json.dumps(value)} -%}}\n"


def _system(template: Template) -> str:
    """The system turn of a template in which it is always the same."""
    return template.prompt([]).partition("system\n")[2].partition("<|im_end|>")[0]


def _defaults(instructions: Mapping[tuple[Role, Modality], str]) -> str:
    lines = []
    for (role, modality), words in instructions.items():
        if modality in {"image", "text"}:
            shows = "seen.pictures" if modality == "image" else "not seen.pictures"
            asked = f"seen.instruction is none and task is defined and task == {json.dumps(role)}"
            lines += [
                f"{{%- if {asked} and {shows} -%}}\n",
                f"{{%- set seen.instruction = {json.dumps(words)} -%}}\n",
                "{%- endif -%}\n",
            ]
    return "".join(lines) + "{%- set seen.instruction = seen.instruction or '' -%}\n"


@cache
def _punctuation() -> str:
    """All characters of Unicode's category P; Jinja cannot ask for a category."""
    every = (chr(code) for code in range(sys.maxunicode + 1))
    return "".join(char for char in every if unicodedata.category(char).startswith("P"))
