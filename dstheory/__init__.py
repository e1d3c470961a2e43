"""dstheory: an instrument that checks the theory of reinforcement learning versus supervised fine-tuning.

The names in ``__init__.pyi`` are the library: functions, classes and rooms, each imported on first use, so that
``import dstheory`` costs next to nothing and a type checker still sees each of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
