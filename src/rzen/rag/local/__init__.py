"""Language models of transformers, in this process: the one place of rag that imports torch."""
