"""All checks of the homogeneous chain on one log, in the order in which they should be read.

First whether problems differ (over problems), then what can be said whatever problems are like (within episodes, decisions and
the answer before), then whether rates differ between rounds, which they also do if problems differ.

Source: the tests are those of :mod:`dstheory.anatomy.overdispersion` and :mod:`dstheory.anatomy.order`.
"""

from __future__ import annotations

import numpy as np

from dstheory.anatomy.episodes import Episodes
from dstheory.anatomy.estimate import Test
from dstheory.anatomy.order import order_within_episodes, over_rounds, previous_answer
from dstheory.anatomy.overdispersion import check_problems

__all__ = ["check_model"]


def check_model(episodes: Episodes, *, resamples: int = 499, rng: np.random.Generator | int = 0) -> list[Test]:
    """Test homogeneity over problems and rounds, independence of attempts, independence of decisions.

    Args:
        episodes: the log.
        resamples: simulated logs behind each p-value over problems, for logs of up to 5,000 episodes; 0 for the normal one.
        rng: generator or seed.

    >>> from dstheory.anatomy.simulate import simulate_log
    >>> for test in check_model(simulate_log(300, p=0.4, a=0.7, b=0.8, cap=8, concentration=1.0), resamples=99):
    ...     print(f"{test.name:28} {test.rejected()}")
    p over problems              True
    a over problems              False
    b over problems              False
    trend within episodes        False
    dependence within episodes   False
    a and the answer before      False
    b and the answer before      False
    p over rounds                True
    a over rounds                False
    b over rounds                False
    """
    generator = np.random.default_rng(rng)
    return [
        *(check_problems(episodes, name, resamples=resamples, rng=generator) for name in "pab"),
        *order_within_episodes(episodes),
        *(previous_answer(episodes, name) for name in "ab"),
        *(over_rounds(episodes, name) for name in "pab"),
    ]
