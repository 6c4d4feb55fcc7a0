"""Things of one plain colour each, so that what a question says can be seen in the pixels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from rzen.data.bench.pictures.collection import Picture
from rzen.data.bench.videos.moving_objects import MovingObject
from rzen.data.bench.workshop import Workshop
from rzen.data.questions.things import Thing

Colour = tuple[int, int, int]


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "home", tmp_path.joinpath)


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str, Colour], Picture]:
    """A round thing of a colour, given a name and the colour."""

    def made(name: str, colour: Colour) -> Picture:
        down, across = np.mgrid[:64, :64]
        pixels = np.zeros((64, 64, 4), np.uint8)
        pixels[..., :3] = colour
        pixels[..., 3] = 255 * ((down - 31.5) ** 2 + (across - 31.5) ** 2 < 31**2)
        file = tmp_path / f"{name}.png"
        Pillow.fromarray(pixels).save(file)
        return Picture(
            id=f"stamps/{name}",
            style="stamps",
            caption=f"A {name}",
            concept=name,
            category="bird",
            file=file,
        )

    return made


@pytest.fixture
def thing(picture: Callable[[str, Colour], Picture]) -> Callable[[str, Colour], Thing]:
    """The same as a thing with a name."""

    def made(name: str, colour: Colour) -> Thing:
        return Thing(name=name, phrase=f"a {name}", noun=name, picture=picture(name, colour))

    return made


@pytest.fixture
def moving(picture: Callable[[str, Colour], Picture]) -> Callable[[str, Colour], MovingObject]:
    """The same as a thing that moves in clips."""

    def made(name: str, colour: Colour) -> MovingObject:
        shown = picture(name, colour)
        return MovingObject(
            name=name,
            phrase=f"a {name}",
            noun=name,
            picture=shown,
            cut_out=shown.cut_out(),
            thumbnail=np.zeros(1, np.float32),
        )

    return made


@pytest.fixture
def where() -> Callable[[NDArray[np.uint8], Colour], NDArray[np.bool_]]:
    """Where a picture (H, W, 3) has about a colour."""

    def seen(pixels_HWC: NDArray[np.uint8], colour: Colour) -> NDArray[np.bool_]:
        apart = np.abs(pixels_HWC.astype(np.int16) - np.array(colour, np.int16)).max(2)
        return np.asarray(apart < 40)

    return seen
