"""Questions with known answers over the data of rzen-bench, for retrieval-augmented generation."""
