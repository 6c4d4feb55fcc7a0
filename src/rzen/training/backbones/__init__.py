"""What can be trained: vision-language models, models of sentence-transformers, mini."""
