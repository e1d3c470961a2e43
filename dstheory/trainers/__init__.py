"""Configurations of trainers: what a file of TRL, verl, OpenRLHF, ... makes its trainer optimise, in this package's objectives.

    >>> from dstheory.trainers import configuration_of
    >>> found = configuration_of("trl:grpo", settings=("loss_type=dr_grpo", "beta=0.04"))
    >>> found.trainer.name, found.training.normaliser, found.training.estimator
    ('GRPOTrainer', 'constant', 'k3-ratio')

Data flows one way: :mod:`files` reads keys and values with their lines; :mod:`libraries` says what a key means, from one TOML
file per library and version; :mod:`configuration` puts both together into a :class:`Training`; :mod:`translation` makes the
objectives of this package of it; :mod:`words` says it in words, and what claims prove of it.

Each name of ``__init__.pyi`` is imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
