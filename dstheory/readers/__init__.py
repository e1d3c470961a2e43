"""Chains in JSON, TOML, CSV, Parquet and JSON lines; results that are complete or absent.

Each name of ``__init__.pyi`` is imported on first use: a command that reads no chain loads no reader of chains.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
