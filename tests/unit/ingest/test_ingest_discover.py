"""What a walk over folders finds, and how it is compared with the catalog."""

import os
from pathlib import Path

import pytest

from rzen.errors import UsageError
from rzen.index.catalog import FileRow
from rzen.ingest.discover import discover, indexed_path, indexed_roots


def _write(path: Path, text: str = "words") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _row(path: Path, *, reason: str = "", size: int | None = None) -> FileRow:
    info = path.stat()
    return FileRow(
        path=str(path),
        size=info.st_size if size is None else size,
        mtime_ns=info.st_mtime_ns,
        content=None if reason else "c",
        reason=reason,
    )


def test_sorts_files_into_new_changed_unchanged_and_gone(tmp_path: Path) -> None:
    """A changed file taken for unchanged would stay stale in the index for ever."""
    root = indexed_path(tmp_path)
    new, changed, same = (_write(root / name) for name in ("new", "changed", "same"))
    gone = root / "gone"
    known = {
        str(changed): _row(changed, size=1),
        str(same): _row(same),
        str(gone): FileRow(path=str(gone), size=1, mtime_ns=1, content="c", reason=""),
    }
    plan = discover([root], known)
    assert [found.path for found in plan.read] == [str(changed), str(new)]
    assert plan.unchanged == 1
    assert plan.gone == [str(gone)]


def test_a_folder_that_cannot_be_listed_does_not_lose_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing disk must not look like deleted files, which would empty the index."""
    root = indexed_path(tmp_path)
    lost = _write(root / "disk" / "kept.txt")
    scandir = os.scandir

    def failing(folder: str) -> object:
        if folder == str(root / "disk"):
            raise OSError(5, "Input/output error")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", failing)
    plan = discover([root], {str(lost): _row(lost)})
    assert plan.gone == []
    assert "Input/output error" in plan.unreadable[str(root / "disk")]


def test_failed_files_are_named_again_and_read_only_on_request(tmp_path: Path) -> None:
    """A known failure must neither vanish from the report nor be decoded at each run."""
    root = indexed_path(tmp_path)
    bad = _write(root / "bad")
    known = {str(bad): _row(bad, reason="truncated")}
    assert discover([root], known).known_failures == {str(bad): "truncated"}
    assert [found.path for found in discover([root], known, retry_failed=True).read] == [str(bad)]


def test_a_loop_of_links_ends_and_links_are_followed_only_on_request(tmp_path: Path) -> None:
    """A loop of links would keep the walk from ever ending."""
    root = indexed_path(tmp_path)
    inner = _write(root / "a" / "file").parent
    (inner / "loop").symlink_to(root, target_is_directory=True)
    plain = discover([root], {})
    assert len(plain.read) == 1
    assert "symbolic link" in plain.skipped[str(inner / "loop")]
    followed = discover([root], {}, follow_links=True)
    assert len(followed.read) == 1
    assert "loop" in followed.skipped[str(inner / "loop")]


def test_a_broken_link_is_named(tmp_path: Path) -> None:
    """Following links must not crash on one that leads nowhere."""
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    plan = discover([indexed_path(tmp_path)], {}, follow_links=True)
    assert "cannot be read" in plan.unreadable[str(indexed_path(tmp_path) / "nowhere")]


def test_hidden_files_and_indexes_are_left_out(tmp_path: Path) -> None:
    """An index that indexes itself would grow at each run."""
    for name in (".hidden", ".git/config", "my.rzen/catalog.sqlite", "shown"):
        _write(tmp_path / name)
    names = {Path(found.path).name for found in discover([indexed_path(tmp_path)], {}).read}
    assert names == {"shown"}
    hidden = discover([indexed_path(tmp_path)], {}, hidden=True)
    assert {Path(found.path).name for found in hidden.read} == {"shown", ".hidden", "config"}


def test_odd_names_survive(tmp_path: Path) -> None:
    """Newlines, emoji and bytes that are not UTF-8 occur in real folders."""
    names = ["line\nbreak.txt", "boat 🚤.txt", os.fsdecode(b"latin-\xe9.txt")]
    for name in names:
        _write(tmp_path / name)
    found = discover([indexed_path(tmp_path)], {}).read
    assert sorted(Path(each.path).name for each in found) == sorted(names)


def test_an_emptied_root_keeps_what_is_indexed(tmp_path: Path) -> None:
    """The place of a disk that is not there looks like a folder whose files were all deleted."""
    root = indexed_path(tmp_path)
    lost = FileRow(path=str(root / "a"), size=1, mtime_ns=1, content="c", reason="")
    plan = discover([root], {lost.path: lost})
    assert plan.gone == []
    assert "is its disk there?" in plan.unreadable[str(root)]


def test_what_is_passed_over_is_not_gone(tmp_path: Path) -> None:
    """Leaving out --hidden in the second run must not take out what the first one indexed."""
    root = indexed_path(tmp_path)
    hidden, _ = _write(root / ".hidden"), _write(root / "shown")
    assert discover([root], {str(hidden): _row(hidden)}).gone == []


def test_an_index_of_any_name_is_left_out(tmp_path: Path) -> None:
    """One that indexes itself changes with each run and never ends."""
    _write(tmp_path / "idx" / "catalog.sqlite")
    plan = discover([indexed_path(tmp_path)], {})
    assert plan.read == []
    assert plan.skipped == {str(indexed_path(tmp_path) / "idx"): "an index of rzen"}


def test_a_time_beyond_integers_is_cut(tmp_path: Path) -> None:
    """One absurd time of change must not end the whole run with an overflow."""
    far = _write(tmp_path / "far")
    os.utime(far, ns=(0, 10**19))
    [found] = discover([indexed_path(tmp_path)], {}).read
    assert found.mtime_ns < 2**63


@pytest.mark.parametrize("path", ["~no-such-user/x", "x" * 5000, "loop/x"])
def test_a_path_that_is_none_is_a_user_error(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too long, in a loop of links, of nobody: a traceback would tell nothing."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=path[:20]):
        indexed_roots([path])


def test_a_missing_root_is_an_error_and_a_pipe_is_skipped(tmp_path: Path) -> None:
    """A mistyped folder must not silently take its files out of the index."""
    with pytest.raises(UsageError, match="does not exist"):
        indexed_roots([tmp_path / "nope"])
    os.mkfifo(tmp_path / "pipe")
    plan = discover([indexed_path(tmp_path)], {})
    assert plan.skipped == {str(indexed_path(tmp_path) / "pipe"): "not a regular file"}


def test_one_file_has_one_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reached by a link or a relative path, a file would otherwise be indexed twice."""
    real = tmp_path / "real"
    _write(real / "file")
    (tmp_path / "alias").symlink_to(real, target_is_directory=True)
    monkeypatch.chdir(real)
    wanted = (real / "file").resolve()
    for path in ("file", "./file", tmp_path / "alias" / "file", "../real/file"):
        assert indexed_path(path) == wanted
    assert indexed_path("..") == tmp_path.resolve()
