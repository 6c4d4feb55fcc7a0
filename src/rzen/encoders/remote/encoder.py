"""An encoder at an address: contents go out in one of the known forms, unit vectors come back."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.encoders.batching import halving
from rzen.encoders.opening import open_content
from rzen.encoders.remote import cohere_form, openai_form
from rzen.encoders.remote.form import Asked, Form, Piece, Pieces, piece
from rzen.encoders.rows import Rows
from rzen.endpoint import COHERE, OPENAI, Endpoint
from rzen.errors import EncoderError, EndpointError, RzenError, UsageError
from rzen.types import (
    MODALITIES,
    Calibration,
    Content,
    Encoded,
    Fingerprint,
    MediaBudget,
    Modality,
    Role,
)

_CONCURRENT = 8
_WAITING = 16  # batches that are encoded or wait for it, so that few pixels are held at once
_SECONDS = 300.0  # for one request, with all its attempts
# What these say is said of what was sent; other statuses speak of the key, the address, the server.
_CONTENTS_FAULT = frozenset({400, 413, 415, 422})
_PIXELS = 1280 * 28 * 28


class RemoteEncoder:
    """A model behind ``/v1/embeddings`` of OpenAI's form, or behind Cohere's ``/v2/embed``.

    The name is an address with the model behind ``#``:

    - ``https://api.openai.com/v1#text-embedding-3-small``: texts, and pages by their text;
    - ``http://localhost:8000/v1?modalities=text,image,video#MODEL``: chat messages, as vLLM takes
      them for models that see (:mod:`rzen.encoders.remote.openai_form`);
    - ``https://api.cohere.com/v2#embed-v4.0``: Cohere's form, with pictures; add
      ``?modalities=text`` for a model that does not see (:mod:`rzen.encoders.remote.cohere_form`).

    ``?dim=512`` asks the model itself for shorter vectors; the ``dim`` of :meth:`encode` cuts them
    here. The key comes from RZEN_OPENAI_API_KEY or RZEN_COHERE_API_KEY; OPENAI_API_KEY and
    CO_API_KEY are sent to their own hosts alone.

    What the fingerprint calls the weights is host and model, for a server does not say more. The
    address is in its environment: at another one, an index's probes are encoded once more.

    Up to 32 frames at one a second are shown of a video: vLLM reads no more of a list of frames
    unless it is told to, and takes them to be a second apart (VideoMediaIO).

    Args:
        name: the address.
        limits: what decoders may be asked to do with one file; ``None`` takes the defaults.
        seconds: for one request, with all its attempts.
        sleep: waits between attempts; tests hand in their own.

    Raises:
        UsageError: if the address is wrong, or its key cannot be sent.
    """

    calibration: Mapping[Modality, Calibration] = {}
    budget = MediaBudget(
        image_pixels=_PIXELS,
        page_pixels=_PIXELS,
        frame_pixels=180 * 28 * 28,
        frames=32,
        fps=1.0,
    )

    def __init__(
        self,
        name: str,
        *,
        limits: Limits | None = None,
        seconds: float = _SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        address = _parse(name)
        self._name = name
        self._model = address.model
        self._asked_dim = address.dim
        self._form = address.form
        self._limits = limits or Limits()
        self._endpoint = Endpoint(
            address.base_url,
            what="an embedding endpoint",
            keys=COHERE if address.form is cohere_form.FORM else OPENAI,
            seconds=seconds,
            sleep=sleep,
        )
        self.modalities: frozenset[Modality] = address.modalities
        self.reads_pages = "image" not in self.modalities

    @cached_property
    def dim(self) -> int:
        """Dimension of the vectors, by one request.

        Raises:
            EncoderError: if the endpoint gives no vector.
        """
        asked = Asked(model=self._model, role="document", instruction="", dim=self._asked_dim)
        try:
            found = int(self._vectors([[Piece("text", "rzen")]], asked).shape[1])
        except EndpointError as error:
            raise EncoderError(str(error)) from None
        if self._asked_dim not in (None, found):
            raise EncoderError(
                str(
                    self._endpoint.error(
                        f"gives vectors of {found} dimensions for {self._model}, not the "
                        f"{self._asked_dim} of the address: take dim={self._asked_dim} out of it"
                    )
                )
            )
        return found

    @property
    def fingerprint(self) -> Fingerprint:
        """Host, model and form; the key is no part of it."""
        return Fingerprint(
            encoder=self._name,
            weights=f"remote:{self._endpoint.host}#{self._model}",
            template=self._form.template,
            pooling="-",
            positions="-",
            budget=self.budget,
            dim=self.dim,
            environment={"address": self._endpoint.url},
        )

    def encode(
        self,
        contents: Sequence[Content],
        *,
        role: Role,
        instruction: str | None = None,
        dim: int | None = None,
    ) -> Encoded:
        """See :class:`rzen.protocols.Encoder`.

        What becomes of role and instruction is said where the forms are.

        Raises:
            EncoderError: if ``dim`` is larger than the encoder's, or the endpoint cannot be
                reached, refuses the key, or answers with something else than these vectors.
        """
        rows = Rows(len(contents), self.dim, dim)
        asked = Asked(
            model=self._model,
            role=role,
            instruction=(instruction or "").strip(),
            dim=self._asked_dim,
        )
        pool = ThreadPoolExecutor(_CONCURRENT, thread_name_prefix="rzen-remote")
        waiting: deque[Future[list[_Outcome]]] = deque()
        try:
            for batch in self._batches(contents, rows):
                waiting.append(pool.submit(self._run, batch, asked))
                if len(waiting) == _WAITING:
                    _keep(waiting.popleft().result(), rows)
            while waiting:
                _keep(waiting.popleft().result(), rows)
        except EndpointError as error:
            raise EncoderError(str(error)) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return rows.encoded()

    def _batches(self, contents: Sequence[Content], rows: Rows) -> Iterator[list["_Item"]]:
        """What one request carries, as soon as it is full."""
        texts: list[_Item] = []
        for row, content in enumerate(contents):
            try:
                parts = open_content(content, self, self._limits)
                item = _Item(row, [piece(part, self.modalities) for part in parts])
            except RzenError as error:
                rows.fail(row, error)
                continue
            if any(each.kind != "text" for each in item.pieces):
                yield [item]
                continue
            texts.append(item)
            if len(texts) == self._form.texts:
                yield texts
                texts = []
        if texts:
            yield texts

    def _run(self, batch: Sequence["_Item"], asked: Asked) -> list["_Outcome"]:
        """What becomes of a batch, in a thread of its own."""
        found: list[_Outcome] = []
        halving(
            batch,
            lambda some: self._vectors([item.pieces for item in some], asked, self.dim),
            lambda item, vector_D: found.append(self._outcome(item, vector_D)),
            lambda item, error: found.append(_Outcome(item.row, reason=str(error))),
            blame=_ContentRefusedError,
        )
        return found

    def _vectors(
        self, contents: Sequence[Pieces], asked: Asked, dim: int | None = None
    ) -> NDArray[np.float64]:
        """(N, D): the vectors of one request; ``dim`` is what D must be."""
        try:
            document = self._endpoint.ask(self._form.path, self._form.body(contents, asked))
        except EndpointError as error:
            if error.status in _CONTENTS_FAULT:
                raise _ContentRefusedError(str(error), error.status) from None
            raise
        try:
            found_ND = self._form.vectors(document, len(contents))
        except ValueError as error:
            raise self._endpoint.error(str(error)) from None
        if dim not in (None, found_ND.shape[1]):
            raise self._endpoint.error(
                f"sent vectors of {found_ND.shape[1]} dimensions where it sent {dim} before: "
                "is another model served under this name?"
            )
        return found_ND

    def _outcome(self, item: "_Item", vector_D: NDArray[np.float64]) -> "_Outcome":
        if not np.isfinite(vector_D).all() or not vector_D.any():
            reason = self._endpoint.error(
                "sent a vector for it that is zero or not finite: see the endpoint's own log"
            )
            return _Outcome(item.row, reason=str(reason))
        # Divided first: a number may be too large for float32.
        return _Outcome(item.row, vector=(vector_D / abs(vector_D).max()).astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Item:
    row: int
    pieces: Pieces


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    row: int
    vector: NDArray[np.float32] | None = None  # (D,)
    reason: str = ""


class _ContentRefusedError(EndpointError):
    """The endpoint refused what was sent, not who sent it."""


def _keep(outcomes: Sequence[_Outcome], rows: Rows) -> None:
    for each in outcomes:
        if each.vector is None:
            rows.fail(each.row, each.reason)
        else:
            rows.put(each.row, each.vector)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    base_url: str
    model: str
    modalities: frozenset[Modality]
    dim: int | None
    form: Form


def _parse(name: str) -> _Address:
    """The parts of a name; what it holds beside them is not repeated, for it may be a secret."""
    wrong = UsageError(
        "the address of an embedding endpoint looks like https://HOST/v1#MODEL, or "
        "https://HOST/v1?modalities=text,image,video#MODEL, with &dim=512 for shorter vectors"
    )
    try:
        parts = urlsplit(name)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query), max_num_fields=2)
        dim = int(query.pop("dim")[0]) if "dim" in query else None
    except ValueError:
        raise wrong from None
    is_cohere = parts.path.rstrip("/").endswith("/v2")
    default = "text,image" if is_cohere else "text"
    names = set(query.pop("modalities", [default])[0].split(","))
    known = {"text", "image", "page"} if is_cohere else set(MODALITIES)
    is_known = "text" in names and names <= known
    if query or not parts.fragment or not is_known or (dim is not None and dim < 1):
        raise wrong
    sees = not names.isdisjoint({"image", "video"})
    return _Address(
        base_url=parts._replace(query="", fragment="").geturl(),
        model=parts.fragment,
        # A page is a picture, or else its text.
        modalities=frozenset(each for each in MODALITIES if each in names or each == "page"),
        dim=dim,
        form=cohere_form.FORM if is_cohere else openai_form.form_for(parts.fragment, sees=sees),
    )
