"""Packages: fetched by their registries' clients, checked, unpacked within their folder, kept."""

import io
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from rzen.data import packages
from rzen.data.packages import Package
from rzen.errors import DataError

WHEEL = Package(name="easy", registry="pypi", holds="x", terms="MIT", version="1.0")
TARBALL = Package(
    name="emoji", registry="npm", holds="x", terms="MIT", version="2.0", members=("package/img/",)
)


class Client:
    """Stands for pip and npm: puts an archive where the command runs."""

    def __init__(self, name: str, archive: bytes) -> None:
        self.name, self.archive, self.calls = name, archive, 0

    def __call__(self, _: Package, __: Sequence[str], folder: Path) -> None:
        self.calls += 1
        (folder / self.name).write_bytes(self.archive)


def wheel(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, text in members.items():
            packed.writestr(name, text)
    return stream.getvalue()


def tarball(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as packed:
        for name, text in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(text)
            packed.addfile(about, io.BytesIO(text.encode()))
    return stream.getvalue()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    return monkeypatch


def test_a_package_is_fetched_once(known: pytest.MonkeyPatch) -> None:
    """Guards against half a gigabyte fetched at each building."""
    client = Client("easy-1.0.whl", wheel({"easy/data.json": "[]"}))
    known.setattr(packages, "_run", client)
    folder = packages.fetch(WHEEL)
    assert (folder / "easy" / "data.json").read_text() == "[]"
    assert packages.fetch(WHEEL) == folder
    assert client.calls == 1
    assert len(packages.digest(WHEEL)) == 64


def test_what_broke_off_is_fetched_again(known: pytest.MonkeyPatch) -> None:
    """Guards against a half-unpacked package that passes for whole."""
    client = Client("easy-1.0.whl", wheel({"easy/data.json": "[]"}))
    known.setattr(packages, "_run", client)
    folder = packages.fetch(WHEEL)
    (folder / ".sha256").unlink()
    (folder / "easy" / "data.json").unlink()
    assert (packages.fetch(WHEEL) / "easy" / "data.json").is_file()
    assert client.calls == 2


def test_only_what_is_wanted_is_unpacked(known: pytest.MonkeyPatch) -> None:
    """Guards against the sheets of emoji in sizes that nobody reads."""
    archive = tarball({"package/img/a.png": "picture", "package/sheets/b.png": "large"})
    known.setattr(packages, "_run", Client("emoji-2.0.tgz", archive))
    folder = packages.fetch(TARBALL)
    assert folder.name == "package"
    assert [path.name for path in folder.rglob("*.png")] == ["a.png"]


def test_an_archive_cannot_write_elsewhere(known: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards against a forged package whose members climb out of the folder."""
    known.setattr(packages, "_run", Client("easy-1.0.whl", wheel({"../../evil.txt": "x"})))
    packages.fetch(WHEEL)
    assert [path.parent.name for path in tmp_path.rglob("evil.txt")] == ["easy-1.0"]
    known.setattr(packages, "_run", Client("e.tgz", tarball({"package/img/../../../evil2": "x"})))
    with pytest.raises(DataError, match="damaged or forged"):
        packages.fetch(TARBALL)
    assert not list(tmp_path.rglob("evil2"))


def test_another_archive_than_the_published_one_is_refused(known: pytest.MonkeyPatch) -> None:
    pinned = Package(
        name="easy", registry="pypi", holds="x", terms="MIT", version="1.0", sha256="0" * 64
    )
    known.setattr(packages, "_run", Client("easy-1.0.whl", wheel({"easy/a": "x"})))
    with pytest.raises(DataError, match="it is not the published file"):
        packages.fetch(pinned)


def test_a_missing_client_is_named(known: pytest.MonkeyPatch) -> None:
    known.setattr("shutil.which", lambda _: None)
    with pytest.raises(DataError, match="emoji is fetched with npm, which is not installed"):
        packages.fetch(TARBALL)


def test_a_failing_client_is_quoted(known: pytest.MonkeyPatch) -> None:
    """Guards against 'exit status 1' with the reason swallowed."""
    known.setattr(packages, "_command", lambda _: ["/bin/sh", "-c", "echo no net >&2; exit 3"])
    with pytest.raises(DataError, match=r"easy could not be fetched .*no net"):
        packages.fetch(WHEEL)


def test_every_real_package_states_its_terms_and_is_pinned_where_it_can_be() -> None:
    """The datasheet is made from these."""
    from rzen.data.bench.packages import PACKAGES

    for package in PACKAGES.values():
        assert package.holds
        assert package.terms
        assert bool(package.sha256) == bool(package.version) == (package.registry != "debian")
