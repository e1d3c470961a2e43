"""Mutants that change nothing that can be observed, each with the reason; anything else that survives is a gap in the tests."""

_WEIGHTLESS = "what stands at a prompt of weight 0 is multiplied by that weight; it only must not be infinite"
_OVERWRITTEN = "the last entry is the end of a trajectory, and the next line sets those to 0"
_NEVER_MET = "a log-probability of what is never met is multiplied by a mass of 0"
_SCALE = "the scale is undone by F^+: it only brings rows to a comparable size"

_ZERO = "what is filled in is multiplied by 0, or divides 0"
_ENGINE = "it only chooses between two engines that agree"

# (file, marked line and what it became) -> why no test can notice
EQUIVALENT: dict[tuple[str, str], str] = {
    ("exact.py", "return np.where(rho > 0, self.visits, [[0.0]]) * rho  ->  1.0"): _WEIGHTLESS,
    ("exact.py", "visits = np.where(self.mdp.prompt_weight > 0, self.visits, [[0.0]])  ->  1.0"): _WEIGHTLESS,
    (
        "exact.py",
        "refuse_endless([[1.0]] / self.visits, self.mdp.prompt_name)  ->  2.0",
    ): "a threshold at 1e15 turns, where rounding decides",
    (
        "exact.py",
        "relative = np.where(np.isneginf(log_ends), 0.0, np.exp(log_ends - np.where(np.isfinite(top), top, [[0.0]])))  ->  1.0",
    ): "where the largest entry is -inf all are, and the outer where has replaced them",
    (
        "attribution.py",
        "scale = np.where(diagonal > 0, [[1.0]] / np.sqrt(diagonal), 0.0)  ->  2.0",
    ): _SCALE,
    (
        "attribution.py",
        "scale = np.where(diagonal > 0, 1.0 / np.sqrt(diagonal), [[0.0]])  ->  1.0",
    ): "a parameter without curvature has a zero row, and is told apart two lines below",
    (
        "tokens/objectives.py",
        "terminal = (turns[..., None] * ([[v.q_sample - per_answer]])).sum(axis=-3)  ->  v.q_sample + per_answer",
    ): "the same number for every class of answers: a baseline, which moves no token",
    (
        "tokens/passes.py",
        "return np.asarray((np.where(met == 0.0, [[0.0]], per_row) * met).sum(axis=-1))  ->  1.0",
    ): _ZERO,
    (
        "tokens/rows.py",
        'np.einsum("rv,rv->r", gap, gap / np.where(gap == 0.0, [[1.0]], p[start:stop]), out=out[start:stop])  ->  2.0',
    ): _ZERO,
    (
        "tokens/sweeps.py",
        "total = total + np.where(counts, scale[..., None] * np.where(counts, excess, [[0.0]]), 0.0)  ->  1.0",
    ): "the outer where drops what the inner one fills in",
    ("tokens/rows.py", "if [[count * width]] < COMPILED_FROM:  ->  count / width"): _ENGINE,
    ("objectives/reward.py", "after = np.append(per_step[1:], [[0.0]])  ->  1.0"): _OVERWRITTEN,
    (
        "objectives/sft.py",
        "total = total + np.where(met, mass * np.where(met, log_p, [[0.0]]), 0.0).sum(axis=(-3, -2, -1))  ->  1.0",
    ): _NEVER_MET,
}
