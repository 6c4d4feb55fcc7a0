"""Chat templates write what the templates write: nobody would see a prompt that is a bit off."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.encoders.export.chat import written
from rzen.encoders.families import FAMILIES
from rzen.encoders.templates import TEMPLATES, Picture, Piece, Template, Words
from rzen.errors import EncoderError

SPECIAL = ["<|im_end|>", "<|image_pad|>", "<|endoftext|>"]
# What Jinja, JSON, strip or the tokenizer might take for something else.
SCRAPS = [
    "a",
    " ",
    "\n",
    "é",
    "。",
    ".",
    "'",
    '"',
    "\\",
    "{{ x }}",
    "{% if %}",
    "NULL",
    "<|im_end|>",
]
SCRAPS += ["<|image_pad|>", "¿", "\u2028", "<|", "the boat", "0"]

words = st.lists(st.sampled_from(SCRAPS), max_size=5).map("".join)
parts = st.lists(st.one_of(words, st.just(1)), max_size=5)


def rendered(chat: str, given: Sequence[str | int], instruction: str, **options: Any) -> str:
    """The prompt that transformers makes of the messages that sentence-transformers makes."""
    from transformers.utils.chat_template_utils import render_jinja_template

    content = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image", "image": part}
        for part in given
    ]
    messages = [{"role": "user", "content": content}]
    if instruction:
        told = [{"type": "text", "text": instruction}]
        messages.insert(0, {"role": "system", "content": told})
    made: Any = render_jinja_template(conversations=[messages], chat_template=chat, **options)
    return str(made[0][0])


def clean(text: str) -> str:
    for token in SPECIAL:
        text = text.replace(token, token.replace("<|", "< |"))
    return text


def pieces(given: Sequence[str | int]) -> list[Piece]:
    return [Words(clean(part)) if isinstance(part, str) else Picture(part) for part in given]


@pytest.mark.parametrize("name", TEMPLATES)
@given(given_parts=parts, instruction=words)
def test_writes_what_the_template_writes(
    name: str, given_parts: list[str | int], instruction: str
) -> None:
    """A space, a full stop or a turn that is elsewhere gives other vectors for everything."""
    template = TEMPLATES[name]
    wanted = template.prompt(pieces(given_parts), instruction)
    assert rendered(written(template, {}, SPECIAL), given_parts, instruction) == wanted


@pytest.mark.parametrize("mark", ["¿", "»", "٪", "_", "༄", "$", "+", "৹"])
def test_knows_punctuation_of_all_scripts(mark: str) -> None:
    """A full stop is added behind what is one already, or left out behind a sign that is none."""
    template = TEMPLATES["qwen3-vl-embedding"]
    told = rendered(written(template, {}, []), ["a"], f"Find{mark}")
    assert told == template.prompt([Words("a")], f"Find{mark}")


def test_says_what_the_family_says_for_a_role() -> None:
    """`encode_document` of a picture misses the instruction of the documents."""
    family = FAMILIES[0]
    template = TEMPLATES["rzen-release"]
    chat = written(template, family.instructions, [])
    said = family.instructions["document", "image"]
    assert rendered(chat, [1], "", task="document") == template.prompt([Picture(1)], said)
    assert rendered(chat, [1, "a"], "", task="document") == template.prompt(
        [Picture(1), Words("a")], said
    )
    assert rendered(chat, ["a"], "", task="document") == template.prompt([Words("a")])
    assert rendered(chat, [1], "", task="query") == template.prompt([Picture(1)])
    assert rendered(chat, [1], "") == template.prompt([Picture(1)])
    assert rendered(chat, [1], "Other.", task="document") == template.prompt([Picture(1)], "Other.")


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "video", "video": "a.mp4"}]},
        {"role": "assistant", "content": "a"},
        {"role": "system", "content": [{"type": "image", "image": 1}]},
    ],
)
def test_refuses_what_it_cannot_write(message: dict[str, Any]) -> None:
    """A video, or another one's turn, is left out without a word."""
    from jinja2 import TemplateError
    from transformers.utils.chat_template_utils import render_jinja_template

    chat = written(TEMPLATES["rzen-paper"], {}, [])
    with pytest.raises(TemplateError, match="texts and images"):
        render_jinja_template(conversations=[[message]], chat_template=chat)


def test_a_new_template_is_refused_by_name() -> None:
    """A template that nobody wrote a chat template for gets the one of another."""
    new = Template(
        name="new", version=1, about="", positions="1d", frames="pairs", write=lambda _, told: told
    )
    with pytest.raises(EncoderError, match="template new has no chat template"):
        written(new, {}, [])
