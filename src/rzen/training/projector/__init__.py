"""Training a projector: a language model learns to read vectors of what was retrieved."""
