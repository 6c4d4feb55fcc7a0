"""MMEB-V2: its 78 sets, its rows, and what a score file of it says."""
