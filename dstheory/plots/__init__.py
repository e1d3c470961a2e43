"""Figures: one per function, each returning a matplotlib Figure; nothing here touches pyplot's global state.

Each name of ``__init__.pyi`` is imported on first use: matplotlib takes a while.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
