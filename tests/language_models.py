"""Language models small enough to be made for a test: one token a letter, two layers.

Their weights are drawn large, so that what they write depends on all they read: with weights as
small as those that training starts from, every prompt would have the same answer.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from rzen.config import ModelSettings
from rzen.encoders.loading import quiet
from rzen.encoders.model_source import ModelSource
from rzen.rag.local import loading
from rzen.rag.local.loading import Loaded

GOLDEN = Path(__file__).parent / "golden"
VISION = {"qwen2-vl": "rzenembed-tiny", "qwen3-vl": "qwen3vl-embedding-tiny"}

BEGIN, END, UNKNOWN, FILLER = "<s>", "<|end|>", "<unk>", "<pad>"
_SPEAKERS = ("<|system|>", "<|user|>", "<|assistant|>")
_LETTERS = ["\n", *(chr(code) for code in range(32, 127))]

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    + TEMPLATE
)


def tokenizer(template: str | None = None) -> Any:
    """A token for each printable letter of ASCII, and for what a chat template writes."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = [UNKNOWN, BEGIN, END, FILLER, *_SPEAKERS]
    words = {word: at for at, word in enumerate([*special, *_LETTERS])}
    letters = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    letters.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    letters.decoder = decoders.Fuse()
    letters.add_special_tokens(special)
    made: Any = PreTrainedTokenizerFast
    return made(
        tokenizer_object=letters,
        unk_token=UNKNOWN,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=FILLER,
        chat_template=template,
    )


def llama(seed: int = 0, *, window: int = 512, spread: float = 0.3) -> Any:
    """A network with weights drawn from a normal distribution of that spread."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer()),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=window,
        initializer_range=spread,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )
    torch.manual_seed(seed)
    network: Any = LlamaForCausalLM(config)
    return network.eval()


def gpt2(seed: int = 0, *, window: int = 512, spread: float = 0.3) -> Any:
    """The same of another kind: it knows a token's place, where Llama knows how far two are."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=len(tokenizer()),
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=window,
        initializer_range=spread,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )
    torch.manual_seed(seed)
    network: Any = GPT2LMHeadModel(config)
    return network.eval()


KINDS = {"llama": llama, "gpt2": gpt2}


def language_model(
    seed: int = 0, *, template: str | None = None, window: int = 512, kind: str = "llama"
) -> Loaded:
    """A network that says something else after every prompt."""
    return loading.made(KINDS[kind](seed, window=window), tokenizer(template), None)


def chain(text: str, *, template: str | None = None, ends: bool = False) -> Loaded:
    """A network that writes a text whatever it is asked, over and over, or once.

    Its layers add nothing to the embedding of the last letter, which its head turns into the next.

    Args:
        text: in which no letter stands twice.
        template: of the tokenizer.
        ends: whether the end of the turn follows the last letter, and not the first letter again.
    """
    assert len(set(text)) == len(text)
    loaded = language_model(template=template)
    first, last = text[0], text[-1]
    follower = dict(pairwise(text)) | {last: END if ends else first}
    follower.setdefault("<|assistant|>" if template else ":", first)  # the prompt's last token
    ids = loaded.tokenizer.convert_tokens_to_ids
    with torch.no_grad():
        for layer in loaded.network.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        head = loaded.network.lm_head.weight.zero_()
        for token, next_one in follower.items():
            state = loaded.network.model.embed_tokens.weight[ids(token)]
            head[ids(next_one)] += 10 * state / state.norm()
    return loaded


def vision_model(name: str, *, scale: float = 1.0) -> Loaded:
    """A tiny model that sees: "qwen2-vl" or "qwen3-vl".

    Args:
        name: of the two.
        scale: of what its head gives: as it is, all tokens are about as likely.
    """
    folder = (GOLDEN / VISION[name] / "model").resolve()
    source = ModelSource(name=str(folder), folder=folder)
    loaded = loading.load(source, device="cpu", settings=ModelSettings())
    head = loaded.network.lm_head
    head.weight = torch.nn.Parameter(scale * head.weight.detach())  # no longer tied
    return loaded


def write_checkpoint(folder: Path, loaded: Loaded) -> Path:
    """A model as its files."""
    with quiet():
        loaded.network.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
    return folder
