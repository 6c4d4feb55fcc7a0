import pytest

from rzen.encoders.templates import TEMPLATES, Clip, Picture, Piece, Words

SEEN = "<|vision_start|><|image_pad|><|image_pad|><|vision_end|>"
TOLD = "<|im_start|>system\nFind it.<|im_end|>\n<|im_start|>user\n"
CLOSE = "<|im_end|>\n<|im_start|>assistant\n<|endoftext|>"
HELPFUL = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"


@pytest.mark.parametrize(
    ("template", "pieces", "instruction", "prompt"),
    [
        ("rzen-release", [Words("a boat")], "", f"{HELPFUL}a boat{CLOSE}"),
        ("rzen-release", [Words("a boat")], "Find it: ", f"{HELPFUL}Find it: a boat{CLOSE}"),
        (
            "rzen-release",
            [Words("at"), Picture(2), Words("night")],
            "Find it: ",
            f"{HELPFUL}{SEEN}Find it: at\nnight{CLOSE}",
        ),
        ("rzen-release", [Clip((2, 2), (0.0, 1.0))], "Look.", f"{HELPFUL}{SEEN}{SEEN}Look.{CLOSE}"),
        ("rzen-release", [Words("  spaces  ")], "", f"{HELPFUL}  spaces  {CLOSE}"),
        (
            "rzen-mteb",
            [Picture(2), Words("a boat")],
            "Find it.",
            f"<|im_start|>system\nFind it.<|im_end|>\n<|im_start|>user\n{SEEN}a boat{CLOSE}",
        ),
        ("gme", [Words("a boat")], "", f"{HELPFUL}a boat{CLOSE}"),
        (
            "qwen3-vl-embedding",
            [Words("a"), Picture(2), Clip((1, 1), (0.25, 1.25)), Words("b")],
            " Find it ",
            (
                f"{TOLD}"
                "<0.2 seconds><|vision_start|><|video_pad|><|vision_end|>"
                f"<1.2 seconds><|vision_start|><|video_pad|><|vision_end|>{SEEN}ab<|im_end|>\n"
                "<|im_start|>assistant\n"
            ),
        ),
        (
            "qwen3-vl-embedding",
            [Words("")],
            "",
            (
                "<|im_start|>system\nRepresent the user's input.<|im_end|>\n<|im_start|>user\nNULL"
                "<|im_end|>\n<|im_start|>assistant\n"
            ),
        ),
        (
            "rzen-paper",
            [Picture(2), Words("a boat")],
            "Find it.",
            (
                "<|im_start|>system\nGiven an image, summarize the provided image in one word. "
                "Given only text, describe the text in one word.<|im_end|>\n<|im_start|>user\n"
                f"Find it.\n{SEEN}a boat\nRepresent the given image in one word.{CLOSE}"
            ),
        ),
        (
            "vlm2vec",
            [Picture(2), Words("a boat")],
            "Find it:",
            "<|image_pad|>" * 2 + " Find it: a boat",
        ),
        ("vlm2vec", [Clip((1, 2), (0.0, 1.0))], "", "<|video_pad|>" * 3),
        ("vlm2vec", [Words("a boat")], "", "a boat"),
    ],
)
def test_prompts_are_those_of_the_published_scripts(
    template: str, pieces: list[Piece], instruction: str, prompt: str
) -> None:
    """A word, a blank or an order that is not the authors' costs several points."""
    assert TEMPLATES[template].prompt(pieces, instruction) == prompt


def test_the_paper_asks_for_a_text_where_there_is_no_picture() -> None:
    """Both representation prompts are trained; the wrong one is another input."""
    found = TEMPLATES["rzen-paper"].prompt([Words("a boat")])
    assert "a boat\nRepresent the given text in one word." in found


@pytest.mark.parametrize("mark", ["?", "。", "!", ")"])
def test_an_instruction_that_ends_in_punctuation_is_left_alone(mark: str) -> None:
    """The published script asks Unicode what punctuation is."""
    found = TEMPLATES["qwen3-vl-embedding"].prompt([Words("x")], f"Find it{mark}")
    assert f"system\nFind it{mark}<|im_end|>" in found


def test_what_is_written_is_frozen() -> None:
    """A change of a template without a new version would make old indexes lie."""
    import hashlib

    pieces: list[Piece] = [Words("a"), Picture(1), Clip((1,), (0.5,)), Words("b")]
    found = {
        each.id: hashlib.sha256((each.prompt(pieces, "Do.") + each.positions).encode()).hexdigest()[
            :12
        ]
        for each in TEMPLATES.values()
    }
    assert found == FROZEN, "a template writes something else: give it a new version"


FROZEN = {
    "rzen-release-1": "8ecbc12c430d",
    "rzen-paper-1": "51f7175a315e",
    "rzen-paper-intent-1": "ece24ee24b03",
    "rzen-mteb-1": "636cf2aec9a5",
    "qwen3-vl-embedding-1": "98577e36b504",
    "gme-1": "636cf2aec9a5",
    "ops-mm-1": "631a9a542aad",
    "vlm2vec-1": "aa1cb8a169b2",
}
