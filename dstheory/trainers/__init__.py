"""Configurations of trainers: what a file of TRL, verl, OpenRLHF, ... makes its trainer optimise, in this package's objectives.

    >>> from dstheory.trainers import configuration_of
    >>> found = configuration_of("trl:grpo", settings=("loss_type=dr_grpo", "beta=0.04"))
    >>> found.trainer.name, found.training.normaliser, found.training.estimator
    ('GRPOTrainer', 'constant', 'k3-ratio')

Data flows one way: :mod:`files` reads keys and values with their lines; :mod:`libraries` says what a key means, from one TOML
file per library and version; :mod:`configuration` puts both together into a :class:`Training`; :mod:`translation` makes the
objectives of this package of it; :mod:`statements` says which claims speak about it.
"""

from __future__ import annotations

from dstheory.trainers.configuration import Configuration, configuration_of
from dstheory.trainers.libraries import Trainer, all_trainers
from dstheory.trainers.training import Training
from dstheory.trainers.translation import Part, objective_of, parts

__all__ = ["Configuration", "Part", "Trainer", "Training", "all_trainers", "configuration_of", "objective_of", "parts"]
