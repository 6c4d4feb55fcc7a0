"""Contents of every kind, and trained networks, for the tests of a trained ``mini``."""

from pathlib import Path

import torch

from media_files import quadrants, smooth
from rzen.encoders.mini.architecture import Architecture
from rzen.encoders.mini.network import MiniNetwork
from rzen.types import Content, Frames, Image, Page, Text, Video


def frames(*seeds: int, size: tuple[int, int] = (120, 90)) -> Frames:
    pixels = tuple(smooth(*size, seed=seed) for seed in seeds)
    return Frames(pixels=pixels, times=tuple(float(at) for at in range(len(pixels))))


def still(seed: int, size: tuple[int, int] = (90, 70)) -> Image:
    return Image(Frames(pixels=(smooth(*size, seed=seed),)))


def every_kind() -> list[Content]:
    return [
        Content(Text("a red boat")),
        Content(Image(Frames(pixels=(quadrants(90, 60),)))),
        Content(Text("the quick brown fox jumps over the lazy dog " * 32)),
        Content(Page(frames(7), text="Invoice 17: forty two apples are due on Monday.")),
        Content(Page(frames(8), text="")),
        Content(Video(frames(1, 2, 3))),
        Content(Video(frames(1, 2, 3, 4, 5, 6, 7, 8)), Text("which way does it move?")),
        Content(Text("x")),
        Content(still(5, size=(64, 200)), Text("the same in green")),
        Content(Text("which of the two"), still(6), still(9)),
    ]


def changed_network(seed: int = 0, architecture: Architecture | None = None) -> MiniNetwork:
    """A network that training has moved away from ``mini``, every parameter of it."""
    torch.manual_seed(seed)
    network = MiniNetwork(architecture or Architecture()).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            spread = 0.1 + (parameter.std() if parameter.numel() > 1 else 0.0)
            parameter.add_(0.1 * spread * torch.randn_like(parameter))
    return network


def saved(folder: Path, seed: int = 0) -> Path:
    changed_network(seed).save(folder)
    return folder
