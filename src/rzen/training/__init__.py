"""From examples to a better encoder: losses, batches, the loop, stages, soups."""
