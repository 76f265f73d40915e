"""Tiny random models that stand for families, with attention that is far from uniform.

Freshly initialised tiny models attend almost uniformly, and on uniform maps every test passes; weights are therefore drawn
wide, and :func:`mean_normalised_entropy` is asserted where it matters.
"""

import pytest
import torch
import transformers
from torch import Tensor, nn

from attncompare.models import tap

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
    torch.manual_seed(seed)
    model = transformers.AutoModel.from_config(CONFIGS[family]).eval()
    for parameter in model.parameters():
        # Norm gains stay around 1: drawn around 0 they would shrink queries and keys, and attention would be uniform.
        nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=scale)
        parameter.requires_grad_(False)
    tap.install(model)
    return model


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
