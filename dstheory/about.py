"""What each objective is, in words: one record, read by the numerical engine, the symbolic one, the command line and the docs.

The formula that is *computed* stands elsewhere, twice: as coefficients on arrays in ``objectives``, and as expressions in
``symbolic``. That the two agree is evidence; their titles and sources are the same by construction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite

from dstheory.errors import DSTheoryError, UnknownNameError

FAMILIES = ("reward", "group", "imitation", "preference", "penalty")


@dataclass(frozen=True)
class About:
    """What an objective declares about itself. Every objective is written for ascent.

    Attributes:
        name: the name in the registry.
        family: one of :data:`FAMILIES`; listings are grouped by it.
        title: one line of what it is.
        formula: coefficients c_s, c_d at turn k.
        balance: verdict of level (i): ``balanced``, ``balanced up to gamma``, ``unbalanced``, or a condition.
        balanced_when: the condition under which c_s = c_d on every trajectory and turn; ``never`` and ``always`` included.
        ascends: the scalar J whose gradient this is, or what keeps it from being one.
        source: where it comes from.
        claims: ids of the claims that speak about it.
        measured_on: whose trajectories.
        normalised_by: by what the sum over the tokens of a batch is divided.
        credits: which reward it reads: ``chain`` (the chain's own, discounted), ``outcome`` (its field of that name says which),
            ``correct`` (1 for a correct answer, whatever the chain pays), ``nothing``; None where nobody has said.
        token_model: ``any``: all tokens of a response get one coefficient, so an answer of many tokens is exactly one action.
            ``unit``: a stage counts as one action (exact on the policy where the tokens of an answer are independent, under
            the reference too). ``even``: every token of an answer has the geometric mean of its probabilities, and an equal
            share of its score.
        expectation: how the expected gradient is computed, and under which condition.
    """

    name: str
    family: str
    title: str
    formula: str
    balance: str
    balanced_when: str
    ascends: str
    source: str = ""
    claims: tuple[str, ...] = ()
    measured_on: str = "policy"
    normalised_by: str = "responses"
    credits: str | None = None
    token_model: str = "any"
    expectation: str = "closed form"


_GROUP = About(
    "", "group", "", "", balance="balanced",
    balanced_when="on policy and with beta = 0: all tokens of a response get one coefficient", ascends="",
    measured_on="policy, or the sampler", credits="outcome",
    token_model="any on policy; even for ratios, unit for the k3 penalty",
    expectation="closed form at any group size (rewards of two values), and its limit",
)  # fmt: skip
_DEMONSTRATED = About(
    "", "imitation", "", "", balance="balanced", balanced_when="always: all tokens of a demonstration get one coefficient",
    ascends="", claims=("O1", "O1-sft", "C1", "C3", "C4"), measured_on="demonstrations", credits="nothing",
    expectation="closed form for an expert chain, and its limit; the count for recorded ones",
)  # fmt: skip
_ESTIMATED = About(
    "", "penalty", "", "", balance="unbalanced", balanced_when="never in general: each stage has its own log-ratio", ascends="",
    normalised_by="inherited from the reward objective in the same sum; alone, responses", credits="nothing", token_model="unit",
    expectation="closed form at any group size, and its limit",
)  # fmt: skip
"""What rows of one kind share: credits against a group, demonstrations in batches, estimators of the KL."""

_ROWS = (
    About(
        "reinforce", "reward", "REINFORCE, return form",
        formula="c_s = c_d = G(tau)",
        balance="balanced",
        balanced_when="always",
        ascends="J = E_x[V(x)], the expected discounted return",
        credits="chain", source="Williams 1992; arXiv 2601.01580, surrogate rewards", claims=("B1", "B3", "B6", "B8", "O1"),
    ),
    About(
        "reward-to-go", "reward", "REINFORCE, reward-to-go form",
        formula="c_s = c_d = gamma^t G_t, t the discounts before the action",
        balance="balanced up to gamma",
        balanced_when="always with the outer factor gamma^t; without it c_s = gamma c_d under a discount per stage",
        ascends="J = E_x[V(x)], the expected discounted return",
        credits="chain", source="Williams 1992; Sutton et al. 2000", claims=("B1", "B3", "B8"),
    ),
    About(
        "advantage", "reward", "actor-critic, advantage form",
        formula="c_s = gamma^t A_s(x, y_k), c_d = gamma^t A_d(x, y_k, d_k), t the discounts before the action",
        balance="unbalanced",
        balanced_when="never in general: same gradient as reinforce, other gauge",
        ascends="J = E_x[V(x)], the expected discounted return",
        credits="chain", source="Sutton et al. 2000", claims=("B1", "B3", "B8"),
    ),
    replace(_GROUP, name="reinforce-baseline", family="reward", title="REINFORCE with a baseline of the prompt",
        formula="c_s = c_d = A/N",
        ascends="J = E[R] on policy and with beta = 0",
        source="Williams 1992; length-weighted baseline arXiv 2505.23585", claims=("O1", "O6-baseline", "O6-constant", "B3"),
    ),
    About(
        "reinforce-pp", "reward", "REINFORCE++: return to go with k1 in the reward, whitened over the batch's tokens",
        formula="c = (G_t - mean_tok)/(std_tok sum of batch L), G_t = R - beta sum of log(pi/ref) from t on",
        balance="balanced",
        balanced_when="with beta = 0; else the penalty of the answer itself is in c_s and past in c_d",
        ascends="no simple scalar: grad (E[R] - beta KL) / (s E[L]) with s and E[L] held fixed",
        normalised_by="tokens of the batch", credits="correct", expectation="limit of large batches",
        source="arXiv 2501.03262", claims=("O8", "O1-tokens"),
    ),
    About(
        "ppo-clip", "reward", "PPO-clip with an exact critic, mean over the batch's tokens",
        formula="c_s = rho A_s/(sum of batch L), c_d = rho A_d/(sum of batch L), 0 where clipped",
        balance="unbalanced",
        balanced_when="never in general: each stage has its own advantage, and off policy its own ratio",
        ascends="no simple scalar: on policy, in large batches and with beta = 0 grad E[R] / E[L] with E[L] held fixed",
        measured_on="policy, or the sampler", normalised_by="tokens of the batch", credits="outcome",
        token_model="any on policy; even for ratios, one advantage per stage off policy, unit for the k3 penalty",
        source="arXiv 1707.06347 (PPO), 1506.02438 (GAE)", claims=("O1-tokens", "O9"),
    ),
    About(
        "score-summed", "reward", "SCoRe, two attempts, summed shaped return",
        formula="c_s = c_d = (1 - alpha) r1 + (1 + alpha) r2, r1 of the first answer, r2 of the submitted one",
        balance="balanced",
        balanced_when="always: all tokens of a response get one coefficient",
        ascends="J = (1 - alpha) E[r1] + (1 + alpha) E[r2]",
        credits="correct", source="arXiv 2409.12917", claims=("O13", "B6-region"),
    ),
    About(
        "score-per-attempt", "reward", "SCoRe, two attempts, credit per attempt",
        formula="c_s = r1 at the first answer; c_d and later c_s = r2 + alpha (r2 - r1), r2 of the submitted answer",
        balance="unbalanced",
        balanced_when="never in general: the first answer and its decision belong to different attempts",
        ascends="no scalar: what the first answer does to the second attempt is not credited",
        credits="correct", source="arXiv 2409.12917", claims=("O13-attempt", "B6"),
    ),
    replace(_GROUP, name="rloo", title="RLOO: R minus the mean of the others, summed over tokens",
        formula="c_s = c_d = A/N",
        ascends="J = E[R] on policy and with beta = 0",
        source="arXiv 2402.14740", claims=("O1", "O4", "B8"),
    ),
    replace(_GROUP, name="grpo", title="GRPO as published: group std, mean over each response's tokens",
        formula="c_s = c_d = A/(G L_i), A = (R - mean)/std; k3: + beta (ref/pi - 1)/(G L_i)",
        ascends="no simple scalar: the credits of the others and the std are frozen",
        normalised_by="1/L_i, then responses", source="arXiv 2402.03300",
        claims=("O1", "O1-loose", "O5", "O6", "O6-favours", "B7", "B7-cap", "B7-lengths", "B7-prompts"),
    ),
    replace(_GROUP, name="grpo-no-std", title="GRPO without std: mean over each response's tokens",
        formula="c_s = c_d = A/(G L_i), A = R - mean",
        ascends="no scalar: on policy and with beta = 0 (G - 1)/G (E[R/L] - E[R] E[1/L]) of each prompt, its E[R] held fixed",
        normalised_by="1/L_i, then responses", source="arXiv 2402.03300, without the std of 2503.20783",
        claims=("O1", "O4", "O6", "O6-constant", "O6-favours", "B7", "B7-prompts"),
    ),
    replace(_GROUP, name="dr-grpo", title="Dr. GRPO: R minus the group's mean, over a constant length",
        formula="c_s = c_d = A/(N Lmax), A = R - mean",
        ascends="J = (G - 1)/G E[R]/Lmax on policy, without std and with beta = 0",
        normalised_by="a constant Lmax", source="arXiv 2503.20783", claims=("O1", "O4", "B8"),
    ),
    replace(_GROUP, name="dapo",
        title="DAPO as published: group std, mean over the group's tokens, groups without variance drawn again",
        formula="c_s = c_d = A/(P sum of group L), A = (R - mean)/std, of mixed groups; in expectation times 1/P(mixed)",
        ascends="no simple scalar: the credits and lengths of the others and the std are frozen",
        normalised_by="tokens of the group", source="arXiv 2503.14476", claims=("O1", "O5", "O5-dynamic", "O7-groups", "O9"),
    ),
    replace(_GROUP, name="dapo-batch", title="DAPO in libraries: group std, mean over the batch's tokens",
        formula="c_s = c_d = A/(sum of batch L), A = (R - mean)/std",
        ascends="no simple scalar; on policy, without std, in large batches and with beta = 0 (G - 1)/G grad E[R] / E[L] with "
                "E[L] held fixed",
        normalised_by="tokens of the batch", source="TRL's default loss and verl's; DAPO arXiv 2503.14476",
        claims=("O1", "O5", "O7", "O9"),
    ),
    replace(_GROUP, name="gspo", title="GSPO: group std, ratio of the whole response, mean over its tokens",
        formula="c_s = c_d = s_i A/(G L_i), A = (R - mean)/std, s_i = (pi/mu of the response)^(1/L_i)",
        balanced_when="with beta = 0, on and off policy: one ratio and one coefficient for all tokens of a response",
        ascends="no simple scalar: the credits of the others, the ratio and the std are frozen",
        normalised_by="1/L_i, then responses", token_model="any; unit for the k3 penalty",
        expectation="closed form on policy; off policy a sum over multisets of resampled answers", source="arXiv 2507.18071",
        claims=("O1", "O1-ratio", "O6", "O9-sequence"),
    ),
    replace(_GROUP, name="cispo", title="CISPO: group std, clipped and detached ratio, mean over the group's tokens",
        formula="c = clip(rho) A/(P sum of group L), A = (R - mean)/std; over='batch': clip(rho) A/(sum of batch L)",
        balanced_when="on policy and with beta = 0; off policy never in general: an answer's ratio is not its decision's",
        ascends="no simple scalar: ratios, std and lengths are frozen",
        normalised_by="tokens of the group, or of the batch", source="arXiv 2506.13585",
        claims=("O1", "O1-tokens", "O9-sequence"),
    ),
    About(
        "sft", "imitation", "supervised fine-tuning",
        formula="c_s = w_s, c_d = w_d on demonstrations",
        balance="unbalanced",
        balanced_when="lambda = 0 or l_s = l_d; otherwise c_s/c_d = (l_s/l_d)^lambda",
        ascends="J = E_D[sum_k w_s log pi_s + w_d log pi_d]",
        measured_on="demonstrations", credits="nothing", source="arXiv 2601.01580, SFT",
        claims=("C1", "C2", "C3", "C5", "O1-sft"),
    ),
    replace(_DEMONSTRATED, name="sft-token-mean", title="SFT, mean over the batch's tokens",
        formula="c_s = c_d = 1/(sum of batch L) on demonstrations",
        ascends="J = E_D[log pi(response)] / E_D[L] in large batches",
        normalised_by="tokens of the batch", source="the default of training libraries",
    ),
    replace(_DEMONSTRATED, name="sft-sequence-sum", title="SFT, sum over tokens, mean over demonstrations",
        formula="c_s = c_d = 1/N on demonstrations",
        ascends="J = E_D[log pi(response)]",
        source="maximum likelihood",
    ),
    replace(_DEMONSTRATED, name="sft-sequence-mean", title="SFT, mean over each demonstration's tokens",
        formula="c_s = c_d = 1/(N L_i) on demonstrations",
        ascends="J = E_D[log pi(response)/L]",
        normalised_by="1/L_i, then responses", source="the normaliser of GRPO as published, in imitation",
    ),
    About(
        "rft", "imitation", "filtered fine-tuning on one's own correct responses (RFT, STaR, RAFT, ReST-EM)",
        formula="c_s = c_d = 1[R = 1]/(sum of kept L), or 1[R = 1]/kept, or 1[R = 1]/(kept L_i)",
        balance="balanced",
        balanced_when="always: all tokens of a response get one coefficient",
        ascends="no simple scalar: what is kept is frozen (sequence sum, on policy: grad log E[R])",
        measured_on="policy, or the sampler", normalised_by="tokens of what is kept, or responses kept, or 1/L_i",
        credits="correct", expectation="limit of large batches",
        source="STaR arXiv 2203.14465; RFT 2308.01825; RAFT 2304.06767; ReST-EM 2312.06585", claims=("O1", "C6", "B8"),
    ),
    replace(_GROUP, name="nft", family="imitation",
        title="NFT: hits and misses by implied likelihoods, mean over the batch's tokens",
        formula="c = omega on hits, -omega r rho/(1-r) / max((1-r rho)/(1-r), eps) on misses, over the sum of batch L",
        balanced_when="on policy and with beta = 0; off policy never in general: each token of a miss has its own ratio",
        ascends="no simple scalar: shares of hits and lengths of the others are frozen",
        normalised_by="tokens of the batch", credits="correct", source="arXiv 2505.18116", claims=("O3", "B8"),
    ),
    replace(_DEMONSTRATED, name="dft", title="DFT: SFT with each token times its probability, mean over the batch's tokens",
        formula="c_s = pi_s^(1/l_s)/(sum of batch L), c_d = pi_d^(1/l_d)/(sum of batch L) on demonstrations",
        balance="unbalanced",
        balanced_when="never in general: the tokens of an answer and those of its decision have their own probabilities",
        ascends="no simple scalar: the weights are detached; for one-token stages, in large batches, E_D[sum of pi] / E_D[L]",
        normalised_by="tokens of the batch", token_model="even", source="arXiv 2508.05629",
        claims=("O10", "O10-extreme", "O1-tokens"),
    ),
    About(
        "distill", "imitation", "on-policy distillation from a teacher",
        formula="c = -log(pi/teacher)/(sum of batch L)",
        balance="unbalanced",
        balanced_when="never in general: each stage has its own log-ratio",
        ascends="no scalar: visits are frozen; in large batches -sum of visits x KL(pi || teacher)/E[L] with visits and E[L] "
                "held fixed",
        normalised_by="tokens of the batch", credits="nothing", token_model="unit",
        expectation="closed form at any group size, and its limit", source="arXiv 2306.13649", claims=("O11", "O1-tokens"),
    ),
    About(
        "dpo", "preference", "DPO on pairs of responses, one correct and one wrong",
        formula="c_s = c_d = +- beta sigma(-beta Delta), Delta the difference of log(pi/ref) between chosen and rejected",
        balance="balanced",
        balanced_when="always: all tokens of a response get one coefficient",
        ascends="J = E[log sigma(beta Delta)] over pairs",
        measured_on="reference, or the sampler", normalised_by="pairs of responses", credits="correct",
        expectation="sum over pairs of multisets of resampled answers",
        source="arXiv 2305.18290; pairs by correctness arXiv 2404.19733", claims=("O2", "O2-start"),
    ),
    About(
        "kl", "penalty", "reverse KL to a reference, full gradient",
        formula="c_s = -beta (L(tau) + w_s(y_k) - E_pi w_s), c_d = -beta L(tau), L the weighted log-ratio of the trajectory",
        balance="balanced",
        balanced_when="all answers of a prompt have the same weight w_s (lambda = 0, or equal lengths)",
        ascends="J = -beta E_pi[L(tau)]",
        credits="nothing", source="derived here; REINFORCE with the penalty as reward", claims=("D2", "D3", "O11", "O12"),
    ),
    About(
        "kl-direct", "penalty", "reverse KL to a reference, direct term",
        formula="c_s = -beta w_s log(pi_s/ref_s), c_d = -beta w_d log(pi_d/ref_d)",
        balance="unbalanced",
        balanced_when="never in general: weights (l_s/l_d)^lambda times different log-ratios; the weights are equal iff "
                      "lambda = 0 or l_s = l_d",
        ascends="no scalar: visits are frozen; with equal weights, -beta sum of visits x w KL(pi || ref) with the visits "
                "held fixed",
        credits="nothing", source="arXiv 2601.01580, KL penalty; the k2 estimator as a loss",
        claims=("D1", "D4", "O11", "O1-tokens"),
    ),
    replace(_ESTIMATED, name="k1-reward", title="k1 estimator in the reward",
        formula="c_s = c_d = -beta (sum of log(pi/ref)) x normaliser",
        balance="balanced",
        balanced_when="always: all tokens of a response get one coefficient",
        ascends="J = -beta E[sum of log(pi/ref)] for plain sums",
        source="placement as in arXiv 2501.03262", claims=("O1", "O12"),
    ),
    replace(_ESTIMATED, name="k1-loss", title="k1 estimator in the loss",
        formula="c_s = c_d = -beta x normaliser",
        balance="balanced",
        balanced_when="always: all tokens of a response get one coefficient",
        ascends="a constant; if tokens divide, J = -beta E[1/L], L those of the response, its group or its batch",
        token_model="any", source="k1 after Schulman 2020", claims=("D4", "O6-k1"),
    ),
    replace(_ESTIMATED, name="k2-loss", title="k2 estimator in the loss",
        formula="c = -beta log(pi/ref) x normaliser",
        ascends="no scalar: visits are frozen; for plain sums -beta sum of visits x KL(pi || ref) with the visits held fixed",
        source="k2 after Schulman 2020", claims=("D1", "D4", "O11", "O1-tokens"),
    ),
    replace(_ESTIMATED, name="k3-loss", title="k3 estimator in the loss",
        formula="c = -beta (1 - ref/pi) x normaliser",
        ascends="no scalar: visits are frozen; for plain sums -beta sum of visits x KL(ref || pi) with the visits held fixed",
        source="k3 after Schulman 2020", claims=("D4", "O11-forward", "O11-weighted", "O1-tokens"),
    ),
    About(
        "forward-kl", "penalty", "forward KL from a reference",
        formula="c = -beta w (1 - ref/pi) on the policy's states; or c = beta w on the reference's",
        balance="unbalanced",
        balanced_when="on the reference's states iff lambda = 0 or l_s = l_d; on the policy's never in general",
        ascends="J = -beta E_ref[sum_k w log(ref/pi)] on the reference's states; no scalar with frozen policy states",
        measured_on="policy, or reference", credits="nothing", source="arXiv 2601.01580, KL penalty; k3 after Schulman 2020",
        claims=("D4", "D5", "O11-forward"),
    ),
    About(
        "entropy", "penalty", "entropy bonus",
        formula="c_s = -alpha w_s (log pi_s + H_s), c_d = -alpha w_d (log pi_d + H_d)",
        balance="unbalanced",
        balanced_when="never in general: each stage sees its own surprise",
        ascends="no scalar: visits are frozen; with equal weights, alpha sum of visits x w H with the visits held fixed",
        normalised_by="inherited from the reward objective in the same sum; alone, responses", credits="nothing",
        source="Williams and Peng 1991; Mnih et al. 2016", claims=("O1-tokens",),
    ),
)  # fmt: skip

ABOUT: dict[str, About] = {row.name: row for row in _ROWS}
"""The record of each objective of this package, by name, in the order of listings."""

_PLUS = re.compile(r"(?<!\d[eE])\+")  # not the plus of 1e+3


def parse(expression: str) -> list[tuple[float, str]]:
    """Return the factor and the name of each term.

    Raises:
        DSTheoryError: a name is missing, or a factor is not a finite number.

    >>> parse("reinforce + 0.1*entropy")
    [(1.0, 'reinforce'), (0.1, 'entropy')]
    """
    found = []
    for part in _PLUS.split(expression):
        factor, _, name = part.rpartition("*")
        if not name.strip():
            hint = f"a name is missing in {expression!r}; write e.g. reinforce + 0.1*kl"
            raise UnknownNameError(f"there is no objective {name!r}: {hint}")
        try:
            found.append((float(factor) if factor.strip() else 1.0, name.strip()))
        except ValueError:
            raise DSTheoryError(
                f"the factor {factor.strip()!r} of {name.strip()!r} is not a number: write e.g. 0.1*entropy"
            ) from None
        if not isfinite(found[-1][0]):
            raise DSTheoryError(f"factor of {name.strip()} is {found[-1][0]}: must be finite; give a number")
    return found
