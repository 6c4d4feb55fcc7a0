import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluation_sets import TableEncoder
from rzen.errors import MediaError
from rzen.evaluation.vector_cache import CachedVector, VectorCache, cache_file, vector_key
from rzen.media.content_digest import content_digest
from rzen.types import Content, Frames, Image, Page, Part, Text, Video

ROWS = {bytes([number]) * 32: [float(number), 1.0, -0.5] for number in range(5)}


def cached(values: list[float], *warnings: str) -> CachedVector:
    return CachedVector(vector=np.array(values, np.float32), warnings=warnings)


def filled(file: Path) -> None:
    with VectorCache(file, dim=3) as cache:
        cache.put_many({key: cached(values) for key, values in ROWS.items()})
        assert cache.warnings == []


def test_what_is_put_is_found_again_and_nothing_else(tmp_path: Path) -> None:
    """Guards against lost vectors, lost warnings, and vectors under a neighbour's key."""
    file = tmp_path / "deep" / "vectors.sqlite"
    with VectorCache(file, dim=3) as cache:
        cache.put_many({key: cached(values, "cut off", "ß") for key, values in ROWS.items()})
    with VectorCache(file, dim=3) as cache:
        found = cache.get_many([*ROWS, b"unknown"])
        assert cache.warnings == []
    assert {key: each.vector.tolist() for key, each in found.items()} == ROWS
    assert {each.warnings for each in found.values()} == {("cut off", "ß")}
    assert all(each.vector.dtype == np.float32 for each in found.values())


def test_keys_in_any_number(tmp_path: Path) -> None:
    """They are asked for in portions: none may fall between two of them."""
    keys = [number.to_bytes(32, "big") for number in range(1501)]
    with VectorCache(tmp_path / "v.sqlite", dim=1) as cache:
        cache.put_many({key: cached([1.0]) for key in keys})
        for count in (0, 1, 499, 500, 501, 1000, 1501):
            assert cache.get_many(keys[:count]).keys() == set(keys[:count])
        assert cache.warnings == []


def test_a_vector_of_another_dimension_is_not_used(tmp_path: Path) -> None:
    """It would be cut, or broadcast, and rank nonsense."""
    file = tmp_path / "v.sqlite"
    filled(file)
    with VectorCache(file, dim=4) as cache:
        assert cache.get_many(list(ROWS)) == {}
        assert "5 vectors" in cache.warnings[0]
        assert "another dimension" in cache.warnings[0]
        assert cache.take_warnings()
        assert cache.take_warnings() == []


def test_a_flipped_bit_is_noticed_and_mended(tmp_path: Path) -> None:
    """SQLite keeps no checksums: a bad sector would quietly change a vector."""
    file = tmp_path / "v.sqlite"
    filled(file)
    (key, values) = list(ROWS.items())[3]
    whole = bytearray(file.read_bytes())
    place = whole.index(np.array(values, "<f4").tobytes())
    whole[place + 2] ^= 0x10
    file.write_bytes(whole)
    with VectorCache(file, dim=3) as cache:
        assert cache.get_many(list(ROWS)).keys() == ROWS.keys() - {key}
        assert "1 vectors" in cache.take_warnings()[0]
        cache.put_many({key: cached(values)})
        assert cache.get_many([key])[key].vector.tolist() == values
        assert cache.warnings == []


@pytest.mark.parametrize("damage", ["noise", "cut", "empty pages", "other program"])
def test_a_damaged_file_is_given_up_and_begun_anew(tmp_path: Path, damage: str) -> None:
    """A run must neither end nor trust it."""
    file = tmp_path / "v.sqlite"
    filled(file)
    whole = file.read_bytes()
    if damage == "noise":
        file.write_bytes(np.random.default_rng(0).bytes(5000))
    elif damage == "cut":
        file.write_bytes(whole[:9000])
    elif damage == "empty pages":  # the first page still says which tables there are
        file.write_bytes(whole[:8192] + b"\x5a" * (len(whole) - 8192))
    else:
        file.unlink()
        with sqlite3.connect(file) as other:
            other.execute("CREATE TABLE vectors (name TEXT)")
        other.close()
    for number in range(2):
        with VectorCache(file, dim=3) as cache:
            assert cache.get_many(list(ROWS)) == {}
            cache.put_many({b"new": cached([1.0, 2.0, 3.0])})
            assert cache.get_many([b"new"])[b"new"].vector.tolist() == [1.0, 2.0, 3.0]
            assert len(cache.warnings) == 1
            assert "damaged" in cache.warnings[0]
        with VectorCache(file, dim=3) as cache:
            assert cache.get_many([b"new"])
            assert cache.warnings == [], "it is told once"
        # And the next file too may come to harm.
        (tmp_path / f"v-{number + 2}.sqlite").write_bytes(b"no database" * 1000)


def garble(file: Path) -> None:
    """Overwrites all but the first page, in place, as a failing disk would."""
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.seek(8192)
        stream.write(b"\x5a" * (size - 8192))


def test_damage_that_shows_while_writing_loses_nothing_new(tmp_path: Path) -> None:
    """What was just encoded goes into the new file, not with the old one."""
    file = tmp_path / "v.sqlite"
    filled(file)
    with VectorCache(file, dim=3) as cache:
        garble(file)
        assert cache.warnings == []
        cache.put_many({b"new": cached([1.0, 2.0, 3.0])})
        assert "damaged" in cache.warnings[0]
        assert cache.get_many([b"new", *ROWS]).keys() == {b"new"}


def test_a_sound_file_that_another_process_began_is_left_alone(tmp_path: Path) -> None:
    """Two that notice the same damage must both end up in one new file."""
    file = tmp_path / "v.sqlite"
    filled(file)
    with VectorCache(file, dim=3) as first, VectorCache(file, dim=3) as second:
        garble(file)
        first.put_many({b"new": cached([1.0, 2.0, 3.0])})
        assert second.get_many(list(ROWS)) == {}
        assert "damaged" in second.warnings[0]
        assert second.get_many([b"new"]).keys() == {b"new"}


def test_without_a_place_to_keep_vectors_it_says_so_and_goes_on(tmp_path: Path) -> None:
    """A cache is no reason to end a run."""
    (tmp_path / "taken").write_text("a file where a folder should be")
    with VectorCache(tmp_path / "taken" / "v.sqlite", dim=3) as cache:
        assert "cannot be kept" in cache.warnings[0]
        assert "RZEN_CACHE" in cache.warnings[0]
        cache.put_many({b"new": cached([1.0, 2.0, 3.0])})
        assert cache.get_many([b"new"]) == {}
        assert len(cache.warnings) == 1


WRITER = """
import sys
from pathlib import Path
import numpy as np
from rzen.evaluation.vector_cache import CachedVector, VectorCache
file, name, batches = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with VectorCache(file, dim=64) as cache:
    for batch in range(batches):
        keys = [f"{name} {batch} {number}".encode() for number in range(50)]
        vector = CachedVector(vector=np.full(64, batch, np.float32))
        cache.put_many(dict.fromkeys(keys, vector))
        assert cache.get_many(keys).keys() == set(keys)
        print(batch, flush=True)
    assert cache.warnings == [], cache.warnings
"""


def start(file: Path, name: str, batches: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WRITER, str(file), name, str(batches)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Guards against 'database is locked', and against one overwriting the other."""
    file = tmp_path / "v.sqlite"
    both = [start(file, name, 20) for name in ("one", "other")]
    assert [each.communicate() and each.returncode for each in both] == [0, 0]
    with VectorCache(file, dim=64) as cache:
        keys = [
            f"{name} {b} {n}".encode()
            for name in ("one", "other")
            for b in (0, 19)
            for n in (0, 49)
        ]
        assert cache.get_many(keys).keys() == set(keys)


def test_a_kill_leaves_whole_batches(tmp_path: Path) -> None:
    """A batch is there or not, and the file opens without complaint."""
    file = tmp_path / "v.sqlite"
    writer = start(file, "one", 100_000)
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    last = int((lines + writer.stdout.read().splitlines(keepends=True))[-1])
    writer.communicate()
    with VectorCache(file, dim=64) as cache:
        for batch in range(last + 2):
            found = cache.get_many([f"one {batch} {number}".encode() for number in range(50)])
            assert len(found) in ({50} if batch <= last else {0, 50})
        assert cache.warnings == []


def test_each_encoder_and_environment_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors of a GPU in bfloat16 must not stand in for those of a CPU."""
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path))
    encoders = [TableEncoder({}), TableEncoder({}, name="other"), TableEncoder({}, dim=3)]
    encoders.append(TableEncoder({}))
    encoders[-1].environment = {"device": "cuda"}
    assert len({cache_file(each) for each in encoders}) == len(encoders)
    assert cache_file(TableEncoder({})) == cache_file(encoders[0])
    assert cache_file(encoders[0]).is_relative_to(tmp_path)


def test_keys_tell_role_instruction_and_content_apart() -> None:
    """Guards against instructed queries and plain documents sharing a vector."""
    asked = [
        (b"1", "query", None),
        (b"1", "query", ""),
        (b"1", "query", "Find it"),
        (b"1", "document", None),
        (b"1", "document", "Find it"),
        (b"2", "query", None),
    ]
    assert len({vector_key(digest, role, told) for digest, role, told in asked}) == len(asked)  # type: ignore[arg-type]


def test_contents_that_encode_alike_have_one_digest_and_no_others(tmp_path: Path) -> None:
    """Guards against one vector for two contents, and two for one."""
    file, copy, other = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    file.write_bytes(b"one")
    copy.write_bytes(b"one")
    other.write_bytes(b"two")
    pixels = np.zeros((2, 3, 3), np.uint8)
    lists: list[tuple[Part, ...]] = [
        (Text("a"), Text("b")),
        (Text("ab"),),
        (Text("atextb"),),
        (Text("b"), Text("a")),
        (Image(file),),
        (Image(other),),
        (Video(file),),
        (Video(file, 0.0, 2.0),),
        (Video(file, None, 2.0),),
        (Video(file, 0.0, 2.5),),
        (Page(file),),
        (Page(file, 2),),
        (Page(file, 1, ""),),
        (Page(file, 1, "text"),),
        (Image(file), Text("a")),
        (Text("a"), Image(file)),
        (Image(Frames(pixels=(pixels,))),),
        (Image(Frames(pixels=(pixels.reshape(3, 2, 3),))),),
        (Image(Frames(pixels=(pixels, pixels))),),
        (Video(Frames(pixels=(pixels, pixels), times=(0.0, 1.0))),),
    ]
    digests = [content_digest(Content(*parts)) for parts in lists]
    assert len(set(digests)) == len(lists)
    assert content_digest(Content(Image(copy))) == content_digest(Content(Image(file)))
    assert content_digest(Content(Image(b"one"))) == content_digest(Content(Image(file)))
    whole, seconds = Content(Video(file, 1, 2)), Content(Video(copy, 1.0, 2.0))
    assert content_digest(whole) == content_digest(seconds)


def test_a_changed_file_has_another_digest(tmp_path: Path) -> None:
    """Digests are remembered while size and time stay; a rewritten picture is another one."""
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    before = content_digest(Content(Image(file)))
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert content_digest(Content(Image(file))) != before


def test_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    """It must fail by name, not share a digest with other missing files."""
    with pytest.raises(MediaError, match=r"gone\.png"):
        content_digest(Content(Image(tmp_path / "gone.png")))
