"""The model card of the demo adapters, written from metrics.json so that its figures cannot drift."""

import math

TEMPLATE = """\
---
license: apache-2.0
base_model: {base[id]}
library_name: peft
language: en
datasets: []
pipeline_tag: text-classification
tags:
- lora
- sentiment
- attention
---

# Movie sentiment: the demo adapters of attncompare

Small LoRA adapters that turn `{base[id]}` (BERT, 6 layers x 12 heads, revision
`{base[revision]}`) into a classifier of English movie-review sentences, negative or positive.
They exist so that attncompare has a true fine-tune to compare with its base, offline; they are no product
in themselves. `final` is the trained adapter (step {final_step}); the `step-…` folders are the same run on
its way there. At step 0 every LoRA B is zero, so the encoder equals the base exactly; the head on
top is random.

**Test accuracy {test[accuracy]:.3f}, 95 % interval {test[interval_95][0]:.3f} to {test[interval_95][1]:.3f}**
(Wilson; {test[correct]} of {test[n]} sentences; always naming the commoner label gives
{test[majority_accuracy]:.3f}). Recall: {test[recall][negative]:.3f} of the negative sentences,
{test[recall][positive]:.3f} of the positive ones.
Scored once, on the fp16 files in `final` read back from disk, after the recipe had been chosen. The range of
recipes came from an earlier trial, which had been scored on a held-out tenth of the same corpus.

## Data

- Source: {data[source]};
  sha256 of that archive `{data[sha256]}`.
- Licence: {data[licence]} (vaderSentiment, copyright C.J. Hutto). The sentences are quotations from reviews
  on Rotten Tomatoes, collected by Pang and Lee; Hutto and Gilbert (ICWSM 2014) had each rated from -4 to 4 by
  15 to 29 people. No sentence of the corpus is in this folder.
- Kept: mean rating at least {data[min_abs_rating]} away from 0; its sign is the label. Neutral sentences are
  left out, which makes the task easier than real text is.
- Split: {data[split]}; repeated sentences fall in one part.

{counts_table}

## Recipe

LoRA of rank {fixed[rank]} on query, key, value and the attention output of every layer, and a fresh
classification head on the base's frozen pooler; nothing else is trained. AdamW (weight decay
{fixed[weight_decay]}), batches of {fixed[batch_sentences]} sentences of similar length, linear warm-up over
{fixed[warmup_share]:.0%} of the steps, then linear decay to 0; gradient norm at most
{fixed[max_gradient_norm]}; at most {fixed[max_tokens]} tokens. Seed {seed}, {threads} CPU threads.
The recipe in bold had the best dev accuracy after its last step:

{tried_table}

The dev part has {dev_n} sentences, so an accuracy there has a standard error near {dev_error:.3f}; recipes
closer than that are not told apart by it, and the best one is a little flattered by having been chosen.
What is equal in all rows was not varied.

## On the way

{curve_table}

Training loss is the mean since the row before, with the base's own dropout on; dev loss and accuracy are of
the float32 weights at that step. The fp16 files of `final` reach {dev_accuracy_as_shipped:.4f} on dev.

## Replicates

The same recipe trained with other seeds (of head, LoRA, dropout and batch order), the fp16 files of the last step. They
say how much of a head's change is the seed's doing; none was chosen among.

{replicates_table}

## Limits

- One sentence of English film criticism at a time. Other text, other languages, irony and long reviews are
  untested.
- The split is by sentence: sentences about the same film, or from the same review, can stand in different
  parts, so an unseen film may be harder than the test part says.
- Labels are averages over raters and carry their tastes; names of people, groups or countries may sway a
  prediction. Nothing was done against that, and it was not measured. Decide nothing about people with it.
- Another seed gives another adapter, and perhaps other heads that move. What a comparison shows is true of this
  adapter; the replicates say how far it is true of the others.
- With an adapter on, the encoder no longer gives the base's sentence embeddings.

## Reproduce

    python -m training.movie_sentiment --out assets/movie-sentiment
    python -m training.movie_sentiment --out assets/movie-sentiment --replicate --seed 1 --threads 1

with {version_list},
and `{base[package]}` for the base weights. The first line trains the {n_recipes} recipes, in {minutes:.0f} minutes on
{threads} busy cores, and writes the same adapters on the same machine; another processor or thread count
changes the order of sums and so the last digits.

The adapters are under Apache-2.0, as the base is.
"""


def _table(header: list[str], rows: list[list[object]]) -> str:
    """A Markdown table, first column left, the others right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def card(metrics: dict) -> str:
    """Markdown with Hugging Face front matter; every figure is from `metrics` (a full run's metrics.json)."""
    labels, tried = metrics["labels"], metrics["tried"]
    chosen = next(recipe for recipe in tried if recipe["name"] == metrics["chosen"])
    counts = [[part, *(count[label] for label in labels)] for part, count in metrics["data"]["counts"].items()]
    varied = ["learning_rate", "epochs", "alpha", "dropout"]
    recipes = [
        [f"**{recipe['name']}**" if recipe is chosen else recipe["name"], *(recipe[key] for key in varied)]
        + [f"{recipe['curve'][-1][key]:.4f}" for key in ("dev_accuracy", "dev_loss_nats")]
        for recipe in tried
    ]
    curve = [
        [point["step"]]
        + [
            "" if point[key] is None else f"{point[key]:.4f}"
            for key in ("train_loss_nats", "dev_loss_nats", "dev_accuracy")
        ]
        for point in chosen["curve"]
    ]
    dev_n = sum(metrics["data"]["counts"]["dev"].values())
    dev = metrics["dev_accuracy_as_shipped"]
    first = {"name": "final", **{key: metrics[key] for key in ("seed", "threads", "dev_accuracy_as_shipped")}}
    return TEMPLATE.format(
        **metrics,
        n_recipes=len(tried),
        minutes=sum(recipe["seconds"] for recipe in tried) / 60,
        dev_n=dev_n,
        dev_error=math.sqrt(dev * (1 - dev) / dev_n),
        counts_table=_table(["part", *labels], counts),
        tried_table=_table(
            ["recipe", "learning rate", "epochs", "alpha", "dropout", "dev accuracy", "dev loss (nats)"],
            recipes,
        ),
        replicates_table=_table(
            ["folder", "seed", "threads", "dev accuracy"],
            [
                [one["name"], one["seed"], one["threads"], f"{one['dev_accuracy_as_shipped']:.4f}"]
                for one in [first, *metrics["replicates"]]
            ],
        ),
        curve_table=_table(["step", "training loss (nats)", "dev loss (nats)", "dev accuracy"], curve),
        version_list=", ".join(f"{name} {number}" for name, number in metrics["versions"].items()),
    )
