"""Tiny random models that stand for families, with attention that is far from uniform.

Freshly initialised tiny models attend almost uniformly, and on uniform maps every test passes; weights are therefore drawn
wide, and :func:`mean_normalised_entropy` is asserted where it matters.
"""

import copy
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn

import attncompare
from attncompare.models import routing
from attncompare.models.layout import Place

torch.set_num_threads(1)
"""On tiny models a second thread waits more than it works, and on a busy machine it waits for long."""

VOCABULARY = 99
CONFIGS = {
    "bert": transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48
    ),
    "gpt2": transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=0
    ),
    "llama": transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48,
    ),
    "mistral": transformers.MistralConfig(  # grouped keys and a sliding window shorter than the texts
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, sliding_window=8,
    ),
    "gemma2": transformers.Gemma2Config(  # soft-capping, no SDPA, every second layer local
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, intermediate_size=48, sliding_window=8,
    ),
}  # fmt: skip


def random_model(family: str, seed: int, *, scale: float = 0.35) -> nn.Module:
    """A tiny model of the family with weights drawn from N(0, scale), tap installed."""
    return installed_model(family, seed, scale=scale)[0]


def installed_model(family: str, seed: int, *, scale: float = 0.35) -> tuple[nn.Module, tuple[Place, ...]]:
    """The same with its layout."""
    model = transformers.AutoModel.from_config(CONFIGS[family]).eval()
    draw_weights(model, seed, scale)
    return model, routing.install(model)


def draw_weights(model: nn.Module, seed: int, scale: float = 0.35) -> None:
    """Weights from N(0, scale)."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        # Norm gains stay around 1: drawn around 0 they would shrink queries and keys, and attention would be uniform.
        nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=scale)
        parameter.requires_grad_(False)


def eager_attentions(model: nn.Module, ids: Tensor) -> list[Tensor]:
    """The family's own ``output_attentions=True`` on a copy that runs eager attention; ``[head, query, key]`` a layer."""
    twin = type(model)(model.config.__class__.from_dict(model.config.to_dict())).eval()
    twin.load_state_dict(model.state_dict())
    twin.set_attn_implementation("eager")
    with torch.no_grad():
        return [rows[0] for rows in twin(input_ids=ids, output_attentions=True).attentions]


def mean_normalised_entropy(attentions: list[Tensor]) -> float:
    """Mean over rows that see several keys of entropy / ln(keys seen): 1 for uniform attention."""
    values = []
    for rows in attentions:
        seen = (rows > 0).sum(-1)
        entropy = torch.special.entr(rows.double()).sum(-1)
        values.append((entropy / seen.log())[seen > 1])
    return float(torch.cat(values).mean())


@pytest.fixture(params=CONFIGS)
def family(request: pytest.FixtureRequest) -> str:
    """Every family that the tests stand for."""
    return str(request.param)


@pytest.fixture
def ids() -> Tensor:
    """A text of 24 tokens, longer than the sliding windows."""
    return torch.randint(1, VOCABULARY, (1, 24), generator=torch.Generator().manual_seed(7))


WORDS = ["[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(VOCABULARY - 3))]
TEXT = " ".join(WORDS[3 + (7 * i) % 60] for i in range(22))
"""A text of 22 words: longer than the sliding windows."""


def tiny_tokenizer(*, causal: bool) -> transformers.PreTrainedTokenizerFast:
    """One token a word; an encoder's puts [CLS] and [SEP] around, a causal model's adds nothing."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if causal:
        return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def save_tiny(folder: Path, family: str, seed: int, *, tune: float = 0.0) -> Path:
    """A checkpoint with its answer's head; with ``tune`` its weights are those of ``seed`` plus N(0, tune)."""
    config = copy.deepcopy(CONFIGS[family])
    causal = family != "bert"
    kind = transformers.AutoModelForCausalLM if causal else transformers.AutoModelForSequenceClassification
    model = kind.from_config(config).eval()
    draw_weights(model, seed)
    if tune:
        torch.manual_seed(seed + 1)
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=tune)
    model.save_pretrained(folder)
    tiny_tokenizer(causal=causal).save_pretrained(folder)
    return folder


def tiny_pair(folder: Path, family: str) -> attncompare.Pair:
    """A base and a model tuned from it, loaded from disk as a user's would be."""
    return attncompare.load_pair(
        save_tiny(folder / "base", family, seed=11),
        save_tiny(folder / "tuned", family, seed=11, tune=0.15),
        device="cpu",
    )


@pytest.fixture(scope="session")
def embedded_pair() -> attncompare.Pair:
    """The pair that stands for reality."""
    return attncompare.load_pair(device="cpu")
