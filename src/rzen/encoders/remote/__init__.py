"""Encoders at an address: /v1/embeddings, vLLM's chat form of it, and Cohere's /v2/embed."""
