"""H1, expectation-maximisation for reasoning: keep the first success within M samples (arXiv 2512.20169).

A success has probability x; S is a component of its score and u = E[S | success], so that grad x = x u (B9). A failure is
dropped: its coefficient is zero at both stages. So is that of every sample after the first success.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy import And, Implies, Symbol

from dstheory.claims import POSITIVE, REAL, UNIT, Claim, Step, at_least, decide, identity
from dstheory.rational.symbols import symbol
from dstheory.symbolic.chain import SymbolicChain
from dstheory.symbolic.policy import differentiate, minimal_policy
from dstheory.symbolic.updates import score, trajectories

SOURCE = "arXiv 2512.20169 (filtered EM, rejection sampling with a budget)"
x, u, M, eps = sp.symbols("x u M epsilon")
miss = Symbol("r")  # (1 - x)^M, the chance that all M samples fail
slope = Symbol("grad")
p, a, b = map(symbol, ["p", "a", "b"])


def first_success() -> Iterator[Step]:
    """H1: the law of the kept sample, the factor, its two ends, and the scalar that it ascends."""
    yield identity(
        "Sample `j` is kept if it is the first success: chance `(1-x)^(j-1) x`, whatever it is. So the kept sample has the law "
        "of a success. Let `r = (1-x)^M` be the chance that all `M` fail. The expected update is `(1 - r) u`, `(1 - r)/x` times "
        "the gradient `x u`: `x u` for `M = 1` (REINFORCE), and with one more allowed sample it grows by `r x u`.",
        [(1 - miss).subs(miss, 1 - x) * u, (1 - miss) * u + miss * slope, (1 - miss) * u],
        [slope, (1 - miss * (1 - x)) * u, (1 - miss) / x * slope],
        where={"r x": UNIT, "u": REAL},
        using={slope: x * u},
    )
    yield decide(
        "Against the exact EM gradient `grad log x = u` the loss is the fraction `r`. It tends to 0: `(1-x)^M <= 1/(1 + M x)`, "
        "so that it is below `epsilon` as soon as `M >= 1/(epsilon x)`.",
        And((1 - x) ** M <= 1 / (1 + M * x), Implies(M * eps * x >= 1, 1 / (1 + M * x) < eps)),
        where={"x": UNIT, "M": at_least(1), "epsilon": POSITIVE},
    )
    tail, more = sp.symbols("h_M h_more")
    yield identity(
        "It ascends `h` = sum over `j <= M` of `(1 - (1-x)^j)/j`: the `j`-th term has slope `(1-x)^(j-1)` (here `j = M + 1`),",
        sp.diff((1 - (1 - x) ** (M + 1)) / (M + 1), x),
        (1 - x) ** M,
        where={"x": UNIT, "M": at_least(1)},
    )
    yield identity(
        "and these sum to `(1 - (1-x)^M)/x`, by induction: with one more sample the sum grows by `r`.",
        more - tail,
        miss,
        where={"r x": UNIT},
        using={tail: (1 - miss) / x, more: (1 - miss * (1 - x)) / x},
    )


def stage_by_stage() -> Iterator[Step]:
    """H1-stages: two samples of a capped chain, by enumeration of all pairs of trajectories."""
    yield from _enumerated_pairs()
    factor, later = sp.symbols("f f_next")
    yield decide(
        "The factor `(1 - r)/x` exceeds 1 for `M >= 2` and grows with the budget: it reweighs prompts, not stages.",
        And(Implies(miss < 1 - x, factor > 1), later > factor),
        where={"r x": UNIT},
        using={factor: (1 - miss) / x, later: (1 - miss * (1 - x)) / x},
    )


def _enumerated_pairs() -> Iterator[Step]:
    policy = minimal_policy()
    chain = SymbolicChain(policy, 2)
    accuracy = chain.accuracy((True, False))
    Acc = Symbol("Acc")
    kept = []
    for logit in policy.logits:
        terms = []
        for first in trajectories(chain):
            own = sp.Add(*[sum(score(policy, logit, k, *step)) for k, step in enumerate(first.steps)])
            right = first.steps[-1][0] == 0
            # A success is kept at once; after a failure a second sample is drawn, and kept if it succeeds.
            terms.append(first.probability * (own if right else differentiate(accuracy, logit)))
        kept.append(sp.Add(*terms))
    yield identity(
        "Two samples of the minimal chain capped at two turns, all pairs of trajectories: every logit, of either stage, gets the "
        "factor `(1 - (1 - Acc)^2)/Acc = 2 - Acc`.",
        kept,
        [(2 - Acc) * differentiate(accuracy, logit) for logit in policy.logits],
        where={"p a b": UNIT},
        using={Acc: accuracy},
    )


H1 = Claim(
    id="H1",
    group="neighbours",
    title="Keeping the first success within `M` samples ascends `h_M`: `(1 - (1-x)^M)/x` times the gradient",
    statement="""With "keep the first success within `M` samples" the expected update is `(1 - (1-x)^M)/x grad x`, `x` the
        success probability. `M = 1` is REINFORCE; as `M` grows it tends to the exact EM gradient `grad log x`, the
        relative gap being exactly `(1-x)^M`. It is the gradient of `h_M(x) = sum_(j <= M) (1 - (1-x)^j)/j`.""",
    latex=r"\mathrm{E}[\text{update}]=\frac{1-(1-x)^M}{x}\,\nabla x,\qquad h_M(x)=\sum_{j\le M}\frac{1-(1-x)^j}{j}",
    level="gradient",
    scope="any chain, any policy class, any budget M >= 1",
    source=f"{SOURCE}; h_M derived here",
    domain={},
    proof=first_success,
    related=["H1-stages", "B8", "C6"],
)

H1_STAGES = Claim(
    id="H1-stages",
    group="neighbours",
    title="The budget of filtered EM reweighs prompts; on each prompt the split between sampling and decision stays",
    statement="""For every budget `M` the update of filtered EM on a prompt is one number times `grad Acc`, the same for
        the logits of sampling and of decisions. The number exceeds 1 for `M >= 2` and grows with `M`. Prompts with
        different splits are weighed differently, so over several prompts the split can change.""",
    level="gradient",
    scope="any chain (H1); by enumeration for the minimal chain with two turns and M = 2",
    source=f"{SOURCE}; the stage form is derived here",
    domain={},
    proof=stage_by_stage,
    related=["H1", "B8", "B8-prompts"],
)
