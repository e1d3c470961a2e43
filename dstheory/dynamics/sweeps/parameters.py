"""What can be swept: the parameters of `simulate` and of the optimum, each with its name, meaning, unit and range.

Most of them vary *along a batch*: one array operation serves thousands of settings. The others (an optimiser, a number of steps)
change the computation itself, and are looped over.

Source: derived here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from dstheory.errors import DSTheoryError

__all__ = ["PARAMETERS", "Kind", "Of", "Parameter", "lookup_parameter"]

Of = Literal["optimum", "simulate"]
Kind = Literal["number", "whole", "choice", "flag", "expression"]


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name: as in the library and, with hyphens, on the command line.
        long_name: what it is, for labels.
        kind: what its values are.
        default: its value when it is neither swept nor fixed.
        low, high: the range of numbers, ends included unless ``open_low``, ``open_high``.
        choices: the texts allowed, for kind ``choice``.
        optional: whether ``none`` is a value (no cap, no clipping, no renewal).
        batched: whether it varies along a batch.
        minimal: whether it describes the minimal chain M0 only.
        of: whose parameter it is.
        units: for labels; "1" has no unit.
    """

    name: str
    long_name: str
    kind: Kind = "number"
    default: Any = None
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False
    batched: bool = False
    minimal: bool = False
    of: tuple[Of, ...] = field(default=("optimum", "simulate"))
    units: str = "1"

    def value(self, given: Any, of: Of) -> Any:
        """Return one value in its own type.

        Raises:
            DSTheoryError: it is of another type, or out of range.

        >>> PARAMETERS["max_turns"].value(3.0, "optimum"), PARAMETERS["max_turns"].value("none", "optimum")
        (3, None)
        """
        if self.optional and (given is None or str(given).strip().lower() == "none"):
            return None
        if self.kind == "choice":
            return self._choice(str(given).strip())
        if self.kind == "expression":
            return str(given).strip()
        if self.kind == "flag":
            return self._flag(given)
        return self._number(given, of)

    def _choice(self, text: str) -> str:
        if text not in self.choices:
            near = get_close_matches(text, self.choices, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise DSTheoryError(f"{self.name} is {text!r}: must be one of {', '.join(self.choices)}{hint}")
        return text

    def _flag(self, given: Any) -> bool:
        text = str(given).strip().lower()
        if text not in ("true", "false"):
            raise DSTheoryError(f"{self.name} is {given!r}: must be true or false")
        return text == "true"

    def _number(self, given: Any, of: Of) -> float | int:
        try:
            number = float(given)
        except (TypeError, ValueError):
            none = ", or none" if self.optional else ""
            raise DSTheoryError(f"{self.name} is {given!r}: must be a number{none}") from None
        # Without a penalty the optimum is deterministic and not unique; training has no such trouble.
        open_low = self.open_low or (self.name == "beta" and of == "optimum")
        low = f"{'>' if open_low else '>='} {self.low:g}" if self.low > -math.inf else ""
        high = f"{'<' if self.open_high else '<='} {self.high:g}" if self.high < math.inf else ""
        rule = " and ".join(part for part in (low, high) if part) or "finite"
        inside = (number > self.low if open_low else number >= self.low) and (
            number < self.high if self.open_high else number <= self.high
        )
        if not (math.isfinite(number) and inside):
            raise DSTheoryError(f"{self.name} is {number:g}: must be {rule}")
        if self.kind == "whole":
            if number != int(number):
                raise DSTheoryError(f"{self.name} is {number:g}: must be a whole number {rule}")
            return int(number)
        return number


def _probability(name: str, long_name: str, default: float | None, *, closed: bool = False, **more: Any) -> Parameter:
    ends: dict[str, Any] = {"low": 0.0, "high": 1.0, "open_low": not closed, "open_high": not closed}
    return Parameter(name, long_name, default=default, batched=True, **ends, **more)


def _training(name: str, long_name: str, **more: Any) -> Parameter:
    return Parameter(name, long_name, of=("simulate",), **more)


_LENGTH: dict[str, Any] = {"low": 1.0, "batched": True, "units": "tokens"}
_IN_UNIT: dict[str, Any] = {"low": 0.0, "high": 1.0, "open_high": True}

_TABLE = (
    _probability("p", "P(correct) at the start", 0.55, minimal=True),
    _probability("a", "P(stop | correct) at the start", 0.8, minimal=True),
    _probability("b", "P(resample | wrong) at the start", 0.3, minimal=True),
    _probability("gamma", "discount", 0.95, closed=True),
    Parameter("discount_per", "what the discount is applied to", "choice", "turn", choices=("turn", "stage")),
    Parameter("max_turns", "cap on the number of turns", "whole", None, low=1, optional=True, units="turns"),
    Parameter("reward_stop_correct", "reward of stopping at a correct answer", batched=True),
    Parameter("reward_resample_correct", "reward of resampling a correct answer", batched=True),
    Parameter("reward_stop_wrong", "reward of stopping at a wrong answer", batched=True),
    Parameter("reward_resample_wrong", "reward of resampling a wrong answer", batched=True),
    Parameter("resample_cost", "price of a resample", default=0.0, low=0.0, batched=True),
    Parameter("answer_length", "length of every answer", default=64.0, **_LENGTH),
    Parameter("answer_length_correct", "length of the correct answer", minimal=True, **_LENGTH),
    Parameter("answer_length_wrong", "length of the wrong answer", minimal=True, **_LENGTH),
    Parameter("decision_length", "length of a decision", default=1.0, **_LENGTH),
    Parameter("beta", "strength of the KL penalty", default=0.1, low=0.0, high=1e100, batched=True),
    _probability("length_weight", "length weight lambda", 0.5, closed=True),
    Parameter("reduction", "reduction of stage weights", "choice", "sum", choices=("sum", "mean")),
    _training("objective", "objective", kind="expression"),
    _training("alpha", "strength of the entropy bonus", default=0.01, low=0.0, batched=True),
    _training("outer_discount", "whether reward-to-go keeps gamma^t", kind="flag", default=True),
    _training("states", "whose states the forward KL is taken at", kind="choice", default="policy",
              choices=("policy", "reference")),
    _probability("expert_p", "P(correct) of the demonstrator", 0.9, closed=True, of=("simulate",)),
    _probability("expert_a", "P(stop | correct) of the demonstrator", 0.95, closed=True, of=("simulate",)),
    _probability("expert_b", "P(resample | wrong) of the demonstrator", 0.9, closed=True, of=("simulate",)),
    _probability("reference_p", "P(correct) of the reference", None, minimal=True, of=("simulate",)),
    _probability("reference_a", "P(stop | correct) of the reference", None, minimal=True, of=("simulate",)),
    _probability("reference_b", "P(resample | wrong) of the reference", None, minimal=True, of=("simulate",)),
    _training("steps", "training steps", kind="whole", default=2000, low=1, units="steps"),
    _training("lr", "learning rate", default=0.05, low=0.0, open_low=True, batched=True),
    _training("optimizer", "optimizer", kind="choice", default="sgd", choices=("sgd", "momentum", "adam", "natural")),
    _training("momentum", "momentum", default=0.9, **_IN_UNIT),
    _training("adam_beta1", "decay of Adam's first moment", default=0.9, **_IN_UNIT),
    _training("adam_beta2", "decay of Adam's second moment", default=0.999, **_IN_UNIT),
    _training("adam_eps", "Adam's epsilon", default=1e-8, low=0.0, open_low=True),
    _training("damping", "damping of the natural gradient", default=1e-8, low=0.0),
    _training("schedule", "learning-rate schedule", kind="choice", default="constant", choices=("constant", "linear", "cosine")),
    _training("warmup", "warm-up steps", kind="whole", default=0, low=0, units="steps"),
    _training("clip_norm", "bound on the gradient's global norm", low=0.0, open_low=True, optional=True),
    _training("reference_every", "steps between renewals of the reference", kind="whole", low=1, optional=True, units="steps"),
    _training("spread", "standard deviation of the random starts' logits", default=0.5, low=0.0),
    _training("seed", "seed of the random starts", kind="whole", default=0, low=0),
)  # fmt: skip

PARAMETERS: dict[str, Parameter] = {parameter.name: parameter for parameter in _TABLE}

_PARTS = {
    "reward": ("reward_stop_correct", "reward_resample_correct", "reward_stop_wrong", "reward_resample_wrong"),
    "expert": ("expert_p", "expert_a", "expert_b"),
    "reference": ("reference_p", "reference_a", "reference_b"),
}


def lookup_parameter(name: str, of: Of, *, minimal: bool = True) -> Parameter:
    """Return a parameter of the optimum or of `simulate` (hyphens and case do not matter).

    Args:
        name: what to look for.
        of: whose parameter it is to be.
        minimal: whether the chain is M0.

    Raises:
        DSTheoryError: there is no such parameter (the nearest names are given), or it belongs elsewhere.

    >>> lookup_parameter("Length-Weight", "optimum").name
    'length_weight'
    """
    key = name.strip().lower().replace("-", "_")
    known = [parameter.name for parameter in _TABLE if of in parameter.of and (minimal or not parameter.minimal)]
    if key in _PARTS:
        parts = [part for part in _PARTS[key] if part in known]
        if parts:
            raise DSTheoryError(f"{key} is made of several numbers: sweep {', '.join(parts)}")
    if key in ("runs", "run"):
        raise DSTheoryError("random starts are a dimension of their own: fix their number with runs, and sweep something else")
    if key not in PARAMETERS:
        raise DSTheoryError(f"there is no parameter {name.strip()!r} of {of} to sweep: {_hint(key, known)}")
    found = PARAMETERS[key]
    if of not in found.of:
        raise DSTheoryError(f"{key} is a parameter of {found.of[0]}, not of {of}: sweep another one, or of={found.of[0]!r}")
    if found.minimal and not minimal:
        raise DSTheoryError(f"{key} describes the minimal chain M0; a chain from a file has its policy and lengths in the file")
    return found


def _hint(key: str, known: Sequence[str]) -> str:
    near = get_close_matches(key, known, n=3)
    return f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(sorted(known))}"
