"""Mutants that change nothing that can be observed, each with the reason; anything else that survives is a gap in the tests."""

_WEIGHTLESS = "what stands at a prompt of weight 0 is multiplied by that weight; it only must not be infinite"
_OVERWRITTEN = "the last entry is the end of a trajectory, and the next line sets those to 0"
_NEVER_MET = "a log-probability of what is never met is multiplied by a mass of 0"
_SCALE = "the scale is undone by F^+: it only brings rows to a comparable size"

_ZERO = "what is filled in is multiplied by 0, or divides 0"
_QUICK = "a quick look that lets nothing bad pass; the check that follows finds the rest"
_START = "where Newton's method begins; it forgets"
_ENGINE = "it only chooses between two engines that agree"

# (file, marked line and what it became) -> why no test can notice
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "symbolic/losses.py",
        "return r.reward * sp.log(t.ratio) + (1 - r.reward) * sp.log([[(1 - SUCCESS * t.ratio) / (1 - SUCCESS)]])  ->  "
        "(1 - SUCCESS * t.ratio) * (1 - SUCCESS)",
    ): "a constant factor inside a logarithm has no derivative",
    ("chain/exact.py", "return np.where(rho > 0, self.visits, [[0.0]]) * rho  ->  1.0"): _WEIGHTLESS,
    ("chain/exact.py", "visits = np.where(self.mdp.prompt_weight > 0, self.visits, [[0.0]])  ->  1.0"): _WEIGHTLESS,
    (
        "chain/exact.py",
        "refuse_endless([[1.0]] / self.visits, self.mdp.prompt_name)  ->  2.0",
    ): "a threshold at 1e15 turns, where rounding decides",
    (
        "attribution.py",
        "scale = np.divide([[1.0]], length, out=np.zeros_like(length), where=length > 0)  ->  2.0",
    ): _SCALE,
    (
        "tokens/rows.py",
        'return np.asarray(np.einsum("...v,...v->...", gap, gap / np.where(gap == 0.0, [[1.0]], rows.prob)))  ->  2.0',
    ): _ZERO,
    (
        "tokens/rows.py",
        "small = np.where(near[..., None], apart, [[0.0]])  ->  1.0",
    ): "rows that are not near take the other branch of the `where` below",
    ("tokens/rows.py", "if [[count * width]] < COMPILED_FROM:  ->  count / width"): _ENGINE,
    ("objectives/reward.py", "after = np.append(per_step[1:], [[0.0]])  ->  1.0"): _OVERWRITTEN,
    (
        "objectives/mass.py",
        "total = total + np.where(met, mass * np.where(met, log_p, [[0.0]]), 0.0).sum(axis=(-3, -2, -1))  ->  1.0",
    ): _NEVER_MET,
    (
        "tokens/rows.py",
        "if not (table.min(initial=[[0.0]]) >= 0.0 and table.max(initial=0.0) <= 1.0):  ->  1.0",
    ): _QUICK,
    (
        "tokens/rows.py",
        "if not (table.min(initial=0.0) >= [[0.0]] and table.max(initial=0.0) <= 1.0):  ->  1.0",
    ): _QUICK,
    (
        "tokens/rows.py",
        "if not (table.min(initial=0.0) >= 0.0 and table.max(initial=[[0.0]]) <= 1.0):  ->  1.0",
    ): _QUICK,
    (
        "dynamics/soft_optimum.py",
        "high = np.where(possible, tau, [[-np.inf]]).max(axis=0, keepdims=True)  ->  +np.inf",
    ): "columns with padding are then solved by the form for different temperatures, which agrees",
    (
        "dynamics/soft_bellman.py",
        "forever = np.divide(again, rest, out=np.full(stop.shape, [[-np.inf]]), where=rest > 0.0)  ->  +np.inf",
    ): "where there is no discount it is filled in three lines below",
    (
        "dynamics/soft_bellman.py",
        "reward, log = ([[self.reward_stop]], self.log_stop) if stop else (self.reward_resample, self.log_resample)  ->  "
        "self.reward_resample",
    ): _START,
    (
        "dynamics/soft_bellman.py",
        "return np.maximum(stop, forever), np.where(stop >= forever, n_stop - stop, [[n_again - rest * forever]])  ->  "
        "n_again + rest * forever",
    ): _START,
    (
        "dynamics/soft_bellman.py",
        "if [[2 * open_.size]] <= columns.size:  # gathering costs about one evaluation: only when it saves one  ->  "
        "2 / open_.size",
    ): "it only chooses when solved columns are dropped",
    (
        "tokens/factored.py",
        "step = max(1, _BLOCK // max(1, [[positions.shape[1] * self.rows.shape[2]]]))  ->  "
        "positions.shape[1] / self.rows.shape[2]",
    ): "it only chooses how many prompts are looked at together",
    (
        "objectives/penalties.py",
        "found = one_pass(whitened_gradient, solution, self.reference, beta, none, (one, one), shift=[[0.0]])  ->  1.0",
    ): "what is paid for every response alike is a baseline, which moves nothing",
    (
        "symbolic/objectives/reward.py",
        "scale=lambda s: [[1 / symbol(\"Lbar\")]],  ->  1 * symbol('Lbar')",
    ): "formulas keep it in front, and the rest is divided by it",
    (
        "objectives/distillation.py",
        "np.where(p == -np.inf, [[0.0]], np.where(q == -np.inf, np.inf, up)) for (_, p, q), up in pairs  ->  1.0",
    ): _NEVER_MET,
    (
        "dynamics/soft_bellman.py",
        "return np.maximum(stop, forever), np.where(stop >= forever, [[n_stop - stop]], n_again - rest * forever)  ->  "
        "n_stop + stop",
    ): _START,
    (
        "dynamics/soft_bellman.py",
        "enclosed = (here.slope >= STEEP) & (above.upper <= 0.0) & (here.payoff + [[here.slope * error]] >= 0.0)  ->  "
        "here.slope / error",
    ): "Newton's method comes from below, where the payoff is not negative: the check is for what rounding might do",
    (
        "symbolic/objectives/penalties.py",
        "scale=lambda s: [[-1 / LBAR]],  ->  -1 * LBAR",
    ): "formulas keep it in front, and the rest is divided by it",
    (
        "objectives/penalties.py",
        "own = TokenWeight(self._own(solution), 0.0 * _ONE, [[0.0 * _ONE]])  ->  0.0 / _ONE",
    ): "0 over 1 is 0",
    (
        "dynamics/soft_bellman.py",
        "at_most = [[above.upper + _rounding(turn, v_above, n_above, above)]]  ->  "
        "above.upper - _rounding(turn, v_above, n_above, above)",
    ): "a margin for rounding that no chain that was tried needs",
}
