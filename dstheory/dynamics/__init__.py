"""Training dynamics with exact gradients: optimisers, schedules, runs side by side, sweeps over parameters.

Each name of ``__init__.pyi`` is imported on first use: a command that only shows its help brings no numerics along.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
