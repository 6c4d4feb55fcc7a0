"""Does retrieval help a language model to answer, and does a projector read vectors?

python -m benchmarks.rag_experiment.rows FOLDER        rows to train projectors with
rzen train FOLDER/projector.toml ...                   nine runs: three seeds of three kinds
python -m benchmarks.rag_experiment FOLDER             all arms, resumable; writes a table

FOLDER also holds what was measured, one file of lines an arm, so that a run may be interrupted.
docs/LOG.md has the table and what it means.
"""
