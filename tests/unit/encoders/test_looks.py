"""Models that were shown pictures of other sizes than their family: `look` in rzen.json."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from lora_files import RZEN
from media_files import smooth
from rzen.encoders import create
from rzen.encoders.families import FAMILIES, family_named
from rzen.encoders.looks import adjusted
from rzen.encoders.sizes import Bounds
from rzen.encoders.vision_language.encoder import VisionLanguageEncoder
from rzen.errors import EncoderError
from rzen.types import Content, Image

RZEN_EMBED = family_named("RzenEmbed")
SEEING = [each for each in FAMILIES if each.look is not None]
BLIND = next(each for each in FAMILIES if each.look is None)


def test_nothing_said_nothing_changed() -> None:
    """A family that is rebuilt, and loses something on the way, whenever a folder has a note."""
    for family in FAMILIES:
        assert adjusted(family, {}) is family


@pytest.mark.parametrize("family", SEEING, ids=lambda each: str(each.name))
def test_only_what_is_said_changes(family: Any) -> None:
    """Frames that shrink with pictures; authors' own sizes that pictures go through first."""
    found: Any = adjusted(family, {"picture_tokens": [5, 6]})
    side = family.look.picture[-1].side
    assert found.look.picture == (Bounds.tokens(5, 6, side),)
    for count in (1, 7, 64):
        assert found.look.frames(count) == family.look.frames(count)
    assert (found.look.tokens, found.look.template) == (family.look.tokens, family.look.template)
    assert found.budget == family.budget

    found = adjusted(family, {"frame_tokens": [5, 6], "frames": 3, "fps": 0.5, "prompt_tokens": 99})
    assert found.look.picture == family.look.picture
    for count in (1, 64):
        assert found.look.frames(count) == (Bounds.tokens(5, 6, side),)
    assert (found.budget.frames, found.budget.fps, found.look.tokens) == (3, 0.5, 99)


@pytest.mark.parametrize("family", SEEING, ids=lambda each: str(each.name))
def test_decoders_deliver_what_is_shown(family: Any) -> None:
    """A model that asks for larger pages gets pages that were shrunk where they were opened."""
    side = family.look.picture[-1].side
    found = adjusted(family, {"picture_tokens": [4, 5000], "frame_tokens": [4, 3000]}).budget
    assert min(found.image_pixels, found.page_pixels) >= 5000 * side**2
    assert found.frame_pixels >= 3000 * side**2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"picture_token": [4, 4]}, "there is no 'picture_token'"),
        ({"picture_tokens": [4]}, r"picture_tokens is \[4\], not two positive numbers"),
        ({"picture_tokens": 4}, "not two positive numbers"),
        ({"picture_tokens": "44"}, "not two positive numbers"),
        ({"picture_tokens": [0, 4]}, "not two positive numbers"),
        ({"picture_tokens": [True, 4]}, "not two positive numbers"),
        ({"frame_tokens": [5, 4]}, "the least is more than the most"),
        ({"frames": 0}, "frames is 0, not a positive number"),
        ({"frames": [3]}, "not a positive number"),
        ({"fps": "fast"}, "fps is 'fast'"),
        ({"prompt_tokens": None}, "not a positive number"),
        ([1], "not a table"),
    ],
)
def test_what_cannot_be_is_refused(changes: Any, message: str) -> None:
    """A note that somebody edited: a slip that is ignored gives other vectors than were trained."""
    with pytest.raises(EncoderError, match=message):
        adjusted(RZEN_EMBED, changes)


def test_models_that_others_run_take_none() -> None:
    """A setting that has no effect looks as if it had."""
    with pytest.raises(EncoderError, match="leave look out"):
        adjusted(BLIND, {"frames": 2})


def test_the_note_beside_a_model_is_honoured(tmp_path: Path) -> None:
    """A model that was trained on small pictures and is searched with on large ones."""
    folder = shutil.copytree(RZEN, tmp_path / "rzenembed-model")
    picture = tmp_path / "picture.png"
    Pillow.fromarray(smooth(200, 120)).save(picture)
    content = Content(Image(picture))
    tokens: list[int] = []
    vectors = []
    looks: list[dict[str, Any]] = [{}, {"picture_tokens": [4, 6]}]
    for look in (*looks, {"picture_tokens": [4, 40], "prompt_tokens": None}):
        if "prompt_tokens" in look:
            look["prompt_tokens"] = tokens[-1] + 20
        note = {"family": "RzenEmbed", "template": "rzen-paper", "look": look}
        (folder / "rzen.json").write_text(json.dumps(note))
        encoder = create(str(folder), device="cpu")
        assert isinstance(encoder, VisionLanguageEncoder)
        encoded = encoder.encode([content], role="document")
        vectors.append(encoded.vectors[0])
        tokens.append(encoded.tokens or 0)
        prompt = encoder.prepare(content, role="document", instruction=None)
        assert len(prompt.ids_S) == tokens[-1]
    assert tokens[0] > 256
    assert tokens[1] < tokens[0] - 240
    assert tokens[1] < tokens[2] <= tokens[1] + 20  # 25, did the prompt not end there
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)
    (folder / "rzen.json").write_text(json.dumps({"look": 3}))
    with pytest.raises(EncoderError, match="look: it is 3, not a table"):
        create(str(folder), device="cpu")
