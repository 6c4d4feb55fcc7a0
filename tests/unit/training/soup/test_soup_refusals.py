"""What has no mean is refused, by name and with the way out; nothing is left behind."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lora_files import PEFT_WARNINGS, QWEN3, RZEN, edit_config, write_adapter
from rzen.errors import EncoderError, RzenError, UsageError
from rzen.training.soup import mixing, soup

pytestmark = [pytest.mark.filterwarnings(each) for each in PEFT_WARNINGS]


def copied(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ([1, 2], "2 weights for 3 models"),
        ([1, 2, -1], "-1 is no share"),
        ([1, 2, float("nan")], "nan is no share"),
        ([1, 2, float("inf")], "inf is no share"),
        ([0, 0, 0], "sum to 0"),
    ],
)
def test_weights_that_are_none(
    weights: list[float], why: str, adapters: list[Path], tmp_path: Path
) -> None:
    """A slip in a list of numbers gives a model that is no mean of anything."""
    with pytest.raises(UsageError, match=why):
        soup(adapters, tmp_path / "soup", weights=weights)
    assert list(tmp_path.iterdir()) == []


def test_weights_are_divided_by_their_sum(adapters: list[Path], tmp_path: Path) -> None:
    """5, 3, 2 multiply the change by ten."""
    made = soup(adapters, tmp_path / "soup", weights=[5, 3, 2])
    assert [each.weight for each in made.ingredients] == pytest.approx([0.5, 0.3, 0.2])


Change = dict[str, Any]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"use_dora": True}, r"DoRA.*\(use_dora\).*merge it with PEFT"),
        ({"modules_to_save": ["head"]}, r"whole modules of its own.*\(modules_to_save\)"),
        ({"bias": "lora_only"}, r"biases of its own \(bias='lora_only'\)"),
        ({"lora_bias": True}, "adds to biases"),
        ({"layer_replication": [[0, 2]]}, "how many layers"),
        ({"trainable_token_indices": [1]}, "embeddings of its own"),
        ({"target_parameters": ["x"]}, "bare parameters"),
        ({"alora_invocation_tokens": [1]}, "aLoRA"),
        ({"use_qalora": True}, "does not know what use_qalora=True does"),
        ({"kasa_config": {"beta": 1}}, "does not know what kasa_config="),
        ({"brand_new": "on"}, "does not know what brand_new='on' does"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base's weights too"),
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"r": 5}, "has rank 4, but adapter_config.json says 5"),
        ({"rank_pattern": {"q_proj": 3}}, "says 3"),
        ({"rank_pattern": {"(": 3}}, "rank_pattern=.* cannot be read"),
        ({"alpha_pattern": [3]}, "alpha_pattern=.* cannot be read"),
        ({"lora_alpha": None}, "alpha None"),
        ({"base_model_name_or_path": None}, "does not say which model"),
    ],
)
def test_adapters_that_are_more_than_plain_lora(
    changes: Change, why: str, adapters: list[Path], tmp_path: Path
) -> None:
    """What an adapter brings beside its products is dropped in silence, and scores fall."""
    odd = copied(adapters[1], tmp_path / "odd")
    edit_config(odd, **changes)
    with pytest.raises(EncoderError, match=why) as caught:
        soup([adapters[0], odd], tmp_path / "soup")
    assert str(odd) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("base_model.model.embed.lora_embedding_A", "changes embeddings"),
        ("base_model.model.a.lora_magnitude_vector", "DoRA"),
        ("base_model.model.head.weight", "whole modules of its own"),
        ("base_model.model.a.lora_C.weight", "does not know what that does"),
        ("base_model.model.a.lora_A.weight", "one of the two matrices is missing"),
    ],
)
def test_tensors_that_are_no_products(
    name: str, why: str, adapters: list[Path], tmp_path: Path
) -> None:
    """The configuration is silent about them, and so are we."""
    odd = copied(adapters[1], tmp_path / "odd")
    tensors = load_file(odd / "adapter_model.safetensors")
    save_file({**tensors, name: torch.zeros(4, 4)}, odd / "adapter_model.safetensors")
    with pytest.raises(EncoderError, match=why):
        soup([adapters[0], odd], tmp_path / "soup")


def test_dora_as_peft_writes_it(adapters: list[Path], tmp_path: Path) -> None:
    """The name of the setting is not what PEFT writes."""
    odd = write_adapter(tmp_path / "dora", 1, use_dora=True)
    with pytest.raises(EncoderError, match="DoRA"):
        soup([adapters[0], odd], tmp_path / "soup")


def test_embeddings_and_saved_modules_as_peft_writes_them(
    adapters: list[Path], tmp_path: Path
) -> None:
    """The names of the tensors are not those that PEFT writes."""
    embedding = write_adapter(tmp_path / "embedding", 1, ["q_proj", "embed_tokens"])
    saved = write_adapter(tmp_path / "saved", 1, ["q_proj"], modules_to_save=["norm"])
    for odd, why in ((embedding, "changes embeddings"), (saved, "whole modules")):
        with pytest.raises(EncoderError, match=why):
            soup([adapters[0], odd], tmp_path / "soup")


def test_adapters_of_different_bases(adapters: list[Path], tmp_path: Path) -> None:
    """Two changes of two models are added up, since their shapes happen to agree."""
    other = tmp_path / "other-base"
    shutil.copytree(RZEN, other)
    weights = load_file(other / "model.safetensors")
    weights["lm_head.weight"] += 1
    save_file(weights, other / "model.safetensors")
    for name, revision in (
        (str(other), None),
        ("qihoo360/RzenEmbed", None),
        (str(QWEN3), None),
        ("/not/here", None),
    ):
        odd = copied(adapters[1], tmp_path / f"odd-{Path(name).name}")
        edit_config(odd, base_model_name_or_path=name, revision=revision)
        with pytest.raises(EncoderError, match="adapters of different models") as caught:
            soup([adapters[0], odd], tmp_path / "soup")
        assert name in str(caught.value)


def test_revisions_of_one_base(adapters: list[Path], tmp_path: Path) -> None:
    """The name on the hub is the same, the weights are not."""
    folders = [copied(adapters[number], tmp_path / f"run-{number}") for number in range(2)]
    for folder, revision in zip(folders, ("v1", "v2"), strict=True):
        edit_config(folder, base_model_name_or_path="a/b", revision=revision)
    with pytest.raises(EncoderError, match=r"revision v1.*revision v2"):
        soup(folders, tmp_path / "soup")
    edit_config(folders[0], revision=None)
    edit_config(folders[1], revision="main")
    made = soup(folders, tmp_path / "soup")  # the base need not be here
    assert made.base == "a/b"
    card = (made.folder / "README.md").read_text()
    assert "base_model: a/b" in card


def test_modules_named_from_different_places(adapters: list[Path], tmp_path: Path) -> None:
    """Half of the changes find no module when the soup is loaded, with a warning at best."""
    odd = copied(adapters[1], tmp_path / "odd")
    tensors = load_file(odd / "adapter_model.safetensors")
    moved = {
        name.replace("base_model.model.", "base_model.model.model.", 1): tensor
        for name, tensor in tensors.items()
    }
    save_file(moved, odd / "adapter_model.safetensors")
    with pytest.raises(EncoderError, match="name the modules of their base differently"):
        soup([adapters[0], odd], tmp_path / "soup")


def test_adapters_of_other_shapes(adapters: list[Path], tmp_path: Path) -> None:
    """An error of torch's that names neither adapter nor module."""
    odd = copied(adapters[1], tmp_path / "odd")
    tensors = load_file(odd / "adapter_model.safetensors")
    cut = {
        name: each[:, :-1].contiguous() if "v_proj.lora_A" in name else each
        for name, each in tensors.items()
    }
    save_file(cut, odd / "adapter_model.safetensors")
    with pytest.raises(EncoderError, match=r"v_proj is changed by \[32, 64\] in .*\[32, 63\]"):
        soup([adapters[0], odd], tmp_path / "soup")
    with pytest.raises(EncoderError, match=r"v_proj by \[32, 63\].*has \[32, 64\]"):
        soup([odd], tmp_path / "soup", merge=True)


def test_an_adapter_of_modules_that_its_base_lacks(adapters: list[Path], tmp_path: Path) -> None:
    """A change is dropped because nothing has its name."""
    odd = copied(adapters[1], tmp_path / "odd")
    tensors = load_file(odd / "adapter_model.safetensors")
    moved = {name.replace("layers.2", "layers.9"): each for name, each in tensors.items()}
    save_file(moved, odd / "adapter_model.safetensors")
    with pytest.raises(EncoderError, match=r"changes .*layers\.9.* no such module"):
        soup([odd], tmp_path / "soup", merge=True)
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


def test_kinds_are_not_mixed(adapters: list[Path], tmp_path: Path) -> None:
    """A change and a model are added up."""
    with pytest.raises(EncoderError, match=r"is an adapter and .* a whole checkpoint.*--merge"):
        soup([adapters[0], RZEN], tmp_path / "soup")
    with pytest.raises(UsageError, match="has no adapter to merge"):
        soup([RZEN], tmp_path / "soup", merge=True)
    both = copied(adapters[0], tmp_path / "both")
    shutil.copyfile(RZEN / "model.safetensors", both / "model.safetensors")
    with pytest.raises(EncoderError, match="an adapter and a whole checkpoint"):
        soup([both, adapters[1]], tmp_path / "soup")


def test_folders_that_are_none(adapters: list[Path], tmp_path: Path) -> None:
    """A slip is taken for a name on the hub, or the same run counts twice."""
    with pytest.raises(UsageError, match="there are no models"):
        soup([], tmp_path / "soup")
    with pytest.raises(UsageError, match="there is no such folder"):
        soup([adapters[0], tmp_path / "slip"], tmp_path / "soup")
    with pytest.raises(UsageError, match="is given twice"):
        soup([adapters[0], adapters[0] / "."], tmp_path / "soup")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderError, match="there is no model in it"):
        soup([adapters[0], tmp_path / "empty"], tmp_path / "soup")


@pytest.mark.parametrize("name", ["adapter_model.bin", "pytorch_model.bin"])
def test_pickles(name: str, adapters: list[Path], tmp_path: Path) -> None:
    """Code out of a file is run."""
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / name).write_bytes(b"")
    if name.startswith("adapter"):
        shutil.copyfile(adapters[0] / "adapter_config.json", odd / "adapter_config.json")
    with pytest.raises(EncoderError, match=f"{name}, a format that can run any code"):
        soup([adapters[0], odd], tmp_path / "soup")


def checkpoint(target: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    shutil.copytree(RZEN, target)
    tensors = load_file(target / "model.safetensors")
    change(tensors)
    save_file(tensors, target / "model.safetensors")
    return target


NAME = "model.layers.0.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t.pop(NAME), rf"1 of their tensors differ: {NAME} is in .*model only"),
        (lambda t: t.update(new=torch.zeros(1)), r"new is in .*odd only"),
        (lambda t: t.update({NAME: t[NAME][:-1].contiguous()}), r"F32 \[64, 64\].*F32 \[63, 64\]"),
        (lambda t: t.update({NAME: t[NAME].bfloat16()}), r"BF16 \[64, 64\].*--dtype"),
        (lambda t: [t.pop(name) for name in list(t)[:5]], r"; .*; .*, and 2 more"),
        (lambda t: t[NAME].fill_(float("nan")), rf"odd: {NAME} holds values that are no numbers"),
    ],
)
def test_checkpoints_that_do_not_match(
    change: Callable[[dict[str, torch.Tensor]], object], why: str, tmp_path: Path
) -> None:
    """Tensors of one name, and of another shape or sense, are added up, or left out."""
    odd = checkpoint(tmp_path / "odd", change)
    with pytest.raises(EncoderError, match=why):
        soup([RZEN, odd], tmp_path / "soup")
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


def test_checkpoints_of_other_networks(tmp_path: Path) -> None:
    """All shapes agree, and the positions turn at another speed."""
    odd = checkpoint(tmp_path / "odd", lambda _: None)
    config = json.loads((odd / "config.json").read_text())
    (odd / "config.json").write_text(json.dumps({**config, "transformers_version": "9"}))
    soup([RZEN, odd], tmp_path / "fine")
    (odd / "config.json").write_text(json.dumps({**config, "rope_theta": 7.0}))
    with pytest.raises(EncoderError, match=r"rope_theta: 1000000\.0, .* says 7\.0"):
        soup([RZEN, odd], tmp_path / "soup")


def test_whole_numbers_that_differ(tmp_path: Path) -> None:
    """Quantised weights are averaged as if they were numbers."""
    one = checkpoint(tmp_path / "one", lambda t: t.update(ids=torch.arange(3)))
    two = checkpoint(tmp_path / "two", lambda t: t.update(ids=torch.arange(1, 4)))
    with pytest.raises(EncoderError, match="ids holds whole numbers"):
        soup([one, two], tmp_path / "soup")


def test_values_too_large_for_the_dtype(tmp_path: Path) -> None:
    """Infinity is written, and every vector is NaN."""
    one = checkpoint(tmp_path / "one", lambda t: t[NAME].fill_(1e6))
    with pytest.raises(EncoderError, match="too large for F16"):
        soup([one, RZEN], tmp_path / "soup", dtype="float16")


def test_models_that_are_asked_differently(adapters: list[Path], tmp_path: Path) -> None:
    """The soup is asked by one template, and half of it was trained with another."""
    folders = [copied(adapters[number], tmp_path / f"run-{number}") for number in range(2)]
    for folder, template in zip(folders, ("rzen-paper", "rzen-release"), strict=True):
        (folder / "rzen.json").write_text(json.dumps({"template": template}))
    with pytest.raises(EncoderError, match=r"template is rzen-paper, .* says rzen-release"):
        soup(folders, tmp_path / "soup")


@pytest.mark.parametrize("text", ["[]", '{"qa": 0}', '{"qa": "hot"}', '{"qa": true}', "{"])
def test_temperatures_that_are_none(text: str, adapters: list[Path], tmp_path: Path) -> None:
    """A traceback out of a logarithm."""
    folders = [copied(adapters[number], tmp_path / f"run-{number}") for number in range(2)]
    for folder in folders:
        (folder / "temperatures.json").write_text(text)
    with pytest.raises(RzenError, match=r"temperatures\.json"):
        soup(folders, tmp_path / "soup")


def test_a_damaged_file_is_named(adapters: list[Path], tmp_path: Path) -> None:
    """A traceback out of the library, without the file."""
    odd = copied(adapters[1], tmp_path / "odd")
    file = odd / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(EncoderError, match=str(file)):
        soup([adapters[0], odd], tmp_path / "soup")


@pytest.mark.parametrize(
    "path", ["../elsewhere.safetensors", "/etc/passwd", "sub/model.safetensors"]
)
def test_an_index_that_leads_elsewhere(path: str, tmp_path: Path) -> None:
    """A file outside of the model is read, or one outside of the soup is written."""
    odd = checkpoint(tmp_path / "odd", lambda _: None)
    index = {"weight_map": {NAME: path}}
    (odd / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(EncoderError, match="is no name of a file"):
        soup([odd, RZEN], tmp_path / "soup")


def test_modules_that_lead_elsewhere(tmp_path: Path) -> None:
    """A folder outside of the model is read, or one outside of the soup is written."""
    odd = checkpoint(tmp_path / "odd", lambda _: None)
    (odd / "modules.json").write_text('[{"path": ""}, {"path": "../other"}]')
    with pytest.raises(EncoderError, match="no folder beside it"):
        soup([odd, RZEN], tmp_path / "soup")


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.EIO, "broken"), OSError),
        (OSError(errno.ENOSPC, "No space left on device"), EncoderError),
    ],
)
def test_a_crash_while_writing_leaves_nothing(
    error: BaseException,
    raised: type[BaseException],
    merge: bool,
    adapters: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Half a soup lies there and is taken for a model, or a full disk ends in a traceback."""
    seen: list[int] = []
    whole = os.fsync

    def full(handle: int) -> None:
        whole(handle)
        seen.extend(file.stat().st_size for file in tmp_path.rglob("*.safetensors"))
        if seen:  # else it is the memory of hashes
            raise error

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(raised) as caught:
        soup(adapters, tmp_path / "soup", merge=merge)
    assert seen, "it was stopped before there was anything"
    if raised is EncoderError:
        assert "the disk is full" in str(caught.value)
        assert str(tmp_path / "soup") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_crash_after_the_weights_leaves_nothing(
    adapters: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The folder is in place before its card is."""

    def stop(_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(mixing, "card", stop)
    with pytest.raises(KeyboardInterrupt):
        soup(adapters, tmp_path / "soup")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(adapters: list[Path], tmp_path: Path) -> None:
    """Somebody's files are replaced."""
    (tmp_path / "soup").mkdir()
    (tmp_path / "soup" / "mine.txt").write_text("mine")
    with pytest.raises(EncoderError, match="is there already"):
        soup(adapters, tmp_path / "soup")
    (tmp_path / "soup" / "mine.txt").unlink()
    assert soup(adapters, tmp_path / "soup").folder == tmp_path / "soup"
