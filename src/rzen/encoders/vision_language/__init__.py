"""Universal embedders on vision-language models: templates, pixels, positions, encoder."""
