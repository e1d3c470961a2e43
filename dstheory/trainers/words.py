"""A :class:`Training` in words, as a formula (the coefficient of grad log pi of one token, ascent), and what is proved of it.

``statements.toml`` has what is proved: sentences that say no more than their claims prove, each with conditions on the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from math import inf
from typing import Any

from dstheory.objectives.preference import PairLoss, pair_loss
from dstheory.readers.json_values import decode_toml
from dstheory.trainers.libraries import holds
from dstheory.trainers.training import Training

_NORMALISERS = {
    "responses": ("number of responses N: tokens are summed", "N", "N"),
    "response-tokens": ("the response's own tokens, then responses: 1/L_i", "(N L_i)", r"N\,L_i"),
    "group-tokens": ("tokens of the group, then groups", "(P sum of group L)", r"P\sum_{j\in\text{group}}L_j"),
    "batch-tokens": ("tokens of the batch: token mean", "(sum of batch L)", r"\sum_{j\in\text{batch}}L_j"),
    "constant": ("a constant number of tokens", "(N {max_tokens:g})", r"N\cdot {max_tokens:g}"),
}
_ESTIMATORS = {
    "k1": ("k1 = log(pi/ref)", "the constant -beta: zero in expectation unless a response's own tokens are in what divides it",
           "{b}", "{b}"),
    "k2": ("k2 = log(pi/ref)^2/2", "-beta log(pi/ref): reverse KL at every visited state, visits held fixed", "{b} log(pi/ref)",
           r"{b}\log\frac{{\pi}}{{\mathrm{{ref}}}}"),
    "k3": ("k3 = ref/pi - 1 + log(pi/ref)", "-beta (1 - ref/pi): forward KL at every visited state, visits held fixed",
           "{b} (1 - ref/pi)",
           r"{b}\Big(1-\frac{{\mathrm{{ref}}}}{{\pi}}\Big)"),
    "k3-ratio": ("k3 = ref/pi - 1 + log(pi/ref) times the importance ratio rho, both differentiated",
                 "-beta rho log(pi/ref): reverse KL at every visited state, visits held fixed",
                 "{b} rho log(pi/ref)", r"{b}\,\rho\log\frac{{\pi}}{{\mathrm{{ref}}}}"),
    "k3-self": ("k3 = ref/pi - 1 + log(pi/ref) times the ratio of pi to itself, which is 1, both differentiated",
                "-beta log(pi/ref): reverse KL at every visited state, visits held fixed", "{b} log(pi/ref)",
                r"{b}\log\frac{{\pi}}{{\mathrm{{ref}}}}"),
}  # fmt: skip

_PAID = {
    "k1": ("log-ratio", "log(pi/ref)", r"\log(\pi/\mathrm{ref})"),
    "k2": ("k2", "log(pi/ref)^2/2", r"\tfrac12\log^2(\pi/\mathrm{ref})"),
    "k3": ("k3", "(ref/pi - 1 + log(pi/ref))", r"\big(\mathrm{ref}/\pi-1+\log(\pi/\mathrm{ref})\big)"),
}
"""What a token's KL in the reward is."""
_TO_GO = ("critic", "whitened")
"""Credits formed of what follows a token, its KL included."""


def _credit(t: Training) -> tuple[str, str, str]:
    """Return the credit in words, plain and in LaTeX."""
    tail, tex = _plus(t), _plus(t).replace(" ", "")
    group = f"G = {t.group_size:g}"
    match t.credit:
        case "leave-one-out":
            words, plain = f"reward minus the mean of the group's others, {group}", "R - mean of the others"
            formula = r"R_i-\bar R_{-i}"
        case "reward":
            return "the reward itself", "R", "R_i"
        case "batch-mean":
            return "reward minus the mean of the whole batch", "(R - mean of batch)", r"\big(R_i-\bar R_\mathrm{batch}\big)"
        case "length-baseline":
            return (f"reward minus the group's mean reward weighted by length (OPO), {group}", "R - sum(L R)/sum(L)",
                    r"R_i-\tfrac{\sum_jL_jR_j}{\sum_jL_j}")  # fmt: skip
        case "whitened":
            return ("return to go, centred and divided by its standard deviation over the tokens of the batch",
                    "(G_t - mean_tok)/std_tok", r"\tfrac{G_t-\mathrm{mean}_\mathrm{tok}}{\mathrm{std}_\mathrm{tok}}")  # fmt: skip
        case "critic":
            return "advantage by a critic (GAE; here an exact one)", "A_t", "A_t"
        case _:
            words, plain, formula = f"reward minus the group's mean, {group}", "R - mean(R)", r"R_i-\bar R"
    if t.std == "none":
        return f"{words}, not divided by a standard deviation", f"({plain})", rf"\big({formula}\big)"
    of = {"group": "group", "batch": "whole batch", "others": "group's others"}[t.std]
    many = _prompts(t.std_prompts) if t.std == "batch" else ""
    kind = "" if t.ddof else "population "
    where = " where these differ" if t.std == "others" else ""
    return (f"{words}, over the {kind}standard deviation of the {of}{many}{tail}{where}", f"({plain})/({kind}std of {of}{tail})",
            rf"\tfrac{{{formula}}}{{\mathrm{{std}}_\mathrm{{{t.std}}}{tex}}}")  # fmt: skip


def _weight(t: Training) -> tuple[str, str, str]:
    """Return what multiplies the credit, in words, plain and in LaTeX."""
    of = {"token": "rho, each token's ratio to the policy that generated it",
          "response": "rho, the response's ratio to the policy that generated it",
          "response-mean": "rho, the response's ratio to the power 1/L"}.get(t.ratio, "")  # fmt: skip
    match t.clip:
        case _ if t.ratio == "none" or t.clip == "none":
            return "no importance ratio", "", ""
        case "ppo":
            low, high = 1.0 - t.clip_low, 1.0 + t.clip_high
            dual = "" if t.dual_clip == inf else f", and for negative credits none above {t.dual_clip:g}"
            words = (
                f"{of}, no gradient where it has passed {low:g} downwards or {high:g} upwards (PPO's clip){dual}; never on the "
                "policy's own responses, where all ratios are 1"
            )
            return words, "rho ", r"\rho\,"
        case "truncate":
            bound = t.truncate_at or 1.0 + t.clip_high
            if t.clip_low < 1 and not t.truncate_at:
                least = f"{1.0 - t.clip_low:g}"
                words, plain = f"{of}, detached and cut at {least} and {bound:g}", f"clip(rho, {least}, {bound:g}) "
                return words, plain, rf"\mathrm{{clip}}(\rho,{least},{bound:g})\,"
            also = f": {min(1.0, bound):g} on the policy" if bound < 1 else ""
            return f"{of}, detached and cut at {bound:g}{also}", f"min(rho, {bound:g}) ", rf"\min(\rho,{bound:g})\,"
        case _:
            return f"a smooth gate of {of}, 1 on the policy", "gate(rho) ", r"g(\rho)\,"


def penalty(t: Training) -> tuple[str, str]:
    """Return the estimator of the KL in the loss, and the coefficient that a token has by it, in plain characters.

    >>> penalty(Training(beta=0.04, estimator="k3"))
    ('k3 = ref/pi - 1 + log(pi/ref)', '-0.04 (1 - ref/pi)')
    """
    name, _, plain, _ = _ESTIMATORS[t.estimator]
    return name, "-" + plain.format(b=f"{t.beta:g}")


def rows(t: Training) -> list[tuple[str, str]]:
    """Return the objective by its parts: (part, words).

    >>> dict(rows(Training(std="group", beta=0.04)))["KL in the loss"].split(":")[0]
    'beta 0.04, k3 = ref/pi - 1 + log(pi/ref), divided as the reward is; coefficient -beta (1 - ref/pi)'
    """
    if t.credit == "other":
        return [("objective", "one that this package does not have")]
    match t.method:
        case "sft":
            return [("credit", "1 for every token of a demonstration"), ("divided by", _normaliser(t))]
        case "dft":
            return [("credit", "the token's probability, detached, on demonstrations"), ("divided by", _normaliser(t))]
        case "dpo":
            what, per = f"+- beta sigma(-beta Delta), Delta the difference of log(pi/ref) of a pair, beta {t.beta:g}", ""
            if (loss := _pair(t)) is not None:
                per, of = (", then the response's own tokens", " per token") if loss.per_token else ("", "")
                what = (f"loss {t.loss} of a pair: {_sides(loss, 'beta')}; a = beta log(pi/ref){of} of a response, h = a of the "
                        f"chosen less a of the rejected, beta {t.beta:g}")  # fmt: skip
            return [("credit", what), ("divided by", f"pairs of responses{per}")]
        case "distill":
            which = {1.0: "reverse KL(pi || teacher)", 0.0: "forward KL(teacher || pi)"}.get(
                t.interpolation,
                f"{t.interpolation:g} KL(teacher || m) + {1 - t.interpolation:g} KL(pi || m), m = {t.interpolation:g} teacher + "
                f"{1 - t.interpolation:g} pi,",
            )
            whose = f"that is visited, in a share {t.own_share:g} of the batches by the policy, else by the teacher"
            whose = "that the policy visits" if t.own_share == 1 else whose
            return [("credit", f"{which} of whole distributions at every state {whose}, visits held fixed"),
                    ("divided by", _normaliser(t))]  # fmt: skip
    found = [("credit", _credit(t)[0]), ("token weight", _weight(t)[0]), ("divided by", _normaliser(t))]
    if t.rewards or t.combine != "before":
        how = "added before credits are formed"
        if t.combine != "before":
            how = f"each with a credit of its own; their sum is divided by its standard deviation over the batch{_plus(t)}"
        found.insert(0, ("rewards", f"{t.rewards or 'correct'}, {how}"))
    if t.dead_groups != "kept":
        found.append(("groups", f"those whose rewards are all equal are {t.dead_groups}"))
    if t.masked != "none":
        also = ", and they are not counted in what is divided by" if t.masked == "left out" else ""
        if t.masked != "numerator" and t.normaliser in ("group-tokens", "batch-tokens"):
            also = ", and their tokens are not counted in what is divided by"
        found.append(("truncated responses", f"coefficient 0{also}; their rewards stay in the group's statistics"))
    if t.beta:
        name, what, _, _ = _ESTIMATORS[t.estimator]
        how = "as the reward is" if t.kl_normaliser == "as the reward" else "by the tokens of the batch"
        none = "" if t.kl_bound == inf else f"; none where the estimate exceeds {t.kl_bound:g}"
        found.append(("KL in the loss", f"beta {t.beta:g}, {name}, divided {how}; coefficient {what}{none}"))
    if t.reward_beta:
        paid = _PAID[t.reward_estimator][0]
        what = f"every token pays for the {paid} of the whole response, before the baseline"
        if t.paid_to_go:
            after = ", after the baseline" if t.reward_kl_after and t.credit not in _TO_GO else ""
            what = f"every token pays for its own {paid} and those that follow{after}"
        found.append(("KL in the reward", f"beta {t.reward_beta:g}, {_ESTIMATORS[t.reward_estimator][0]}: {what}"))
    if not (t.beta or t.reward_beta):
        found.append(("KL", "none: no reference is used"))
    if t.entropy:
        how = "" if t.entropy_normaliser == "as the reward" else ", divided by the tokens of the batch"
        what = f"alpha {t.entropy:g} times the entropy at every visited state{how}, in the loss, visits held fixed"
        found.append(("entropy", what))
    if t.whitening == "again":
        found.append(("whitening", "credits are centred and divided once more over the tokens of the batch"))
    if t.updates > 1:
        found.append(("updates", f"{t.updates:g} on each batch of responses: ratios are 1 in the first, which is shown"))
    return found


def _plus(t: Training) -> str:
    return f" + {t.epsilon:g}" if t.epsilon else ""


def _pair(t: Training) -> PairLoss | None:
    """Return the loss of a pair, None for DPO's own."""
    if t.loss == "sigmoid" and not t.smoothing:
        return None
    return pair_loss(t.loss, beta=t.beta, smoothing=t.smoothing, tau=t.tau)


def _sides(loss: PairLoss, beta: str) -> str:
    """Return the coefficients of both responses of a pair."""
    if not loss.rejected_words:
        return f"+- {beta} {loss.words}"
    return f"{beta} ({loss.words}) of the chosen, -{beta} ({loss.rejected_words}) of the rejected"


def _normaliser(t: Training) -> str:
    words = _NORMALISERS[t.normaliser][0]
    if t.normaliser == "constant":
        words += f", {t.max_tokens:g}"
    return words + (_prompts(t.prompts) if t.normaliser in ("batch-tokens", "group-tokens") else "")


def _prompts(number: float) -> str:
    return "" if number == inf else f" ({number:g} {'prompt' if number == 1 else 'prompts'})"


def formula(t: Training) -> str:
    """Return the coefficient of one token in plain characters.

    >>> formula(Training(std="group", epsilon=1e-4, normaliser="batch-tokens", beta=0.04, estimator="k3-ratio"))
    'c = [rho (R - mean(R))/(std of group + 0.0001) - 0.04 rho log(pi/ref)]/(sum of batch L)'
    """
    return f"c = {_both(t)[0]}"


def latex(t: Training) -> str:
    r"""Return the coefficient of one token in LaTeX.

    >>> latex(Training(method="dpo", beta=0.1))
    'c=\\pm 0.1\\,\\sigma(-0.1\\,\\Delta)\\,/\\,\\text{pairs}'
    """
    return f"c={_both(t)[1]}"


def _both(t: Training) -> tuple[str, str]:
    if t.credit == "other":
        return "not written here", r"\text{not written here}"
    _, below, tex_below = _NORMALISERS[t.normaliser]
    below, tex_below = below.format(max_tokens=t.max_tokens), tex_below.replace("{max_tokens:g}", f"{t.max_tokens:g}")
    match t.method:
        case "sft":
            return f"1/{below}, on demonstrations", rf"\frac{{1}}{{{tex_below}}}"
        case "dft":
            return f"pi(token)/{below}, on demonstrations", rf"\frac{{\pi_t}}{{{tex_below}}}"
        case "dpo" if (loss := _pair(t)) is not None:
            words = f"[{_sides(loss, f'{t.beta:g}')}]/{'(pairs L_i)' if loss.per_token else 'pairs'}"
            return words, rf"\text{{{words.replace('^', ' to the ')}}}"
        case "dpo":
            tex = rf"\pm {t.beta:g}\,\sigma(-{t.beta:g}\,\Delta)\,/\,\text{{pairs}}"
            return f"+- {t.beta:g} sigma(-{t.beta:g} Delta)/pairs", tex
        case "distill":
            if t.interpolation == 1:
                return f"-log(pi/teacher)/{below}", rf"-\frac{{\log(\pi/\mathrm{{teacher}})}}{{{tex_below}}}"
            if t.interpolation == 0:
                return f"(teacher/pi - 1)/{below}", rf"\frac{{\mathrm{{teacher}}/\pi-1}}{{{tex_below}}}"
            mix, rest = f"{t.interpolation:g}", f"{1 - t.interpolation:g}"
            return (f"{rest} log({mix} teacher/pi + {rest})/{below}",
                    rf"\frac{{{rest}\log({mix}\,\mathrm{{teacher}}/\pi+{rest})}}{{{tex_below}}}")  # fmt: skip
    (_, plain, tex), (_, weight, tex_weight) = _credit(t), _weight(t)
    if t.combine != "before":
        plain, below_it = f"(sum over rewards of w {plain})", f"std of batch{_plus(t)}"
        plain = f"{plain}/({below_it})"
        tex = rf"\tfrac{{\sum_k w_k{tex}}}{{\mathrm{{std}}_\mathrm{{batch}}{_plus(t).replace(' ', '')}}}"
    if t.factor != 1.0:
        weight, tex_weight = f"{t.factor:g} {weight}", rf"{t.factor:g}\,{tex_weight}"
    after = t.reward_kl_after and t.credit not in _TO_GO
    paid, charge, tex_charge = _PAID[t.reward_estimator]
    if t.reward_beta and not after:
        plain = f"{plain} with R - {t.reward_beta:g} sum of {charge} for R"
        tex = rf"{tex}\Big|_{{R\to R-{t.reward_beta:g}\sum {tex_charge}}}"
    terms, tex_terms = [f"{weight}{plain}"], [f"{tex_weight}{tex}"]
    own, tex_own = "", ""

    def add(plain: str, tex: str, normaliser: str) -> None:
        nonlocal own, tex_own
        if normaliser == "as the reward":
            terms.append(plain)
            tex_terms.append(tex)
        else:
            _, under, tex_under = _NORMALISERS[normaliser]
            own, tex_own = f"{own} {plain}/{under}", rf"{tex_own}{tex[0]}\frac{{{tex[1:]}}}{{{tex_under}}}"

    if t.beta:
        _, _, kl, tex_kl = _ESTIMATORS[t.estimator]
        add(f"- {kl.format(b=f'{t.beta:g}')}", f"-{tex_kl.format(b=f'{t.beta:g}')}", t.kl_normaliser)
    if t.reward_beta and after:
        terms.append(f"- {t.reward_beta:g} {paid} to go")
        tex_terms.append(rf"-{t.reward_beta:g}\sum_{{s\ge t}} {tex_charge}")
    if t.entropy:
        add(f"- {t.entropy:g} (log pi + H)", f"-{t.entropy:g}(\\log\\pi+H)", t.entropy_normaliser)
    inside = f"[{' '.join(terms)}]" if len(terms) > 1 or t.reward_beta else terms[0]
    return f"{inside}/{below}{own}", rf"\frac{{{''.join(tex_terms)}}}{{{tex_below}}}{tex_own}"


@dataclass(frozen=True)
class Statement:
    """A sentence that a claim proves.

    Attributes:
        claim: id, as of ``dstheory verify --claim``.
        text: the sentence; fields of a training stand in braces.
        when: conditions on fields, of which one has to hold.
        off_policy: whether it holds on the responses of another policy, too.
    """

    claim: str
    text: str
    when: tuple[Mapping[str, Any], ...]
    off_policy: bool = False

    def speaks_of(self, training: Training) -> bool:
        """Return whether the sentence says something about a training."""
        return any(all(holds(condition, getattr(training, name)) for name, condition in one.items()) for one in self.when)

    def sentence(self, training: Training) -> str:
        """Return the sentence for a training."""
        named = {"k3-ratio": "k3 times the ratio", "k3-self": "k3 times a ratio that is 1"}.get(
            training.estimator, training.estimator
        )
        return self.text.format(bound=1.0 + training.clip_high, named=named, **asdict(training))


@cache
def all_statements() -> tuple[Statement, ...]:
    """Return all statements, in the order in which they are shown."""
    table = decode_toml(files("dstheory.trainers").joinpath("statements.toml").read_text(encoding="utf-8"))
    found = []
    for one in table["statements"]:
        shared = {name: condition for used in one.get("uses", ()) for name, condition in table["conditions"][used].items()}
        own = one.get("when", {})
        when = tuple(shared | each for each in (own if isinstance(own, list) else [own]))
        found.append(Statement(one["claim"], one["text"], when, one.get("off_policy", False)))
    return tuple(found)


def statements(training: Training, *, off_policy: bool = False) -> list[tuple[str, str]]:
    """Return (claim, sentence) of every statement about a training; of those alone that hold off the policy where that is asked.

    >>> [claim for claim, _ in statements(Training(method="dpo", beta=0.1))]
    ['O2', 'O2-start']
    """
    if training.credit == "other" or training.rewards or training.combine != "before":  # claims are of right and wrong alone
        return []
    found = (one for one in all_statements() if one.off_policy or not off_policy)
    return [(one.claim, one.sentence(training)) for one in found if one.speaks_of(training)]
