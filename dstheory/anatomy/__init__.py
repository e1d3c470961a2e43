"""Anatomy of logs: from logs of a real model to p, a, b, predictions, and whose gain it is.

    >>> import pandas as pd
    >>> from dstheory.anatomy import from_frame, measure
    >>> rows = {"id": [1, 1, 2], "correct": [False, True, False], "decision": ["resample", "stop", "stop"]}
    >>> (total,) = measure(from_frame(pd.DataFrame(rows)).episodes)
    >>> total.p.successes, total.p.trials, total.b.value
    (1, 3, 0.5)

Each name of ``__init__.pyi`` is imported on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
