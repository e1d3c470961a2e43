"""What the runs say: means over seeds, the hypotheses with their outcomes, and tables and words of the page.

The hypotheses were written down in ``docs/arithmetic.md`` before the experiment was run; here each becomes a function of what was
measured, so that the outcome follows from the numbers and from nothing else. Where a hypothesis is about a difference (1, 2, 3,
5, 6, 7), "contradicted" needs an interval that lies wholly on the wrong side, "as expected" one that lies wholly on the right
one. 4 and 9 need such an interval for one kind of contradiction each (a fall of p, a loss); what else they say, 8 and 10 are
decided by means, or the largest error.

Seeds are the unit: a method's result is an average over initial policies, problems and draws, all of which a seed changes. The
share of decisions in a mean gain is a ratio of two means over seeds; its interval is the jackknife's, and there is none where
the gain itself is not told from 0.

Source: claims 4 and 5 of arXiv 2601.01580; THEORY groups B, C, E, F, G of this package. Student (1908); jackknife for ratios,
Quenouille (1956), Tukey (1958).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from dstheory.anatomy.rates import over_problems
from dstheory.checks import Floats
from dstheory.texts import counted

from ._arithmetic_runs import PARTS

if TYPE_CHECKING:
    import xarray as xr

@dataclass(frozen=True)
class Mean:
    """A mean over seeds and its 95 % interval; with one seed the interval is the whole line."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 3) -> str:
        """Return the mean and its interval.

        Example:
            >>> Mean(0.5, 0.4, 0.6).text(2), Mean(float("nan"), float("nan"), float("nan")).text()
            ('0.50 [0.40, 0.60]', '-')
        """
        if np.isnan(self.value):
            return "-"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is positive."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is negative."""
        return self.high < 0


def mean_over_seeds(values: ArrayLike) -> Mean:
    """Return the mean with its t-interval.

    Example:
        >>> mean_over_seeds([1.0, 2.0, 3.0]).text(2)  # 2 +- 4.303 / sqrt(3)
        '2.00 [-0.48, 4.48]'
    """
    x = np.asarray(values, dtype=np.float64)
    return _interval(float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 else np.inf, len(x))


def rate_over_seeds(values: ArrayLike) -> Mean:
    """Return the mean of rates, one of each seed, with an interval that stays within [0, 1].

    Wilson's, with as many trials as the variance between seeds is worth and Student's quantile, as for rates of a log whose
    problems are the seeds. Near 0 and 1, and with few seeds, a t-interval leaves [0, 1]; in the middle the two agree.

    Example:
        >>> mean_over_seeds([0.60, 0.776]).text(2), rate_over_seeds([0.60, 0.776]).text(2)
        ('0.69 [-0.43, 1.81]', '0.69 [0.07, 1.00]')
    """
    x = np.asarray(values, dtype=np.float64)
    # Exact rates are no counts: the number of trials has no limit but what the variance says.
    found = over_problems(x, np.arange(len(x)), sys.maxsize, 0.95)
    assert found.value is not None
    return Mean(found.value, found.low, found.high)


def ratio_over_seeds(parts: ArrayLike, wholes: ArrayLike) -> Mean:
    """Return mean(parts)/mean(wholes) with a jackknife interval; NaN if the interval of the whole contains 0.

    Example:
        >>> ratio_over_seeds([2.0, 2.6, 2.9], [4.0, 5.0, 6.0]).text(2)
        '0.50 [0.45, 0.55]'
    """
    part, whole = np.asarray(parts, dtype=np.float64), np.asarray(wholes, dtype=np.float64)
    n, overall = len(part), mean_over_seeds(whole)
    if not (overall.above_zero or overall.below_zero):
        return Mean(np.nan, np.nan, np.nan)
    ratio = part.sum() / whole.sum()
    without = (part.sum() - part) / (whole.sum() - whole)
    pseudo = n * ratio - (n - 1) * without
    return _interval(float(ratio), float(pseudo.std(ddof=1) / np.sqrt(n)), n)


def _interval(value: float, error: float, n: int) -> Mean:
    if not np.isfinite(error):
        return Mean(value, -np.inf, np.inf)
    half = float(stdtrit(n - 1, 0.975)) * error
    return Mean(value, value - half, value + half)


# ---------------------------------------------------------------------- hypotheses

IN, OUT = PARTS
_NO_SHARE = " (- where the gain may be 0)"


@dataclass(frozen=True)
class HypothesisOutcome:
    """One hypothesis: its number and name, what was measured in words, and the outcome."""

    number: int
    name: str
    measured: str
    outcome: str


def gain_of(data: xr.Dataset, comparison: str, part: str, name: str = "gain") -> Mean:
    """Return the mean gain of a comparison, or of its part ``sample`` or ``decide``."""
    return mean_over_seeds(data[name].sel(comparison=comparison, part=part).values)


def share_of(data: xr.Dataset, comparison: str, part: str) -> Mean:
    """Return the share of decisions in the mean gain of a comparison."""
    at = {"comparison": comparison, "part": part}
    return ratio_over_seeds(data.decide.sel(at).values, data.gain.sel(at).values)


def decide(data: xr.Dataset) -> list[HypothesisOutcome]:
    """Return the outcome of every hypothesis whose conditions were run."""
    outcomes = []
    for number, (name, needs, measure) in enumerate(HYPOTHESES, start=1):
        if set(needs) <= set(data.condition.values.tolist()):
            measured, verdict = measure(data)
            outcomes.append(HypothesisOutcome(number, name, measured, verdict))
    return outcomes


# ---------------------------------------------------------------------- each of them


def _claim_5(data: xr.Dataset) -> tuple[str, str]:
    pair = "reward over sft-mistakes"
    gain, share = gain_of(data, pair, OUT), share_of(data, pair, OUT)
    text = f"gain {gain.text()}, share of decisions {share.text(2)}"
    if not gain.above_zero:
        return text, "contradicted" if gain.below_zero else "undecided"
    return text, _side(share.low - 0.5, share.high - 0.5)


def _samples_better(data: xr.Dataset) -> tuple[str, str]:
    found = [mean_over_seeds(_part(data, "p", "sft-first", part) - _part(data, "p", "reward", part)) for part in (IN, OUT)]
    text = "p of right-first-time SFT minus p of reward: " + ", ".join(
        f"{mean.text()} ({part})" for mean, part in zip(found, (IN, OUT), strict=True)
    )
    return text, _all(_side(mean.low, mean.high) for mean in found)


def _no_coverage(data: xr.Dataset) -> tuple[str, str]:
    change = mean_over_seeds(_part(data, "b", "sft-first", IN) - _part(data, "b", "start", IN))
    return f"b of right-first-time SFT minus b of the start: {change.text()}", _side(-change.high, -change.low)


def _coverage(data: xr.Dataset) -> tuple[str, str]:
    imitated = ("sft-first", "sft-coverage-0.1", "sft-mistakes", "sft-coverage-1")
    masked = ("sft-first", "sft-masked-0.1", "sft-masked-0.5", "sft-masked-1")
    b, p, kept = (_series(data, name, names) for name, names in (("b", imitated), ("p", imitated), ("p", masked)))
    masked_b = _series(data, "b", masked)
    first = _series(data, "first", masked)
    text = (
        f"coverage 0, 0.1, 0.5, 1: b {_list(b)}, p {_list(p)}; with masked mistakes b {_list(masked_b)}, p {_list(kept)}, "
        f"first answers right {_list(first)}"
    )
    rising, falling = (np.diff(b.mean(axis=1)) > 0).all(), (np.diff(p.mean(axis=1)) < 0).all()
    drop = mean_over_seeds(kept[0] - kept[-1])  # of p, when masked: expected not to be
    return text, "as expected" if rising and falling and not drop.above_zero else "contradicted"


def _length_weight(data: xr.Dataset) -> tuple[str, str]:
    def loss(stages: str, tokens: str) -> Floats:
        return _sum_ab(data, stages, IN) - _sum_ab(data, tokens, IN)

    sgd, adam = loss("sgd-sft-stages", "sgd-sft-tokens"), loss("sft-stages", "sft-mistakes")
    one, two = mean_over_seeds(sgd), mean_over_seeds(adam)
    text = f"a + b at lambda = 0 minus a + b at lambda = 1: SGD {one.text()}, Adam {two.text()}"
    survives = mean_over_seeds(np.abs(adam) - 0.5 * np.abs(sgd))
    return text, _all([_side(one.low, one.high), _side(-survives.high, -survives.low)])


def _kl(data: xr.Dataset) -> tuple[str, str]:
    names = ("reward", "kl-0.01", "kl-0.1", "kl-1")
    shares = [share_of(data, f"{name} over start", OUT) for name in names]
    text = "share of decisions in the gain over the start at beta = 0, 0.01, 0.1, 1: " + ", ".join(s.text(2) for s in shares)
    if any(np.isnan(share.value) for share in shares):
        return text + _NO_SHARE, "undecided"
    first, last = (data.decide.sel(c).values.sum() / data.gain.sel(c).values.sum() for c in (_over(names[0]), _over(names[-1])))
    apart = shares[-1].low > shares[0].high or shares[-1].high < shares[0].low
    if not apart:
        return text, "undecided"
    return text, "as expected" if last > first else "contradicted"


def _trunk(data: xr.Dataset) -> tuple[str, str]:
    names = ("reward", "sft-mistakes", "sft-first")
    lost = {name: _sum_ab(data, name, IN) - _sum_ab(data, f"trunk-{name}", IN) for name in names}
    more = mean_over_seeds(lost["sft-mistakes"] - lost["reward"])
    text = "a + b lost to the trunk: " + ", ".join(f"{name} {mean_over_seeds(x).text()}" for name, x in lost.items())
    return text, _side(more.low, more.high)


def _prediction(data: xr.Dataset) -> tuple[str, str]:
    at = data.sel(condition=["reward", "sft-mistakes", "sft-first"])
    within = np.abs(at.predicted - at.accuracy).max().item()
    pooled = (at.pooled_predicted - at.pooled_accuracy).mean("seed")
    text = f"largest error within a size {within:.4f}; pooled over all sizes " + ", ".join(
        f"{name} {value:+.4f}" for name, value in zip(pooled.condition.values, pooled.values, strict=True)
    )
    return text, "as expected" if within <= 0.02 and np.abs(pooled).max().item() > within else "contradicted"


def _then_reward(data: xr.Dataset) -> tuple[str, str]:
    found = [gain_of(data, f"sft-mistakes-then-reward over {other}", OUT) for other in ("reward", "sft-mistakes")]
    text = f"gain over reward {found[0].text()}, over SFT {found[1].text()}"
    if any(gain.below_zero for gain in found):
        return text, "contradicted"
    return text, "as expected" if all(gain.value >= 0 for gain in found) else "undecided"


def _surrogates(data: xr.Dataset) -> tuple[str, str]:
    own = share_of(data, "reward over start", OUT).value
    shares = {name: share_of(data, f"{name} over start", OUT) for name in ("grpo", "dr-grpo", "dapo")}
    found = [own, *(share.value for share in shares.values())]
    text = f"RLOO {own:.2f}; ".replace("nan", "-") + ", ".join(f"{name} {share.text(2)}" for name, share in shares.items())
    if np.isnan(found).any():
        return text + _NO_SHARE, "undecided"
    return text, "as expected" if all(abs(value - own) <= 0.1 for value in found) else "contradicted"


HYPOTHESES: tuple[tuple[str, tuple[str, ...], Callable[[xr.Dataset], tuple[str, str]]], ...] = (
    ("claim 5", ("reward", "sft-mistakes"), _claim_5),
    ("SFT samples better", ("reward", "sft-first"), _samples_better),
    ("no coverage, no b (C3)", ("sft-first",), _no_coverage),
    (
        "coverage has a price",
        ("sft-first", "sft-coverage-0.1", "sft-mistakes", "sft-coverage-1", "sft-masked-0.1", "sft-masked-0.5", "sft-masked-1"),
        _coverage,
    ),
    ("length weight (C2, C5, F2)", ("sgd-sft-tokens", "sgd-sft-stages", "sft-stages", "sft-mistakes"), _length_weight),
    ("KL raises the share of decisions (E2, E3)", ("reward", "kl-0.01", "kl-0.1", "kl-1"), _kl),
    ("shared trunk (F4)", ("trunk-reward", "trunk-sft-mistakes", "trunk-sft-first"), _trunk),
    ("prediction (G4)", ("reward", "sft-mistakes", "sft-first"), _prediction),
    ("SFT then reward", ("sft-mistakes-then-reward", "reward", "sft-mistakes"), _then_reward),
    ("surrogates agree (B7, B8)", ("reward", "grpo", "dr-grpo", "dapo"), _surrogates),
)
"""Name, conditions needed, and the function that measures it, in the order of the page."""


def _part(data: xr.Dataset, name: str, condition: str, part: str) -> Floats:
    return np.asarray(data[f"part_{name}"].sel(condition=condition, part=part).values)


def _sum_ab(data: xr.Dataset, condition: str, part: str) -> Floats:
    return _part(data, "a", condition, part) + _part(data, "b", condition, part)


def _series(data: xr.Dataset, name: str, conditions: tuple[str, ...]) -> Floats:
    return np.array([_part(data, name, condition, IN) for condition in conditions])


def _over(condition: str) -> dict[str, str]:
    return {"comparison": f"{condition} over start", "part": OUT}


def _list(series: Floats) -> str:
    return ", ".join(f"{value:.3f}" for value in series.mean(axis=1))


def _side(low: float, high: float) -> str:
    """Return the outcome of a quantity that is expected to be positive, from its interval."""
    return "as expected" if low > 0 else "contradicted" if high < 0 else "undecided"


def _all(outcomes: Iterable[str]) -> str:
    """Return one outcome for several: contradicted if one is, as expected if all are."""
    listed = list(outcomes)
    if "contradicted" in listed:
        return "contradicted"
    return "as expected" if set(listed) == {"as expected"} else "undecided"


# ---------------------------------------------------------------------- tables and words


def condition_rows(data: xr.Dataset) -> list[dict[str, Any]]:
    """Return one row per condition: tokens, and means over seeds of P(first answer correct), a, b and accuracy."""
    rows = []
    for condition in data.condition.values.tolist():
        here = data.sel(condition=condition)
        row: dict[str, Any] = {
            "condition": condition,
            "episodes": int(here.episodes.mean()),
            "million tokens": round(float(here.tokens.mean()) / 1e6, 2),
        }
        for part, short in ((IN, "trained"), (OUT, "larger")):
            for name in ("first", "a", "b", "accuracy"):
                row[f"{name} {short}"] = round(float(here[f"part_{name}"].sel(part=part).mean()), 4)
        rows.append(row)
    return rows


def size_rows(data: xr.Dataset) -> list[dict[str, Any]]:
    """Return one row per size and rolled-out condition: p, a, b, accuracy exact, predicted and realised, with intervals."""
    rows = []
    for condition in data.model.values.tolist():
        for size, tokens in zip(data["size"].values.tolist(), data.tokens_per_answer.values.tolist(), strict=True):
            here = data.sel(condition=condition, model=condition, size=size)
            means = {name: rate_over_seeds(here[name].values) for name in ("p", "a", "b", "accuracy", "predicted", "realised")}
            shown = {name: mean.text() if name != "predicted" else f"{mean.value:.3f}" for name, mean in means.items()}
            rows.append({"condition": condition, "size": size, "l_s": int(tokens), **shown})
    return rows


def gain_rows(data: xr.Dataset) -> list[dict[str, Any]]:
    """Return one row per comparison and part: the gain, its two parts and the share of decisions, with intervals over seeds."""
    return [
        {
            "after over before": comparison,
            "sizes": part.split()[0],
            "gain": gain_of(data, comparison, part).text(),
            "by sampling": gain_of(data, comparison, part, "sample").text(),
            "by decisions": gain_of(data, comparison, part, "decide").text(),
            "share of decisions": share_of(data, comparison, part).text(2),
        }
        for comparison in data.comparison.values.tolist()
        for part in (IN, OUT)
    ]


def hypothesis_rows(outcomes: Sequence[HypothesisOutcome]) -> list[dict[str, Any]]:
    """Return one row per hypothesis."""
    return [{"hypothesis": f"{o.number}. {o.name}", "outcome": o.outcome, "measured": o.measured} for o in outcomes]


def answer_in_words(data: xr.Dataset) -> str:
    """Return the answer to claim 5 in this model: two sentences with numbers."""

    def accuracy(condition: str) -> float:
        return float(data.part_accuracy.sel(condition=condition, part=OUT).mean())

    pairs = {name: f"reward over {name}" for name in ("sft-mistakes", "sft-first")}
    gain = {name: gain_of(data, pair, OUT) for name, pair in pairs.items()}
    parts = {name: [gain_of(data, pair, OUT, part) for part in ("sample", "decide")] for name, pair in pairs.items()}
    share = share_of(data, pairs["sft-mistakes"], OUT)
    of_decisions = "which may be 0, so that decisions have no share of it" if np.isnan(share.value) else (
        f"of which decisions are {share.text(2)}"
    )
    seeds = data.sizes["seed"]
    sampling, deciding = parts["sft-first"]
    gap = mean_over_seeds(
        np.asarray(data.part_first.sel(condition="reward", part=OUT) - data.part_first.sel(condition="sft-first", part=OUT))
    )
    return (
        f"On the fifteen larger sizes reward ends at accuracy {accuracy('reward'):.3f}, SFT on demonstrations with mistakes at "
        f"{accuracy('sft-mistakes'):.3f}: a gain of {gain['sft-mistakes'].text()}, {of_decisions} "
        f"({counted(seeds, 'seed')}, 95 % intervals). Against SFT on demonstrations that are right first time (accuracy "
        f"{accuracy('sft-first'):.3f}) the gain is {gain['sft-first'].text()}, {deciding.text()} by decisions and "
        f"{sampling.text()} by sampling: reward's accuracy of first answers minus theirs is {gap.text()}."
    )
