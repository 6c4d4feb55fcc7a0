"""A causal model held in this process: it writes, alone or as an ensemble, and scores answers.

An ensemble of K conversations is one batch of K prompts whose next-token distributions are mixed
before a token is chosen, and every prompt goes on with that token: the weights of the network are
read once a token, whatever K is. K = 1 is plain writing.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from threading import Event, Thread
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import TextIteratorStreamer

from rzen.errors import GeneratorError
from rzen.rag.chat_template import PLAIN_STOPS, TEMPLATE_STOPS, until
from rzen.rag.language_model import SMALL, Message
from rzen.rag.local.loading import Loaded
from rzen.rag.local.prompts import Project, Prompts, answer_tokens, ends, prepare

_SCORED = 64  # rows of candidates that go through the network together


class LocalModel:
    """A model of transformers.

    Args:
        loaded: network, tokenizer and processor.
        name: what users call it.
        project: makes soft tokens of items, for a model with a projector.
    """

    def __init__(self, loaded: Loaded, name: str, *, project: Project | None = None) -> None:
        self.name = name
        self.loaded = loaded
        self.project = project

    @property
    def sees(self) -> bool:
        """See :class:`rzen.rag.language_model.LanguageModel`."""
        return self.loaded.processor is not None

    @property
    def is_small(self) -> bool:
        """See :class:`rzen.rag.language_model.LanguageModel`."""
        return int(self.loaded.network.num_parameters()) < SMALL

    @property
    def window(self) -> int | None:
        """See :class:`rzen.rag.language_model.LanguageModel`."""
        return self.loaded.window

    def count(self, text: str) -> int:
        """See :class:`rzen.rag.language_model.LanguageModel`."""
        return len(self.loaded.tokenizer(text, add_special_tokens=False)["input_ids"])

    def write(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        """See :class:`rzen.rag.language_model.LanguageModel`."""
        return self.write_mixed([messages], np.ones(1), max_tokens=max_tokens)

    def write_mixed(
        self,
        dialogues: Sequence[Sequence[Message]],
        weight_K: NDArray[np.float64],
        *,
        max_tokens: int,
    ) -> Iterator[str]:
        """Writes one answer to K conversations, token by token from the mixed distribution.

        p(y_t | y_<t) = sum over k of weight_k p(y_t | dialogue_k, y_<t): RAG-Token of Lewis et
        al. 2020 (arXiv 2005.11401, section 2.1), where k runs over documents. The likeliest token
        is taken.

        Args:
            dialogues: K conversations.
            weight_K: (K,) how much each counts; they add up to 1.
            max_tokens: of the answer, at most.

        Raises:
            GeneratorError: if a conversation is too long or holds what the model cannot take.
        """
        assert len(dialogues) == len(weight_K)
        prompts = prepare(self.loaded, dialogues, self.project)
        self._check_length(prompts, max_tokens)
        stops = TEMPLATE_STOPS if self.loaded.has_template else PLAIN_STOPS
        with closing(self._pieces(prompts, weight_K, max_tokens)) as pieces:
            yield from until(pieces, stops)

    def log_likelihoods(
        self, dialogues: Sequence[Sequence[Message]], candidates: Sequence[str]
    ) -> NDArray[np.float64]:
        """How likely each answer is in each conversation.

        A prompt's state is shared by the candidates that are read together, except by models that
        see, which read each candidate with its prompt.

        Args:
            dialogues: K conversations.
            candidates: C answers, whole.

        Returns:
            (K, C) log p(candidate, end of turn | dialogue).

        Raises:
            GeneratorError: if a conversation is too long or holds what the model cannot take.
        """
        prompts = prepare(self.loaded, dialogues, self.project)
        tokens = [answer_tokens(self.loaded, text) for text in candidates]
        self._check_length(prompts, max(map(len, tokens)))
        # Behind a state, models that see lose count of the places that pictures take.
        step = 1 if self.sees else max(1, _SCORED // len(dialogues))
        score = self._scored_whole if self.sees else self._scored
        with torch.inference_mode():
            parts = [
                score(prompts, tokens[start : start + step])
                for start in range(0, len(tokens), step)
            ]
        return np.asarray(torch.cat(parts, 1).double().cpu().numpy(), np.float64)

    def _scored(self, prompts: Prompts, tokens: Sequence[Sequence[int]]) -> Tensor:
        """(K, C) log-likelihoods of C candidates after K prompts."""
        network, prompt_mask = self.loaded.network, prompts.mask
        k, c, longest = len(prompt_mask), len(tokens), max(map(len, tokens))
        answer_CL = torch.zeros(c, longest, dtype=torch.long)
        mask_CL = torch.zeros(c, longest, dtype=torch.long)
        for row, each in enumerate(tokens):
            answer_CL[row, : len(each)] = torch.tensor(each)
            mask_CL[row, : len(each)] = 1
        answer = answer_CL.to(prompt_mask.device).repeat(k, 1)  # row k * C + c
        mask = mask_CL.to(prompt_mask.device).repeat(k, 1)
        first = network(**prompts.inputs, **self._places(prompt_mask), use_cache=True)
        cache = first.past_key_values
        cache.batch_repeat_interleave(c)
        whole = torch.cat([prompt_mask.repeat_interleave(c, 0), mask], 1)
        places = self._places(whole)
        places = {name: value[:, -longest:] for name, value in places.items()}
        after = network(
            input_ids=answer, attention_mask=whole, past_key_values=cache, use_cache=True, **places
        )
        before = first.logits[:, -1:].repeat_interleave(c, 0)
        logits = torch.cat([before, after.logits[:, :-1]], 1).float()
        chosen = logits.log_softmax(-1).gather(2, answer[:, :, None])[:, :, 0]
        return (chosen * mask).sum(1).view(k, c)

    def _scored_whole(self, prompts: Prompts, tokens: Sequence[Sequence[int]]) -> Tensor:
        """(K, 1) log-likelihoods of one candidate, each prompt and it read from the beginning."""
        (answer,) = tokens
        k = len(prompts.mask)
        answer_KA = torch.tensor([list(answer)] * k, device=prompts.mask.device)
        inputs = dict(prompts.inputs)
        for name in ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"):
            if name in inputs:
                added = {"input_ids": answer_KA, "attention_mask": torch.ones_like(answer_KA)}
                more = added.get(name, torch.zeros_like(answer_KA))
                inputs[name] = torch.cat([inputs[name], more.to(inputs[name])], 1)
        logits = self.loaded.network(**inputs, use_cache=False).logits[:, -len(answer) - 1 : -1]
        log_KA = logits.float().log_softmax(-1).gather(2, answer_KA[:, :, None])[:, :, 0]
        total: Tensor = log_KA.sum(1, keepdim=True)
        return total

    def _places(self, mask: Tensor) -> dict[str, Tensor]:
        """Positions in a batch filled from the left; a model that sees finds its own."""
        if self.sees:
            return {}
        return {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)}

    def _check_length(self, prompts: Prompts, answer: int) -> None:
        longest = int(prompts.mask.shape[1])
        if self.window is not None and longest + answer > self.window:
            raise GeneratorError(
                f"{self.name} takes {self.window:,} tokens, and question, evidence and answer "
                f"would have {longest + answer:,}: lower ask.context_tokens"
            )

    def _pieces(
        self, prompts: Prompts, weight_K: NDArray[np.float64], max_tokens: int
    ) -> Generator[str]:
        """What the network writes, as text, while a thread runs it."""
        told = _FirstRow(self.loaded.tokenizer, skip_prompt=True, skip_special_tokens=True)
        is_over = Event()
        failures: list[Exception] = []
        options = self._options(weight_K, is_over)

        def work() -> None:
            try:
                with torch.inference_mode():
                    self.loaded.network.generate(
                        **prompts.inputs,
                        **options,
                        generation_config=self._plain(max_tokens),
                        streamer=told,
                    )
            except Exception as error:  # noqa: BLE001 (told to whoever reads the answer)
                failures.append(error)
                told.text_queue.put(told.stop_signal)  # its end() would decode what failed

        worker = Thread(target=work, name="rzen-generate", daemon=True)
        worker.start()
        try:
            yield from told
        finally:
            is_over.set()
            worker.join()
        if failures:
            reason = (str(failures[0]).strip() or type(failures[0]).__name__).splitlines()[0]
            raise GeneratorError(f"{self.name} failed: {reason}") from failures[0]

    def _plain(self, max_tokens: int) -> Any:
        """The likeliest token each time: a checkpoint's own penalties and samplings do not count.

        They would change the distributions that are mixed, each row's by its own prompt.
        """
        from transformers import GenerationConfig  # noqa: PLC0415

        return GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False,
            max_new_tokens=max_tokens,
            eos_token_id=ends(self.loaded) or None,
            pad_token_id=self.loaded.tokenizer.pad_token_id,
        )

    def _options(self, weight_K: NDArray[np.float64], is_over: Event) -> dict[str, Any]:
        from transformers import LogitsProcessorList, StoppingCriteriaList  # noqa: PLC0415

        def stop(input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
            del scores
            return torch.full((len(input_ids),), is_over.is_set(), device=input_ids.device)

        options: dict[str, Any] = {"stopping_criteria": StoppingCriteriaList([stop])}
        if len(weight_K) > 1:
            options["logits_processor"] = LogitsProcessorList([_Mixture(weight_K)])
        return options


class _Mixture:
    """Puts the mixed distribution in the place of each row's own."""

    def __init__(self, weight_K: NDArray[np.float64]) -> None:
        self._log_weight_K1 = torch.from_numpy(np.log(np.maximum(weight_K, 1e-30)))[:, None]

    def __call__(self, input_ids: Tensor, scores_KV: Tensor) -> Tensor:
        del input_ids
        log_KV = scores_KV.float().log_softmax(-1)
        mixed_V = torch.logsumexp(log_KV + self._log_weight_K1.to(log_KV), 0)
        return mixed_V.expand_as(scores_KV)


class _FirstRow(TextIteratorStreamer):
    """Tells the text of the first row: all rows of an ensemble go on alike."""

    def put(self, value: Tensor) -> None:
        """Takes the tokens of a step, (rows,) or (rows, length)."""
        super().put(value[:1])  # type: ignore[no-untyped-call]
