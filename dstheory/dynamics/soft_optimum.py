r"""The closed-form optimum of reward plus a stage-weighted KL penalty.

Objective
---------
Per prompt, over all policies (history-dependent ones included),

.. math::
    J(\pi) = E_\pi \Big[\sum_k \Gamma^k \Big(\gamma_w R_k
        - \beta w_s(y_k) \log\frac{\pi_s(y_k)}{ref_s(y_k)}
        - \gamma_w \beta w_d(y_k) \log\frac{\pi_d(d_k \mid y_k)}{ref_d(d_k \mid y_k)}\Big)\Big],
    \qquad \Gamma = \gamma_w \gamma_b.

**The penalty is discounted as the reward is**: an answer's at the time of the answer, a decision's at the time of the decision.
That is what makes the problem stationary, the Bellman equation a contraction for Gamma < 1, and the optimum stationary. A reward
that is discounted minus a penalty that is not (:class:`~dstheory.objectives.ReverseKL` with gamma < 1) is another objective:
relative to the reward the penalty grows by 1/Gamma each turn, and the optimum among all policies depends on the turn.

Optimum
-------
With temperatures :math:`\tau_s = \beta w_s`, :math:`\tau_d = \beta w_d`, :math:`Q_{stop} = R_{stop}`,
:math:`Q_{res} = R_{res} + \gamma_b V`,

.. math::
    \pi_d^*(d \mid y) \propto ref_d(d \mid y)\, e^{Q_d(y, d)/\tau_d(y)}, \qquad
    V_d(y) = \tau_d \log \sum_d ref_d\, e^{Q_d/\tau_d}, \\
    \pi_s^*(y) \propto ref_s(y)\, e^{\gamma_w V_d(y)/\tau_s}, \qquad
    V = \tau_s \log \sum_y ref_s\, e^{\gamma_w V_d/\tau_s},

the last line for answers of one weight. Q is the *soft* action value: it contains the penalties of all later turns. The direct
term of the penalty (:class:`~dstheory.objectives.ReverseKLDirect`) does not credit these; its stationary points with the reward
have the same form with the reward's own Q, scaled by N_gamma/N (discounted over undiscounted turns), and are other policies if
there is more than one turn.

**Answers of different weights.** The penalised mean :math:`\sum \pi (Q - \tau(y) \log(\pi/ref))` is still concave, but its
maximum is not a softmax: :math:`Q - \tau(y) (\log(\pi/ref) + 1) = \mu` for all answers, one multiplier :math:`\mu` per prompt.
Without any reward that is *not* the reference: long answers become less likely, because :math:`w(y) \log(\pi/ref)` rewards it.

**No discount** (Gamma = 1). A fixed point exists, and is unique, iff even the best policy that never stops loses something in
every turn: :math:`\max_{\pi_s} \sum \pi_s [R_{res} + \tau_d \log ref(res) - \tau_s \log(\pi_s/ref_s)] < 0`. That is always so
for terminal accuracy with kappa >= 0, answers of one weight and a reference that sometimes stops. Otherwise longer is always
better and there is no optimum: a bonus for resampling does that, and so do weights different enough that moving to short answers
earns more "penalty" in every turn than resampling costs.

**A cap.** Backward recursion over turns, the optimum is turn-indexed. At the last turn no decision is drawn or penalised.

**Tokens.** The weight w_s multiplies the log-ratio of the whole answer. The sum of token-level KLs over a freely parametrised
answer is, by the chain rule, the log-ratio of the whole answer with weight 1, whatever its length: token by token, length alone
pins nothing. A temperature beta w_s > beta models a sampler whose tokens have to move together.

Source: derived here; the softmax forms are those of KL-regularised control (Todorov, 2006; arXiv 2512.18730).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dstheory.chain.exact import solve
from dstheory.chain.mdp import TwoStageMDP
from dstheory.chain.policy import Policy, log_sigmoid
from dstheory.checks import Bools, Floats, Ints, compact, float_array, readonly, reject, whole_number
from dstheory.dynamics.soft_bellman import NEVER, SoftTurn, solve_columns
from dstheory.errors import ChainError, ImproperChainError
from dstheory.kernels.parallel import as_input, available_threads, blocks, run_blocks
from dstheory.objectives.mass import over_runs
from dstheory.objectives.weights import Reduction, log_ratios, stage_weights
from dstheory.tables import Drawn, Table, short
from dstheory.texts import counted

_STRONGEST = 1e100  # strengths beyond this, or below its inverse, leave no room for rewards in floating point
_BLOCK = 8192  # (prompt, answer) pairs worked on together: a dozen tables of these fit into the second-level cache
SMALLEST = 1 << 19
"""From this many pairs on the compiled loop is loaded: below, it costs more than it saves."""
_SERIAL = 65_536  # below this, starting threads costs more than the second one saves


@dataclass(frozen=True, eq=False, repr=False)
class Optimum(Drawn):
    r"""The policy that is optimal for reward plus stage-weighted KL, and how accurately it was found.

    >>> mdp, reference = TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> best = optimum(mdp, reference, beta=0.1)
    >>> bool(best.converged.all()), round(float(best.policy.b), 3)
    (True, 1.0)

    Attributes:
        mdp: the chain.
        policy: the optimal policy, tabular; its sampling logits are log-probabilities. Indexed by turns if the chain is capped.
        values: (*runs, T', X) the optimal penalised value V from each turn on (T' = 1 without a cap).
        error: (*runs, T', X) half-width of the interval around V that was checked to enclose the optimal value.
        iterations: (*runs, T', X) Newton steps.
        converged: (*runs, T', X) whether V is enclosed: to 1e-12 of the prompt's scale (largest reward, size of V, and spread of
            beta w over answers), or to what rounding leaves where hardly any discount or stop holds V in place (see ``error``).
            False also where there is no optimum; V is then inf, or -inf for a reference that never ends.
        temperature_sample, temperature_decide: beta w of each stage, broadcastable to (*runs, 1, X, Y).
    """

    mdp: TwoStageMDP
    policy: Policy
    values: Floats
    error: Floats
    iterations: Ints
    converged: Bools
    temperature_sample: Floats
    temperature_decide: Floats

    @property
    def value(self) -> Floats:
        """(*runs, X) the optimal penalised value of each prompt."""
        return self.values[..., 0, :]

    @property
    def mean_value(self) -> Floats:
        """(*runs,) the optimal penalised value averaged over prompts."""
        return np.asarray((self.value * self.mdp.prompt_weight).sum(axis=-1))

    def table(self) -> Table:
        """Return the value, how far it may be off, and what the optimal policy does."""
        with np.errstate(all="ignore"):
            at = solve(self.mdp, self.policy).rates()
            said = {"penalised value": self.mean_value, "error at most": self.error.max()}
            said |= {name: at[name] for name in ("accuracy", "turns", "p", "a", "b")}
        found = "found" if self.converged.all() else "not found everywhere"
        formulas = (
            r"\max_\pi\ \mathrm{E}[R] - \beta\sum_k\bigl(w_s\,\mathrm{KL}_s + w_d\,\mathrm{KL}_d\bigr),\qquad "
            r"\pi^*\propto\pi_{\mathrm{ref}}\,e^{Q/(\beta w)}",
        )
        return Table(f"Optimum: {found}", ("quantity", "value"), [(name, short(value)) for name, value in said.items()], formulas)

    def columns(self) -> dict[str, Any]:
        """Return each turn, prompt and answer in a row: what the optimal policy does."""
        return self.policy.columns()


def optimum(
    mdp: TwoStageMDP,
    reference: Policy,
    *,
    beta: ArrayLike,
    length_weight: ArrayLike = 0.0,
    reduction: Reduction = "sum",
    max_iterations: int = 1000,
    throw: bool = True,
) -> Optimum:
    """Return the policy that maximises reward minus beta times the stage-weighted KL to a reference, exactly.

    The module's docstring states the objective and the solution. Every prompt (and run) is solved on its own.

    Args:
        mdp: the chain.
        reference: the policy that the penalty refers to; turn-indexed if the chain is capped, or stationary.
        beta: strength > 0 (1e-100 to 1e100), a number or an array over runs.
        length_weight: lambda in [0, 1], a number or an array over runs; stages weigh length^lambda.
        reduction: ``"sum"`` or ``"mean"`` (weights divided by their sum).
        max_iterations: most Newton steps.
        throw: raise where there is no optimum or it was not found; otherwise the result's ``converged`` tells.

    Raises:
        ChainError: an argument outside its range, run axes that do not fit, or an equation that did not settle.
        ImproperChainError: a chain without discount and cap in which never stopping pays: it has no optimum.

    >>> mdp = TwoStageMDP.minimal(sample_length=64, gamma=0.95)
    >>> reference = Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> best = optimum(mdp, reference, beta=0.1, length_weight=[0.0, 1.0])
    >>> best.policy.sample_prob[:, 0, 0, 0].round(4).tolist()  # P(correct): free, and pinned by its length
    [0.9154, 0.5613]
    >>> best.policy.resample_prob[:, 0, 0, 1].round(4).tolist()  # P(resample | wrong)
    [0.9997, 0.9993]
    """
    strength = float_array(beta, "beta")
    reject(~((strength >= 1.0 / _STRONGEST) & (strength <= _STRONGEST)), strength, "beta",
           f"must lie in [{1.0 / _STRONGEST:g}, {_STRONGEST:g}]",
           "without a penalty the optimum is deterministic and not unique", axes=())  # fmt: skip
    most = whole_number(max_iterations, "max_iterations", low=1)
    reference.check_fits(mdp, "reference")
    try:
        chain = _Equations(mdp, reference, strength, length_weight, reduction)
    except ChainError:
        raise
    except ValueError as unfit:
        raise ChainError(
            f"the run axes do not fit together: chain {mdp.runs}, reference {reference.runs}, beta {strength.shape}, "
            f"length_weight {np.shape(length_weight)}"
        ) from unfit
    (prompts, answers), turns = mdp.shape, mdp.max_turns or 1
    rows = int(np.prod(chain.runs, dtype=np.int64)) * prompts
    values, error = np.empty((turns, rows)), np.empty((turns, rows))
    iterations, converged = np.empty((turns, rows), dtype=np.int64), np.empty((turns, rows), dtype=bool)
    z, u = np.empty((turns, rows, answers)), np.empty((turns, rows, answers))

    compiled = rows * answers * turns >= SMALLEST

    def work(start: int, stop: int) -> None:
        at, after = slice(start, stop), None
        # Overflow to infinity and 0/0 in columns without an optimum are expected here, and checked by name below.
        with np.errstate(all="ignore"):
            for k in reversed(range(turns)):
                columns = np.arange(start, stop)
                if compiled:
                    from dstheory.dynamics.soft_kernel import solve_rows

                    results = (values, error, iterations, converged, z, u)
                    solve_rows(*chain.rows(k, start, stop, after), most, *(table[k, at] for table in results))
                    columns = columns[~converged[k, at]]
                if columns.size:
                    turn = chain.turn(k, start, stop, after)
                    root = solve_columns(turn.take(columns - start) if compiled else turn, max_iterations=most)
                    values[k, columns], error[k, columns], iterations[k, columns] = root.value, root.error, root.iterations
                    converged[k, columns] = root.converged
                    z[k, columns], u[k, columns] = root.log_sample.T, root.stop_logit.T
                if after is not None:  # these equations take the next turn's V as it was found, which is off by its own error
                    error[k, at] += chain.discount(start, stop) * error[k + 1, at]
                    converged[k, at] &= converged[k + 1, at]
                after = values[k, at]

    workers = available_threads() if rows * answers * turns > _SERIAL else 1
    size = max(1, (8 * _BLOCK if compiled else _BLOCK) // answers)
    run_blocks(work, blocks(rows, size, size, workers), workers)

    def over_turns(flat: Any, *tail: int) -> Any:
        return readonly(np.moveaxis(flat.reshape(turns, *chain.runs, prompts, *tail), 0, -2 - len(tail)))

    found, enclosed, steps = over_turns(values), over_turns(converged), over_turns(iterations)
    if throw and not converged.all():
        _refuse(mdp, found, enclosed, steps)
    policy = Policy.tabular(over_turns(z, answers), over_turns(u, answers))
    return Optimum(mdp, policy, found, over_turns(error), steps, enclosed, chain.tau_sample, chain.tau_decide)


def regularised_value(
    mdp: TwoStageMDP,
    policy: Policy,
    reference: Policy,
    *,
    beta: ArrayLike,
    length_weight: ArrayLike = 0.0,
    reduction: Reduction = "sum",
) -> Floats:
    """Return what the optimum maximises, of any policy: discounted reward minus equally discounted penalty, (*runs, X).

    Args:
        mdp, policy, reference: the chain and two of its policies.
        beta, length_weight, reduction: as in :func:`optimum`; here beta may be 0.

    Raises:
        InfiniteDivergenceError: the reference rules out an action that the policy can take.
        ImproperChainError: an undiscounted policy that never ends.

    >>> mdp, reference = TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3)
    >>> best = optimum(mdp, reference, beta=0.1)
    >>> [float(regularised_value(mdp, pi, reference, beta=0.1)[0].round(4)) for pi in (reference, best.policy)]
    [0.5735, 0.9346]
    >>> float(best.value[0].round(4))
    0.9346
    """
    reference.check_fits(mdp, "reference")
    solution = solve(mdp, policy)
    w_s, w_d = stage_weights(mdp, length_weight, reduction)
    up, up_stop, up_resample = log_ratios(policy, reference, solution)
    tau_s, tau_d = over_runs(beta, 3) * w_s, over_runs(beta, 3) * w_d
    gw = over_runs(mdp.gamma_within, 3)
    decided = solution.unrolled.decided
    # On the clock of the answers: what a decision brings is worth gamma_within of it, and the next answer is Gamma away.
    return solution.values_of(
        gw * (mdp.reward_stop[..., None, :, :] - tau_d * up_stop * decided) - tau_s * up,
        gw * (mdp.reward_resample[..., None, :, :] - tau_d * up_resample * decided) - tau_s * up,
        gamma_between=mdp.gamma_within * mdp.gamma_between,
    ).value[..., 0, :]


class _Table:
    """A table (*rows, Y) that is read as columns (Y, N) of consecutive rows; axes of length 1 repeat and cost no memory."""

    def __init__(self, table: Floats, rows: tuple[int, ...]) -> None:
        small = compact(table)
        self.lead = (1,) * (len(rows) + 1 - small.ndim) + small.shape[:-1]
        self.rows = rows
        self.flat = small.reshape(-1, small.shape[-1])

    def block(self, start: int, stop: int) -> Floats:
        """Return rows start to stop, or the one row that they all are."""
        if len(self.flat) == 1:
            return self.flat
        if self.lead == self.rows:
            return self.flat[start:stop]
        place: Ints = np.zeros(stop - start, dtype=np.int64)
        for index, length in zip(np.unravel_index(np.arange(start, stop), self.rows), self.lead, strict=True):
            if length > 1:
                place = place * length + index
        return self.flat[place]

    def columns(self, start: int, stop: int) -> Floats:
        """Return rows start to stop, as columns."""
        return np.ascontiguousarray(self.block(start, stop).T)


class _Equations:
    """The soft Bellman equations of a chain, one per prompt and run, by blocks that stay in the processor's cache.

    Attributes:
        runs: all run axes together.
        tau_sample, tau_decide: temperatures beta w, broadcastable to (*runs, 1, X, Y).
    """

    def __init__(
        self, mdp: TwoStageMDP, reference: Policy, beta: ArrayLike, length_weight: ArrayLike, reduction: Reduction
    ) -> None:
        w_s, w_d = stage_weights(mdp, length_weight, reduction)
        self.tau_sample, self.tau_decide = over_runs(beta, 3) * w_s, over_runs(beta, 3) * w_d
        self.runs = np.broadcast_shapes(
            mdp.runs, reference.runs, np.shape(beta), self.tau_sample.shape[:-3], self.tau_decide.shape[:-3]
        )
        rows = (*self.runs, mdp.shape[0])
        self._reference = [
            (_Table(reference.sample_logits[..., k, :, :], rows), _Table(reference.stop_logits[..., k, :, :], rows))
            for k in range(reference.shape[0])
        ]
        self._rewards = _Table(mdp.reward_stop, rows), _Table(mdp.reward_resample, rows)
        self._tau = _Table(self.tau_sample[..., 0, :, :], rows), _Table(self.tau_decide[..., 0, :, :], rows)
        gw, gb = mdp.gamma_within, mdp.gamma_between
        # 1 - Gamma as a sum of positive terms, which keeps its digits when the discount is nearly none.
        self._gammas = _Table(np.stack([gw, gb, (1.0 - gw) + gw * (1.0 - gb)], axis=-1)[..., None, :], rows)
        self._capped = mdp.max_turns is not None

    def discount(self, start: int, stop: int) -> Floats:
        """Return Gamma of rows start to stop."""
        return np.asarray(1.0 - self._gammas.columns(start, stop)[2])

    def rows(self, k: int, start: int, stop: int, after: Floats | None) -> tuple[Any, ...]:
        """Return the inputs of `soft_kernel.solve_rows`: the same equations as those of `turn`."""
        tables = [*self._reference[min(k, len(self._reference) - 1)], *self._rewards, *self._tau]
        width = self._rewards[0].flat.shape[1]
        gammas, afters = self._gammas.block(start, stop), np.zeros(1)
        if self._capped:
            afters = afters if after is None else gammas[:, 1] * after
            gammas = np.stack([gammas[:, 0], np.zeros(len(gammas)), np.ones(len(gammas))], axis=-1)
        full = (np.broadcast_to(part, (len(part), width)) for part in (table.block(start, stop) for table in tables))
        return (*(as_input(part) for part in (*full, gammas, afters)), after is not None or not self._capped)

    def turn(self, k: int, start: int, stop: int, after: Floats | None) -> SoftTurn:
        """Return the equations of turn k for rows start to stop; ``after`` is the next turn's V, None at the last turn.

        An uncapped chain has one turn, whose future is its own V.
        """
        z, u = (table.columns(start, stop) for table in self._reference[min(k, len(self._reference) - 1)])
        shifted = z - z.max(axis=0)
        log_ref = shifted - np.log(np.exp(shifted).sum(axis=0))
        tau_sample, mean_tau = _temperatures(self._tau[0].columns(start, stop), log_ref)
        log_stop, log_resample = (np.maximum(log_sigmoid(logit), NEVER) for logit in (u, -u))
        reward_stop, reward_resample = (table.columns(start, stop) for table in self._rewards)
        gamma_within, gamma_between, rest = self._gammas.columns(start, stop)[:, None, :]
        decided = True
        if self._capped:
            decided = after is not None
            if after is not None:
                reward_resample = reward_resample + gamma_between * after
            gamma_between, rest = np.zeros((1, 1)), np.ones((1, 1))
        return SoftTurn(
            np.broadcast_to(log_ref, (len(log_ref), stop - start)), u, log_stop, log_resample, reward_stop, reward_resample,
            tau_sample, self._tau[1].columns(start, stop), mean_tau, gamma_within, gamma_between, rest, decided,
        )  # fmt: skip


def _temperatures(tau: Floats, log_ref: Floats) -> tuple[Floats, Floats | None]:
    """Return sampling temperatures and their means; one row and None where no column has two temperatures among its answers."""
    if tau.shape[0] == 1:
        return tau, None
    possible = np.broadcast_to(log_ref > -np.inf, np.broadcast_shapes(tau.shape, log_ref.shape))
    low = np.where(possible, tau, np.inf).min(axis=0, keepdims=True)
    high = np.where(possible, tau, -np.inf).max(axis=0, keepdims=True)
    if (low == high).all():
        return high, None
    mean = np.clip((np.exp(log_ref) * tau).sum(axis=0, keepdims=True), low, high)  # exactly tau where there is only one
    return np.where(possible, tau, mean), mean


def _refuse(mdp: TwoStageMDP, values: Floats, converged: Bools, steps: Ints) -> None:
    """Say which prompt has no optimum, or was not solved, and why."""
    *run, turn, prompt = (int(i) for i in np.argwhere(~converged)[0])
    value, others = values[*run, turn, prompt], int(np.count_nonzero(~converged)) - 1
    place = mdp.prompt_name(prompt) + (f", run {tuple(run)}" if run else "") + (f" (and {others} more)" if others else "")
    if value == np.inf:
        raise ImproperChainError(
            f"{place}: without a discount, an episode that never stops loses nothing in a turn even after its penalty (or less "
            "than 1e-308), so that there is no optimum; make resampling cost more, raise beta, discount, or cap the turns"
        )
    if value == -np.inf:
        raise ImproperChainError(
            f"{place}: the reference never stops and nothing is discounted, so that every policy loses without end; give stop "
            "some probability in the reference, discount, or cap the number of turns"
        )
    raise ChainError(
        f"{place}: V = {value:g} after {counted(int(steps[*run, turn, prompt]), 'step')} could not be enclosed: allow more "
        "max_iterations, bring rewards and beta nearer to each other, or pass throw=False and read converged"
    )
