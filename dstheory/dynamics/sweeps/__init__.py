"""Sweeps: the optimum, or training, at every point of a grid of settings, as one labelled dataset.

One sweep goes through these files: ``parameters`` (what can be swept) and ``grid`` (which values) -> ``problem`` (one setting as
chain, policy and objective) -> ``plan`` (tiles of settings) -> ``evaluate`` and ``training`` (one tile, batched) -> ``pools`` and
``dask`` (many tiles, in processes or on a cluster), while ``state`` keeps what is finished on disk -> ``result`` (the dataset,
whose variables ``variables`` describes, with what ``outcome`` says of every end). ``run`` puts them together.
"""
