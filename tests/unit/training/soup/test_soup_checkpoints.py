"""Soups of whole checkpoints: right to float32, in the files of the first, from any files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lora_files import EXACT, QWEN3, RZEN, farthest, is_nearest, mean_of, network
from rzen.training.soup import soup

TEXT = "model.layers.0.self_attn.q_proj.weight"


def checkpoint(
    target: Path,
    seed: int,
    *,
    shards: int = 0,
    dtype: torch.dtype = torch.float32,
    base: Path = RZEN,
) -> Path:
    """A checkpoint near the base: its text tower was trained, its vision tower was not."""
    torch.manual_seed(seed)
    target.mkdir()
    for file in base.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    tensors = {
        name: (each + 0.1 * torch.randn_like(each) * ("layers" in name)).to(dtype)
        for name, each in load_file(base / "model.safetensors").items()
    }
    write(target, tensors, shards)
    return target


def write(folder: Path, tensors: dict[str, torch.Tensor], shards: int = 0) -> None:
    (folder / "model.safetensors").unlink(missing_ok=True)
    if not shards:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(tensors)
    places: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: tensors[name] for name in names[shard::shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def read(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for file in folder.glob("*.safetensors"):
        found |= load_file(file)
    return found


@pytest.mark.parametrize("shards", [(0, 0, 0), (3, 0, 2), (0, 2, 2)])
def test_the_mean_whatever_the_files(shards: tuple[int, int, int], tmp_path: Path) -> None:
    """Tensors of one model are matched by the order of files; sharding is lost, or its index
    still names the old sizes."""
    models = [checkpoint(tmp_path / f"m{n}", n, shards=count) for n, count in enumerate(shards)]
    made = soup(models, tmp_path / "soup", weights=[2, 1, 1])
    wanted = mean_of([read(each) for each in models], [0.5, 0.25, 0.25])
    assert farthest(read(made.folder), wanted) < EXACT
    files = {path.name for path in models[0].iterdir()}
    added = {path.name for path in made.folder.iterdir()} - files
    assert added == {"README.md", "soup.json"}
    assert (made.kind, made.dtype, made.base) == ("checkpoint", "float32", None)
    before = network(models[0]).state_dict()
    after = network(made.folder).state_dict()  # transformers reads it
    assert before.keys() == after.keys()
    if shards[0]:
        index = json.loads((made.folder / "model.safetensors.index.json").read_text())
        assert index["metadata"]["total_size"] == sum(each.nbytes for each in wanted.values()) // 2
        assert set(index["weight_map"].values()) == {
            file.name for file in made.folder.glob("*.safetensors")
        }


def test_what_all_have_in_common_is_copied(tmp_path: Path) -> None:
    """A frozen tower is moved by rounding: thirds of a number do not sum to it."""
    models = [checkpoint(tmp_path / f"m{n}", n) for n in range(3)]
    made = read(soup(models, tmp_path / "soup").folder)
    base = read(RZEN)
    frozen = [name for name in base if "layers" not in name]
    assert len(frozen) > 10
    assert all(torch.equal(made[name], base[name]) for name in frozen)
    thirds = base[frozen[0]] * (1 / 3)
    assert not torch.equal(thirds + thirds + thirds, base[frozen[0]]), "rounding moves nothing"


def test_low_precision_is_added_in_float32_and_cast_once(tmp_path: Path) -> None:
    """Sums are rounded to bfloat16 at each step."""
    models = [checkpoint(tmp_path / f"m{n}", n, dtype=torch.bfloat16) for n in range(3)]
    made = soup(models, tmp_path / "soup", weights=[1, 2, 4])
    found = read(made.folder)
    assert made.dtype == "bfloat16"
    wanted = mean_of([read(each) for each in models], [1 / 7, 2 / 7, 4 / 7])
    assert all(is_nearest(found[name], weight) for name, weight in wanted.items())
    careless = sum(
        weight / 7 * read(each)[TEXT] for weight, each in zip([1, 2, 4], models, strict=True)
    )
    assert isinstance(careless, torch.Tensor)
    assert not is_nearest(careless, wanted[TEXT]), "this test could not tell them apart"


def test_a_family_that_only_the_name_tells_is_written_down(tmp_path: Path) -> None:
    """The soup has another name than its models, and is asked by another family's template."""
    models = [checkpoint(tmp_path / f"vlm2vec-v2-{n}", n) for n in range(2)]
    made = soup(models, tmp_path / "soup")
    note = json.loads((made.folder / "rzen.json").read_text())
    assert note == {"family": "VLM2Vec-V2", "template": "vlm2vec"}


def test_another_dtype_is_written_down_too(tmp_path: Path) -> None:
    """config.json says float32, and the next one who loads it doubles the memory."""
    models = [checkpoint(tmp_path / f"m{n}", n, base=QWEN3, shards=n) for n in (2, 0)]
    made = soup(models, tmp_path / "soup", dtype="bfloat16")
    assert {each.dtype for each in read(made.folder).values()} == {torch.bfloat16}
    config = json.loads((made.folder / "config.json").read_text())
    assert config["dtype"] == config["text_config"]["dtype"] == "bfloat16"
    index = json.loads((made.folder / "model.safetensors.index.json").read_text())
    size = sum(each.nbytes for each in read(made.folder).values())
    assert index["metadata"]["total_size"] == size


def test_whole_numbers_and_modules_beside_the_network(tmp_path: Path) -> None:
    """Positions are averaged to fractions; the head of a sentence-transformers model is that of
    the first alone, or its bare numbers (0-d) are lost."""
    folders = []
    for number in range(2):
        folder = checkpoint(tmp_path / f"m{number}", number)
        tensors = read(folder)
        tensors["position_ids"] = torch.arange(5)
        tensors["is_causal"] = torch.tensor([True, False])
        tensors["scale"] = torch.tensor(1.0 + number)
        write(folder, tensors)
        (folder / "modules.json").write_text('[{"path": ""}, {"path": "2_Dense"}]')
        (folder / "2_Dense").mkdir()
        (folder / "2_Dense" / "config.json").write_text("{}")
        head = {"linear.weight": torch.full((2, 3), float(number))}
        save_file(head, folder / "2_Dense" / "model.safetensors")
        folders.append(folder)
    made = soup(folders, tmp_path / "soup", weights=[3, 1])
    found = read(made.folder)
    assert torch.equal(found["position_ids"], torch.arange(5))
    assert torch.equal(found["is_causal"], torch.tensor([True, False]))
    assert found["scale"].shape == ()
    assert float(found["scale"]) == 1.25
    head = load_file(made.folder / "2_Dense" / "model.safetensors")
    assert torch.equal(head["linear.weight"], torch.full((2, 3), 0.25))
    assert (made.folder / "2_Dense" / "config.json").is_file()


def test_temperatures_are_averaged_as_they_are_learned(tmp_path: Path) -> None:
    """The arithmetic mean of 0.01 and 0.04 is not where their logarithms meet."""
    models = [checkpoint(tmp_path / f"m{n}", n) for n in range(3)]
    for folder, found in zip(
        models, ({"qa": 0.01, "video": 0.02}, {"qa": 0.04}, {"qa": 0.02}), strict=True
    ):
        (folder / "temperatures.json").write_text(json.dumps(found))
    made = soup(models[:2], tmp_path / "two")
    assert made.temperatures == pytest.approx({"qa": 0.02, "video": 0.02})
    assert any("video" in note for note in made.notes)
    assert json.loads((made.folder / "temperatures.json").read_text()) == made.temperatures
    made = soup(models[:2], tmp_path / "weighted", weights=[3, 1])
    assert made.temperatures["qa"] == pytest.approx(0.01 ** (3 / 4) * 0.04 ** (1 / 4))
    (models[2] / "temperatures.json").unlink()
    made = soup(models, tmp_path / "three")
    assert made.temperatures == {}
    assert not (made.folder / "temperatures.json").exists()
    assert any("left out, for m2 has none" in note for note in made.notes)


def test_the_card_names_what_is_in_it(tmp_path: Path) -> None:
    """Nobody can tell later what was mixed, how much of it, by what, and under which licence."""
    models = [checkpoint(tmp_path / f"m{n}", n) for n in range(2)]
    (models[0] / "README.md").write_text("---\nlicense: mit\n---\n# One")
    (models[1] / "rzen.json").write_text('{"licence": "Apache-2.0", "family": "RzenEmbed"}')
    made = soup(models, tmp_path / "soup", weights=[1, 3])
    card = (made.folder / "README.md").read_text()
    document = json.loads((made.folder / "soup.json").read_text())
    from rzen.version import __version__

    assert [each["name"] for each in document["ingredients"]] == ["m0", "m1"]
    assert [each["weight"] for each in document["ingredients"]] == [0.25, 0.75]
    assert [each["licence"] for each in document["ingredients"]] == ["mit", "Apache-2.0"]
    assert document["rzen"] == __version__
    for each in document["ingredients"]:
        assert len(each["hash"]) == 20
        assert f"| {each['name']} | {each['weight']:.4f} | `{each['hash']}`" in card
    assert "license:" not in card, "they are not under one licence"
    assert str(tmp_path) not in card + json.dumps(document)
    again = soup([models[0], made.folder], tmp_path / "again")  # a soup can be an ingredient
    assert again.ingredients[0].hash == document["ingredients"][0]["hash"]


PEAK = """
import sys
from pathlib import Path
from rzen.training.soup import soup

def anonymous():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024

folders = [Path(each) for each in sys.argv[2:]]
soup(folders, Path(sys.argv[1]) / "warm")
before, most = anonymous(), [0]
soup(folders, Path(sys.argv[1]) / "soup", on_step=lambda _: most.append(anonymous()))
print(max(most) - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no /proc to measure by")
def test_memory_is_for_tensors_not_for_models(tmp_path: Path) -> None:
    """Whole models are held: three of 7B need 90 GB that nobody has."""
    size = 2_000_000
    folders = []
    for number in range(3):
        folder = tmp_path / f"m{number}"
        folder.mkdir()
        torch.manual_seed(number)
        save_file(
            {f"layer.{each}": torch.randn(size) for each in range(12)},
            folder / "model.safetensors",
        )
        (folder / "config.json").write_text('{"model_type": "nothing"}')
        folders.append(folder)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path), *map(str, folders)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) < 4 * (4 * size), "more than four tensors"
