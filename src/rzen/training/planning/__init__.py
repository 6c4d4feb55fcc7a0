"""What a recipe will need of a machine, before anything is trained: memory, time, disk.

Nothing of it needs the weights. The network is an outline, sources are opened as training opens
them, some rows of each group are prepared as training prepares them, and the steps that the sampler
plans are then walked through in lengths alone.
"""
