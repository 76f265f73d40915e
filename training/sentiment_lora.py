"""A LoRA classifier on all-MiniLM-L6-v2: find the base, encode, train, evaluate, write and read an adapter.

Knows nothing about where the sentences come from or how a recipe is chosen.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from attncompare.models.checkpoint import any_folder, resolve
from attncompare.models.embedded import BASE_ID, BASE_REVISION
from training.movie_data import LABELS, Snippet

# The full suffix matters: `output.dense` alone would also match the feed-forward block.
TARGETS = r".*\.attention\.(self\.(query|key|value)|output\.dense)"
RANK = 8
BATCH = 32
POOL = 8 * BATCH  # sentences sorted by length together, so that a batch has little padding
WARMUP_SHARE = 0.06
WEIGHT_DECAY = 0.01
MAX_GRADIENT_NORM = 1.0
MAX_TOKENS = 128
SAVED_STEPS = (0, 10, 30, 100, 200, 350)  # and the last


@dataclass(frozen=True)
class Recipe:
    """What is varied; everything else is a constant above. The rate falls linearly to 0 after the warm-up."""

    name: str
    learning_rate: float
    epochs: int
    alpha: int = 16
    dropout: float = 0.0


@dataclass(frozen=True)
class Encoded:
    """Sentences as token ids (unpadded, [CLS] and [SEP] included) with their labels."""

    ids: list[list[int]]
    labels: Tensor

    def batch(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """The model's arguments for these rows, padded on the right to their longest sentence."""
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(self.ids[row]) for row in rows], batch_first=True)
        lengths = torch.tensor([len(self.ids[row]) for row in rows])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()  # padding is id 0, as in the vocabulary
        return {"input_ids": ids, "attention_mask": mask, "labels": self.labels[list(rows)]}


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def base_folder() -> Path:
    """The folder of the embedded base, its weights checked against their SHA-256."""
    base = resolve(BASE_ID, any_folder)
    base.content_hash()
    return base.folder


def base_model() -> transformers.PreTrainedModel:
    """The base checkpoint under a sequence-classification head, which is fresh (drawn from torch's seed)."""
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        base_folder(), id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)}
    )


def encode(snippets: Sequence[Snippet]) -> Encoded:
    """Token ids and labels of the snippets."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(base_folder())
    encoding = tokenizer([snippet.text for snippet in snippets], truncation=True, max_length=MAX_TOKENS)
    return Encoded(encoding["input_ids"], torch.tensor([snippet.label for snippet in snippets]))


def shuffled_batches(data: Encoded, epochs: int, seed: int) -> Iterator[list[int]]:
    """Row numbers of all epochs' batches: random pools, sorted by length inside, batches shuffled again."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = torch.randperm(len(data.ids), generator=generator).tolist()
        batches = []
        for start in range(0, len(order), POOL):
            pool = sorted(order[start : start + POOL], key=lambda row: len(data.ids[row]))
            batches += [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[index]


@torch.inference_mode()
def evaluate(model: torch.nn.Module, data: Encoded) -> tuple[Tensor, float]:
    """Predicted labels in the order of `data`, and the mean cross entropy in nats."""
    model.eval()
    predicted = torch.empty_like(data.labels)
    total_nats = 0.0
    order = sorted(range(len(data.ids)), key=lambda row: len(data.ids[row]))
    for start in range(0, len(order), 4 * BATCH):
        rows = order[start : start + 4 * BATCH]
        output = model(**data.batch(rows))
        predicted[rows] = output.logits.argmax(-1)
        total_nats += output.loss.item() * len(rows)
    return predicted, total_nats / len(order)


def accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Share of right predictions."""
    return (predicted == labels).double().mean().item()


def save_adapter(model: PeftModel, folder: Path) -> None:
    """The adapter as it ships: fp16 weights, its config, and the label names, which PEFT does not keep."""
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # an empty form; the card stands one folder up
    weights = folder / "adapter_model.safetensors"
    halved = {name: tensor.half() for name, tensor in load_file(weights).items()}
    save_file(halved, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors leaves it readable by its owner alone
    (folder / "labels.json").write_text(json.dumps({"id2label": dict(enumerate(LABELS))}, indent=2) + "\n")


def train(recipe: Recipe, data: dict[str, Encoded], folder: Path, seed: int) -> list[dict]:
    """Train one recipe, save its adapters under `folder`, return its curve.

    A point holds the step, the mean training loss in nats since the point before, and dev loss and accuracy.
    """
    torch.manual_seed(seed)
    config = LoraConfig(  # SEQ_CLS makes PEFT train and save the classifier too
        task_type="SEQ_CLS",
        r=RANK,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=TARGETS,
    )
    model = get_peft_model(base_model(), config)
    # PEFT notes the folder the base was read from; the adapter must name the checkpoint instead.
    config.base_model_name_or_path, config.revision = BASE_ID, BASE_REVISION
    batches = list(shuffled_batches(data["train"], recipe.epochs, seed))
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, round(WARMUP_SHARE * len(batches)), len(batches))
    curve: list[dict] = []
    losses: list[float] = []

    def record(step: int) -> None:
        predicted, dev_nats = evaluate(model, data["dev"])
        train_nats = sum(losses) / len(losses) if losses else None
        point = {"step": step, "train_loss_nats": train_nats, "dev_loss_nats": dev_nats}
        curve.append(point | {"dev_accuracy": accuracy(predicted, data["dev"].labels)})
        losses.clear()
        print(f"{recipe.name}: {curve[-1]}", file=sys.stderr)
        save_adapter(model, folder / ("final" if step == len(batches) else f"step-{step:04d}"))

    record(0)
    for step, rows in enumerate(batches, start=1):
        model.train()
        loss = model(**data["train"].batch(rows)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, MAX_GRADIENT_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step in SAVED_STEPS or step == len(batches):
            record(step)
    return curve


def shipped_model(folder: Path) -> PeftModel:
    """The base with an adapter read back from disk, as a visitor gets it (PEFT computes in float32)."""
    return PeftModel.from_pretrained(base_model(), folder)
