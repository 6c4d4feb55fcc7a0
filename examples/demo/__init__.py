"""The demo: a folder of real files, indexed and searched."""
