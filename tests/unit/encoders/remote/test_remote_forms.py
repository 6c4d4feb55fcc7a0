"""What is sent in each form, without a server."""

import base64
import io

import numpy as np
import pytest
from PIL import Image as Pictures

from media_files import smooth
from rzen.encoders.opening import OpenPart
from rzen.encoders.remote import cohere_form, openai_form
from rzen.encoders.remote.form import Asked, Piece, joined, piece
from rzen.types import Frames, Modality, Role

PICTURE = Piece("image", "data:image/png;base64,AA")
CLIP = Piece("video", "data:video/jpeg;base64,AA,BB")
WORDS = Piece("text", "a boat")


def asked(
    role: Role = "document", instruction: str = "", dim: int | None = None, model: str = "m"
) -> Asked:
    return Asked(model=model, role=role, instruction=instruction, dim=dim)


def part(modality: Modality, count: int = 1, text: str = "") -> OpenPart:
    pixels = tuple(smooth(50, 40, seed=seed) for seed in range(count))
    return OpenPart(modality=modality, frames=Frames(pixels=pixels), text=text)


def test_texts_in_openais_form() -> None:
    """Guards against a field that OpenAI does not know, and base64 in the answer."""
    body = openai_form.TEXT.body([[WORDS], [WORDS, WORDS]], asked(dim=256))
    assert body == {
        "model": "m",
        "input": ["a boat", "a boat\na boat"],
        "encoding_format": "float",
        "dimensions": 256,
    }


@pytest.mark.parametrize(
    ("role", "instruction", "sent"),
    [
        ("query", "Find it", "Instruct: Find it\nQuery:a boat"),
        ("query", "", "a boat"),
        ("document", "Find it", "a boat"),
    ],
)
def test_instructions_stand_before_queries_only(role: Role, instruction: str, sent: str) -> None:
    """Guards against documents with an instruction that their model never saw there."""
    assert openai_form.TEXT.body([[WORDS]], asked(role, instruction))["input"] == [sent]


def test_media_in_the_chat_form() -> None:
    """Guards against an order, a role or a name of a field that vLLM does not know."""
    body = openai_form.CHAT.body([[WORDS, CLIP, PICTURE]], asked("query", "Find it"))
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Find it"}]},
            {
                "role": "user",
                "content": [
                    {"type": "video_url", "video_url": {"url": CLIP.value}},
                    {"type": "image_url", "image_url": {"url": PICTURE.value}},
                    {"type": "text", "text": "a boat"},
                ],
            },
        ],
        "encoding_format": "float",
    }


def test_without_an_instruction_the_servers_template_stands() -> None:
    """Guards against an empty system message in place of the template's own."""
    (message,) = openai_form.CHAT.body([[PICTURE]], asked())["messages"]
    assert message["role"] == "user"
    assert [each["type"] for each in message["content"]] == ["image_url"]


def test_qwen3_vl_embedding_ends_inside_an_answer() -> None:
    """Guards against vLLM's closed chat, whose vectors are not the published ones."""
    form = openai_form.form_for("Qwen/Qwen3-VL-Embedding-8B", sees=True)
    body = form.body([[PICTURE]], asked(instruction="Find it"))
    system, user, assistant = body["messages"]
    assert system["content"] == [{"type": "text", "text": "Find it."}]
    assert user["role"] == "user"
    assert assistant == {"role": "assistant", "content": [{"type": "text", "text": ""}]}
    assert body["continue_final_message"] is body["add_special_tokens"] is True
    silent = form.body([[PICTURE]], asked())["messages"][0]
    assert silent["content"][0]["text"] == "Represent the user's input."
    assert openai_form.form_for("Qwen/Qwen3-VL-Embedding-8B", sees=False) is openai_form.TEXT
    assert openai_form.form_for("openai/clip-vit-base-patch32", sees=True) is openai_form.CHAT


def test_texts_in_coheres_form() -> None:
    """Guards against an input_type of the other role, and vectors in another number format."""
    body = cohere_form.FORM.body([[WORDS], [WORDS]], asked("query", "Find it", dim=512))
    assert body == {
        "model": "m",
        "input_type": "search_query",
        "embedding_types": ["float"],
        "texts": ["a boat", "a boat"],
        "output_dimension": 512,
    }
    assert cohere_form.FORM.body([[WORDS]], asked())["input_type"] == "search_document"


def test_pictures_in_coheres_form() -> None:
    """Guards against parts in another order: Cohere reads them as they stand."""
    body = cohere_form.FORM.body([[WORDS, PICTURE]], asked())
    assert "texts" not in body
    assert body["inputs"] == [
        {
            "content": [
                {"type": "text", "text": "a boat"},
                {"type": "image_url", "image_url": {"url": PICTURE.value}},
            ]
        }
    ]


def test_a_picture_is_sent_as_it_is() -> None:
    """Guards against lost pixels: a page's small print is what JPEG spoils."""
    found = piece(part("page", text="unread"), {"text", "image"})
    kind, _, data = found.value.partition(";base64,")
    assert (found.kind, kind) == ("image", "data:image/png")
    pixels = np.asarray(Pictures.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(pixels, smooth(50, 40, seed=0))


def test_a_million_pixels_stay_below_coheres_limit() -> None:
    """Guards against pictures that are refused for their size: noise does not compress."""
    from rzen.encoders.remote.encoder import RemoteEncoder

    side = int(RemoteEncoder.budget.image_pixels**0.5)
    noise = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    sent = piece(
        OpenPart(modality="image", frames=Frames(pixels=(noise,)), text=""), {"text", "image"}
    )
    assert len(base64.b64decode(sent.value.partition(",")[2])) < 5_000_000


def test_a_video_is_its_frames() -> None:
    """Guards against a file sent for a stretch of it, and frames in another order."""
    found = piece(part("video", count=3), {"text", "video"})
    kind, _, data = found.value.partition(";base64,")
    assert (found.kind, kind) == ("video", "data:video/jpeg")
    frames = [
        np.asarray(Pictures.open(io.BytesIO(base64.b64decode(each)))) for each in data.split(",")
    ]
    assert len(frames) == 3
    for seed, frame in enumerate(frames):
        expected = smooth(50, 40, seed=seed).astype(int)
        assert abs(frame.astype(int) - expected).mean() < 4


def test_a_page_is_read_to_a_model_of_texts() -> None:
    """Guards against a picture sent to a model that cannot see."""
    assert piece(part("page", text="a page"), {"text", "page"}) == Piece("text", "a page")


@pytest.mark.parametrize(("text", "sent"), [("", " "), ("a\ud800b", "a?b")])
def test_texts_that_servers_refuse_are_mended(text: str, sent: str) -> None:
    """Guards against an empty query, or half a character in a file's name, that is an error."""
    assert joined([piece(OpenPart(modality="text", frames=None, text=text), {"text"})]) == sent


@pytest.mark.parametrize("value", [None, 3, {"0": [1.0]}, [[1.0], 2], [[[1.0]], [[2.0]]], [[], []]])
def test_what_is_no_matrix_is_refused(value: object) -> None:
    """Guards against tracebacks from numpy, whatever a server sends."""
    with pytest.raises(ValueError, match="sent"):
        cohere_form.FORM.vectors({"embeddings": {"float": value}}, 2)
