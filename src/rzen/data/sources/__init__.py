"""Files and data sets -> training examples: tables give rows, readers say what a row means.

A table (JSON lines, parquet, a Hugging Face data set) finds one row without reading the others. A
reader makes an example of it. The two meet in :mod:`rzen.data.sources.table_source`, which knows of
each row its task and the key of its positive from one pass over the file, kept in the cache.
"""
