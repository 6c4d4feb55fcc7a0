"""Real data that arrives as Debian packages: captioned pictures, manuals, glosses.

Packages are fetched by name with ``apt-get download`` and unpacked, not installed, into the cache.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rzen.config import cache_folder
from rzen.errors import UsageError
from rzen.types import Content, Frames, Image, MediaBudget, Page, Text

PACKAGES = ("tuxpaint-stamps-default", "r-doc-pdf", "wordnet-base")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """A query and the document that answers it.

    Attributes:
        query: a text.
        document: what it should find.
        concept: pairs of one concept are never split between validation and test.
    """

    query: str
    document: Content
    concept: str

    @property
    def validation(self) -> bool:
        """Which half it belongs to."""
        return _order(self.concept) % 2 == 0


def fetch(package: str) -> Path:
    """The unpacked package's root.

    Raises:
        UsageError: if there is no apt-get, or it cannot get the package.
    """
    root = cache_folder() / "debian" / package
    if root.is_dir():
        return root
    apt, unpack = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or unpack is None:
        raise UsageError(
            f"this benchmark reads Debian's package {package}, and there is no apt-get here: "
            "run it on Debian or Ubuntu, or in a container of theirs"
        )
    aside = root.with_name(f".{package}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    # apt-get downloads into the folder it runs in.
    got = subprocess.run(
        [apt, "download", package], cwd=aside, capture_output=True, text=True, check=False
    )
    files = list(aside.glob("*.deb"))
    if got.returncode or not files:
        raise UsageError(
            f"apt-get download {package} failed: {got.stderr.strip().splitlines()[-1:]}: "
            "run apt-get update, and look whether the package has another name in your release"
        )
    subprocess.run([unpack, "-x", str(files[0]), str(aside / "root")], check=True)
    files[0].unlink()
    aside.rename(root)
    return root


def stamps() -> list[Pair]:
    """Pictures with English captions: cut-outs of photographs, and drawings; no letters."""
    from PIL import Image as Pillow

    top = fetch("tuxpaint-stamps-default") / "root/usr/share/tuxpaint/stamps"
    pairs = []
    for path in sorted(top.rglob("*.png")):
        notes = path.with_suffix(".txt")
        if not notes.is_file() or path.relative_to(top).parts[0] == "symbols":
            continue
        caption = notes.read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()
        with Pillow.open(path) as stamp:
            cut_out = stamp.convert("RGBA")
        paper = Pillow.new("RGBA", cut_out.size, (255, 255, 255, 255))
        paper.alpha_composite(cut_out)
        picture = Frames(pixels=(np.asarray(paper.convert("RGB")),))
        words = re.findall(r"[a-z]+", caption.lower().split(",")[0])
        concept = words[-1] if words else caption
        pairs.append(Pair(query=caption, document=Content(Image(picture)), concept=concept))
    return pairs


def pages(count: int, budget: MediaBudget) -> list[Pair]:
    """Pages of the manuals of R, asked for by the title of what begins on them.

    The title itself is taken out of the page's text: finding it again would be no test.
    """
    from rzen import media
    from rzen.config import Limits

    folder = fetch("r-doc-pdf") / "root/usr/share/R/doc/manual"
    titled = [(path, *found) for path in sorted(folder.glob("R-*.pdf")) for found in _titles(path)]
    titled += [(folder / "refman.pdf", *found) for found in _topics(folder / "refman.pdf")]
    pairs = []
    for path, number, title in sorted(titled, key=lambda found: _order(str(found)))[:count]:
        opened = media.open(Page(path, number=number), budget=budget, limits=Limits())
        assert opened.frames is not None
        words = r"\s+".join(map(re.escape, title.split()))
        text = re.sub(words, " ", opened.text, flags=re.IGNORECASE)
        page = Page(opened.frames, number=number, text=text)
        pairs.append(Pair(query=title, document=Content(page), concept=title.lower()))
    return pairs


def glosses(count: int) -> list[Pair]:
    """WordNet's definitions of nouns with one meaning, asked for by the noun.

    Nouns that a picture's caption names are left out: the picture would be as good an answer.
    """
    folder = fetch("wordnet-base") / "root/usr/share/wordnet"
    captions = set(re.findall(r"[a-z]+", " ".join(pair.query for pair in stamps()).lower()))
    senses = {}
    for line in (folder / "index.noun").read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            fields = line.split()
            senses[fields[0]] = int(fields[2])
    pairs = []
    for line in (folder / "data.noun").read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            continue
        synset, gloss = line.split("| ", 1)
        noun = synset.split()[4]
        name = noun.replace("_", " ")
        if senses.get(noun) != 1 or len(gloss) < 60 or set(name.split()) & captions:
            continue
        text = re.sub(re.escape(name), "it", gloss.strip(), flags=re.IGNORECASE)
        pairs.append(Pair(query=name, document=Content(Text(text)), concept=noun))
    return sorted(pairs, key=lambda pair: _order(pair.concept))[:count]


def _titles(path: Path) -> Iterator[tuple[int, str]]:
    """Page number from 1 and title, the first of each page."""
    import pypdfium2  # type: ignore[import-untyped]

    document = pypdfium2.PdfDocument(path)
    seen = set()
    for mark in document.get_toc():
        target = mark.get_dest()
        index = target.get_index() if target is not None else None
        title = re.sub(r"^[\dA-Z.]+\s+(?=\w{3})", "", mark.get_title()).strip()
        if index is not None and index not in seen and len(title.split()) > 1:
            seen.add(index)
            yield index + 1, title
    document.close()


def _topics(path: Path) -> Iterator[tuple[int, str]]:
    """Page number from 1 and the heading of the first topic that begins on it."""
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    seen = set()
    for mark in list(document.get_toc())[::4]:
        target = mark.get_dest()
        index = target.get_index() if target is not None else None
        if index is None or index in seen:
            continue
        seen.add(index)
        text = document[index].get_textpage().get_text_bounded()
        found = re.search(rf"^{re.escape(mark.get_title())} (\w.+)$", text, flags=re.MULTILINE)
        if found and len(found[1].split()) > 1:
            yield index + 1, found[1].strip()
    document.close()


def _order(text: str) -> int:
    """A number that looks random and is the same everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
