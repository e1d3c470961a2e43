"""Sweeps: the optimum, or training, at every point of a grid of settings, as one labelled dataset.

``plan`` says which values are swept and what a sweep is (data only), ``evaluate`` computes a part of it, ``state`` keeps on disk
what is finished, ``result`` is the dataset, and ``run`` puts them together.
"""
