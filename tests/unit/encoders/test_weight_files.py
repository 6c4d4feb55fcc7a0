"""Tensors written one by one are read by the library, and the other way round."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from rzen.encoders.weight_files import DTYPES, Layout, WeightFiles, write_tensors
from rzen.errors import EncoderError

SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@settings(max_examples=40)
@given(
    drawn=st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(sorted(DTYPES)), SHAPES),
        min_size=1,
        max_size=6,
    ),
    seed=st.integers(0, 1000),
)
def test_what_is_written_is_read(drawn: dict[str, tuple[str, tuple[int, ...]]], seed: int) -> None:
    """Offsets are wrong for some dtype, for a bare number, for nothing, or for a strange name."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: torch.randint(0, 2, shape, generator=generator).to(DTYPES[dtype])
        for name, (dtype, shape) in drawn.items()
    }
    layouts = {name: Layout(dtype, shape) for name, (dtype, shape) in drawn.items()}
    with TemporaryDirectory() as place:
        file = Path(place) / "model.safetensors"
        write_tensors(file, layouts, tensors.__getitem__)
        found = load_file(file)
        data = file.read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        starts = {name: header[name]["data_offsets"][0] for name in tensors}
        # Readers that map the file want every value at a multiple of its width.
        assert all(starts[name] % each.itemsize == 0 for name, each in tensors.items())
        with WeightFiles(Path(place)) as ours:
            assert ours.layouts == layouts
            for name, wanted in tensors.items():
                assert found[name].dtype == wanted.dtype
                assert torch.equal(found[name], wanted)
                assert torch.equal(ours.tensor(name), wanted)


def test_a_dtype_that_cannot_be_added_up(tmp_path: Path) -> None:
    """Eight-bit floats are averaged without their scales."""
    save_file({"a": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "model.safetensors")
    with pytest.raises(EncoderError, match="a is stored as F8_E4M3"):
        WeightFiles(tmp_path)


@pytest.mark.parametrize(
    ("index", "why"),
    [
        ('{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}', "no two.safetensors"),
        ('{"weight_map": {"b": "one.safetensors"}}', "holds b, which it does not"),
        ('{"weight_map": {}}', "no weight_map"),
        ("{}", "no weight_map"),
        ("[", "cannot be read"),
    ],
)
def test_an_index_that_does_not_hold(index: str, why: str, tmp_path: Path) -> None:
    """Half a download is taken for a model."""
    save_file({"a": torch.zeros(2)}, tmp_path / "one.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(EncoderError, match=why):
        WeightFiles(tmp_path)
