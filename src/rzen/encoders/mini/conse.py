"""Pictures in the space of texts, without training: ConSE (Norouzi et al. 2014, arXiv 1312.5650).

A picture's vector is the sum of the text vectors of the ImageNet classes that EfficientNet-Lite0
finds in it, weighted by their probability.

The constants were chosen on half of the captioned stamps of Debian's tuxpaint-stamps-default,
split by concept (293 pictures), and confirmed on the other half (245): recall@1/5/10 of
0.30/0.48/0.55 and 0.24/0.41/0.50; 0.23/0.40/0.47 over all 538, where chance is 0.02 at 10. The
published preprocessing of the network, a centre crop of 87 % of the shorter side, loses what lies
at the borders (sum of the three 1.12 against 1.26). A second network, Lite2, and centring the class
vectors won nothing that the other half confirmed.

Where in a picture a class is seen: before its last mean the network has features for every place,
and since the last layer is linear, logits for every place, whose mean are the logits of the picture
(class activation maps, Zhou et al. 2016, arXiv 1512.04150). Each place gets a ConSE vector from its
own logits. How was chosen by the pointing game on the validation scenes of rzen-bench, see
``benchmarks/explain.py``: with all classes and a temperature of 6, since logits of one place are
larger than their mean, and at twice the resolution (0.53 of 160 against 0.24); three times is
dearer and won nothing that is more than chance.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rzen.encoders.mini.runtime import Network
from rzen.encoders.mini.text import TEXT_DIM
from rzen.encoders.rows import unit
from rzen.types import Vectors

INPUT_SIZE = 224
_TEMPERATURE = 1.5
_ALL_CLASSES = 1000
_CLASSES = 20
_SQUASH = 4 / 3
_PLACE_SIZE = 448  # longer side of a picture whose places are looked at
_PLACE_TEMPERATURE = 6.0
_STRIDE = 32  # pixels of a place
_BATCH = 4  # larger ones are slower: their activations fall out of the cache
R = TypeVar("R")


class ImageTower:
    """Pictures to unit vectors (N, 384).

    Args:
        network: the exported graph.
        classes: (1000, 384) float32, the text vectors of the classes.
        classifier: (D + 1, 1000) float32, the last layer, its shift in the last row.
        threads: of onnxruntime.
    """

    def __init__(self, network: Path, classes: Path, classifier: Path, *, threads: int) -> None:
        self._network, self._classes, self._threads = network, classes, threads
        self._classifier = classifier
        self._lock = threading.Lock()
        self._loaded: tuple[Network, Vectors] | None = None

    def encode(self, pictures: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Vectors (N, 384) of N pictures, each (H, W, 3) RGB."""
        return self.vectors(self.logits(pictures))

    def vectors(self, logits_NC: NDArray[np.float32]) -> Vectors:
        """Vectors (N, 384) of pictures that the network says (N, 1000) of."""
        if not len(logits_NC):  # a query in words shall not load this network
            return np.zeros((0, TEXT_DIM), np.float32)
        _, class_vectors = self._load()
        return unit(_weights(logits_NC) @ class_vectors)

    def logits(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """What the network says: (N, 1000)."""
        if not pictures:
            return np.zeros((0, _ALL_CLASSES), np.float32)
        network, _ = self._load()
        batches = [pictures[at : at + _BATCH] for at in range(0, len(pictures), _BATCH)]

        def seen(batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
            return network.run({"pixels": np.stack([square(picture) for picture in batch])})

        return np.concatenate(list(network.over(seen, batches)))

    def look(
        self,
        reels: Sequence[Sequence[NDArray[np.uint8]]],
        condense: Callable[[NDArray[np.float32]], R],
    ) -> list[tuple[Vectors, R]]:
        """For each reel of T pictures their vectors (T, 384), and what is kept of their maps.

        Args:
            reels: pictures that are seen together: the frames of a clip, or a still alone.
            condense: from the features of a reel, (T, H, W, D), to what is kept of them, so that no
                more than a few maps are held at once.
        """
        if not reels:
            return []
        network, class_vectors = self._load()

        def seen(reel: Sequence[NDArray[np.uint8]]) -> tuple[Vectors, R]:
            batches = [reel[at : at + _BATCH] for at in range(0, len(reel), _BATCH)]
            runs = [
                network.run_several(
                    {"pixels": np.stack([square(picture) for picture in batch])},
                    ("logits", "features"),
                )
                for batch in batches
            ]
            logits_TC, features_TDHW = (np.concatenate(each) for each in zip(*runs, strict=True))
            vectors_TD = unit(_weights(logits_TC) @ class_vectors)
            return vectors_TD, condense(np.moveaxis(features_TDHW, 1, -1))

        return list(network.over(seen, reels))

    def places(self, picture_HWC: NDArray[np.uint8]) -> Vectors:
        """Vectors (H, W, 384) of the places of a picture, in a grid over the whole of it.

        The network is convolutional: here the picture goes in with the shape that it is squashed
        to, a whole number of places along each side, and needs no padding.
        """
        _, class_vectors = self._load()
        logits_HWC = self.place_logits(whole_places(picture_HWC))
        return unit(shares(logits_HWC, _PLACE_TEMPERATURE) @ class_vectors)

    def place_logits(self, pixels_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the network says of each place, (H/32, W/32, 1000): their mean is what it says.

        Args:
            pixels_HWC: as the network shall see them.
        """
        network, _ = self._load()
        features_CHW = network.run({"pixels": pixels_HWC[None]}, "features")[0]
        layer = np.load(self._classifier, allow_pickle=False)
        logits = np.moveaxis(features_CHW, 0, -1) @ layer[:-1] + layer[-1]
        return np.asarray(logits, np.float32)

    def _load(self) -> tuple[Network, Vectors]:
        with self._lock:
            if self._loaded is None:
                network = Network(self._network, self._threads)
                self._loaded = network, np.load(self._classes, allow_pickle=False)
            return self._loaded


def square(pixels_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The whole picture as the network's square.

    Pictures up to 4:3 are squashed; longer ones are squashed by as much and padded with the mean
    colour of their border.

    >>> square(np.full((10, 30, 3), 7, np.uint8)).shape
    (224, 224, 3)
    """
    from PIL import Image  # noqa: PLC0415

    small = _squashed(pixels_HWC, INPUT_SIZE)
    resized = Image.fromarray(pixels_HWC).resize(small, Image.Resampling.BICUBIC)
    border = [pixels_HWC[0], pixels_HWC[-1], pixels_HWC[:, 0], pixels_HWC[:, -1]]
    colour = np.concatenate(border).mean(axis=0).round().astype(int)
    canvas = Image.new("RGB", (INPUT_SIZE, INPUT_SIZE), tuple(colour.tolist()))
    canvas.paste(resized, ((INPUT_SIZE - small[0]) // 2, (INPUT_SIZE - small[1]) // 2))
    return np.asarray(canvas)


def whole_places(pixels_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The whole picture, squashed like :func:`square`, in a whole number of places each way.

    >>> whole_places(np.zeros((10, 30, 3), np.uint8)).shape
    (192, 448, 3)
    """
    from PIL import Image  # noqa: PLC0415

    width, height = (
        _STRIDE * max(1, round(side / _STRIDE)) for side in _squashed(pixels_HWC, _PLACE_SIZE)
    )
    resized = Image.fromarray(pixels_HWC).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def _squashed(pixels_HWC: NDArray[np.uint8], size: int) -> tuple[int, int]:
    """Width and height of a picture that is squashed towards a square."""
    height, width, _ = pixels_HWC.shape
    longer = max(height, width)
    across, down = (
        max(1, min(size, round(size * _SQUASH * side / longer))) for side in (width, height)
    )
    return across, down


def shares(logits_XC: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities of all classes, along the last axis."""
    heat = logits_XC.astype(np.float64) / temperature
    shares = np.exp(heat - heat.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def _weights(logits_NC: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities of the likeliest classes, zero for the others; rows sum to one."""
    heat = logits_NC.astype(np.float64) / _TEMPERATURE
    shares = np.exp(heat - heat.max(axis=1, keepdims=True))
    least = np.partition(shares, -_CLASSES, axis=1)[:, -_CLASSES, None]
    shares = np.where(shares >= least, shares, 0.0)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
