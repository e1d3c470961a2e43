"""Everything that is tried, by name."""

from __future__ import annotations

from fuzz.engine import Target
from fuzz.targets.chains import CHAIN
from fuzz.targets.claims import CLAIM
from fuzz.targets.commands import COMMAND, CONFIG
from fuzz.targets.logs import LOG
from fuzz.targets.numerics import NUMERICS
from fuzz.targets.results import RESULTS
from fuzz.targets.states import STATE
from fuzz.targets.texts import TEXT
from fuzz.targets.trainers import TRAINER

TARGETS: dict[str, Target] = {
    target.name: target for target in (CHAIN, LOG, TEXT, RESULTS, STATE, COMMAND, CONFIG, CLAIM, NUMERICS, TRAINER)
}
