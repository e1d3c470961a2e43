"""What the ordinary run takes of families whose members share their code. The exhaustive profile takes all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from hypothesis import settings

EXHAUSTIVE = not settings().derandomize


def in_turn(instances: Sequence[Any], cases: Sequence[Any], each: int) -> list[ParameterSet]:
    """Return every instance with every case; but for ``each`` of an instance's cases, evenly apart and in turn, they are slow."""
    apart = len(cases) // each
    now = range(0, apart * each, apart)
    return [
        pytest.param(instance, case, marks=() if (k - i) % len(cases) in now else pytest.mark.slow)
        for i, instance in enumerate(instances)
        for k, case in enumerate(cases)
    ]
