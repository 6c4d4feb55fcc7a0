"""The card of a trained projector."""

from rzen.rag.local.projector import ProjectorFacts
from rzen.training.projector.recipe import ProjectorRecipe


def card(recipe: ProjectorRecipe, facts: ProjectorFacts) -> str:
    """What it is, what it needs, and how it is used, in Markdown."""
    shape = facts.shape
    stages = "\n".join(
        f"- {stage.name}: {', '.join(each.source for each in stage.rows)}; batches of "
        f"{stage.batch.size}, peak learning rate {stage.optimizer.learning_rate:g}"
        for stage in recipe.stage
    )
    twin = (
        "\nIt was trained with zeros in the place of all vectors: a twin to compare with, and of "
        "no other use.\n"
        if recipe.zeroed
        else ""
    )
    adapted = (
        f"with LoRA adapters of rank {recipe.lora.rank}" if recipe.lora is not None else "frozen"
    )
    return f"""# {recipe.name}

{recipe.about or "A projector: a language model reads vectors of what was retrieved."}
{twin}
- language model: {facts.generator} ({adapted})
- vectors of: {facts.encoder_name}, {shape.dim} dimensions
- {shape.tokens} soft tokens an item, {shape.hidden} hidden units

```
rzen ask "..." --generator {facts.generator} --fusion projector --set ask.projector=FOLDER
```

Only rzen loads it: no other library knows its form.

## Trained

{stages}
"""
