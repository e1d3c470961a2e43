"""A plain-Python oracle of the minimal chain: no SymPy, nothing of the package. Works on floats and complex numbers.

Trajectories are enumerated one by one, coefficients are written from the table of objectives, scores from their definition. The
uncapped chain is the limit of capped ones: the recursions are iterated until nothing moves any more.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, replace

LOGITS = ("theta_s", "theta_C", "theta_W")


def logit(x: float) -> float:
    return math.log(x / (1 - x))


def sigmoid(theta):
    return 1 / (1 + cmath.exp(-theta)) if isinstance(theta, complex) else 1 / (1 + math.exp(-theta))


def log(x):
    return cmath.log(x) if isinstance(x, complex) else math.log(x)


@dataclass(frozen=True)
class M0:
    """Numbers of one minimal chain. Rewards: (stop C, resample C, stop W, resample W)."""

    p: complex
    a: complex
    b: complex
    ref: tuple = (4 / 9, 3 / 8, 5 / 6)
    expert: tuple = (8 / 11, 9 / 10, 6 / 7)
    gamma: float = 9 / 10
    per_stage: bool = False
    rewards: tuple = (1.0, 0.0, 0.0, 0.0)
    lengths: tuple = (5.0, 5.0)  # of answers C and W
    l_d: float = 2.0
    lam: float = 0.5
    mean: bool = False
    beta: float = 0.7
    alpha: float = 0.3

    def weights(self, y):
        w_s, w_d = self.lengths[y] ** self.lam, self.l_d**self.lam
        return (w_s / (w_s + w_d), w_d / (w_s + w_d)) if self.mean else (w_s, w_d)

    @property
    def within(self):
        return self.gamma if self.per_stage else 1.0

    def moved(self, name, step):
        """The chain with one logit moved by a (complex) step."""
        field = {"theta_s": "p", "theta_C": "a", "theta_W": "b"}[name]
        return replace(self, **{field: sigmoid(logit(getattr(self, field)) + step)})


def answers(who):
    return (who[0], 1 - who[0])


def decisions(who, y):
    """P(stop), P(resample) after answer y."""
    return ((who[1], 1 - who[1]), (1 - who[2], who[2]))[y]


def learner(m):
    return (m.p, m.a, m.b)


def trajectories(who, turns):
    """All (steps, probability) of a capped chain; a decision is 0 stop, 1 resample, None forced submission."""
    stack = [((), 1.0)]
    while stack:
        steps, chance = stack.pop()
        for y in (0, 1):
            here = chance * answers(who)[y]
            if len(steps) == turns - 1:
                yield (*steps, (y, None)), here
                continue
            yield (*steps, (y, 0)), here * decisions(who, y)[0]
            stack.append(((*steps, (y, 1)), here * decisions(who, y)[1]))


def reward_of(m, y, d):
    return m.rewards[2 * y + (1 if d == 1 else 0)]


def returns(m, steps):
    """Discounted return from each answer and from each decision on, and of the whole."""
    g_s, g_d, following = [0] * len(steps), [0] * len(steps), 0
    for k in reversed(range(len(steps))):
        y, d = steps[k]
        g_d[k] = reward_of(m, y, d) + m.gamma * following
        g_s[k] = m.within * g_d[k]
        following = g_s[k]
    return g_s, g_d


def log_ratios(m, y, d):
    up_s = log(answers(learner(m))[y] / answers(m.ref)[y])
    up_d = 0.0 if d is None else log(decisions(learner(m), y)[d] / decisions(m.ref, y)[d])
    return up_s, up_d


def values(m, turns, k):
    """V at turn k, Q of answers, Q of decisions, by backward recursion."""
    v = 0.0
    out = None
    for t in reversed(range(k, turns)):
        last = t == turns - 1
        q_d = [[reward_of(m, y, 0), reward_of(m, y, 1) + m.gamma * v] for y in (0, 1)]
        if last:
            q_s = [m.within * q_d[y][0] for y in (0, 1)]
        else:
            q_s = [m.within * sum(x * q for x, q in zip(decisions(learner(m), y), q_d[y], strict=True)) for y in (0, 1)]
        v = sum(x * q for x, q in zip(answers(learner(m)), q_s, strict=True))
        out = v, q_s, q_d
    return out


def entropy(row):
    return -sum(x * log(x) for x in row)


def coefficients(m, name, steps, turns, table=None):
    """Pairs (c_s, c_d), turn by turn, of one trajectory."""
    g_s, g_d = returns(m, steps)
    per_turn = m.within * m.gamma
    total = sum(sum(w * u for w, u in zip(m.weights(y), log_ratios(m, y, d), strict=True)) for y, d in steps)
    mean_w = sum(x * m.weights(y)[0] for y, x in enumerate(answers(learner(m))))
    out = []
    for k, (y, d) in enumerate(steps):
        w_s, w_d = m.weights(y)
        up_s, up_d = log_ratios(m, y, d)
        scale = per_turn**k
        if name == "reinforce":
            c = (g_s[0], g_s[0])
        elif name == "reward-to-go":
            c = (scale * g_s[k], scale * m.within * g_d[k])
        elif name == "reward-to-go, outer discount dropped":
            c = (g_s[k], g_d[k])
        elif name == "advantage":
            v, q_s, q_d = (table or values)(m, turns, k)
            mean = sum(x * q for x, q in zip(decisions(learner(m), y), q_d[y], strict=True))
            c = (scale * (q_s[y] - v), scale * m.within * (q_d[y][d or 0] - mean))
        elif name == "sft":
            c = (w_s, w_d)
        elif name == "kl-direct":
            c = (-m.beta * w_s * up_s, -m.beta * w_d * up_d)
        elif name == "kl":
            c = (-m.beta * (total + w_s - mean_w), -m.beta * total)
        elif name == "forward-kl":
            c = (-m.beta * w_s * (1 - math.exp(-up_s)), -m.beta * w_d * (1 - math.exp(-up_d)))
        elif name == "forward-kl, reference's states":
            c = (m.beta * w_s, m.beta * w_d)
        elif name == "entropy":
            h_s, h_d = entropy(answers(learner(m))), entropy(decisions(learner(m), y))
            log_d = 0.0 if d is None else log(decisions(learner(m), y)[d])
            c = (-m.alpha * w_s * (log(answers(learner(m))[y]) + h_s), -m.alpha * w_d * (log_d + h_d))
        else:
            raise KeyError(name)
        out.append(c)
    return out


def measure(m, name):
    return m.expert if name == "sft" else m.ref if name.startswith("forward-kl, ref") else learner(m)


def scores(m, y, d):
    """d log pi_s(y) and d log pi_d(d | y) by logit."""
    on_s = {"theta_s": (1 - m.p) if y == 0 else -m.p, "theta_C": 0.0, "theta_W": 0.0}
    on_d = dict.fromkeys(LOGITS, 0.0)
    if d is not None and y == 0:
        on_d["theta_C"] = (1 - m.a) if d == 0 else -m.a
    if d is not None and y == 1:
        on_d["theta_W"] = (1 - m.b) if d == 1 else -m.b
    return on_s, on_d


def update(m, name, turns):
    """E[sum of coefficient x score] by enumeration, with one set of parameters for all turns."""
    g = dict.fromkeys(LOGITS, 0.0)
    for steps, chance in trajectories(measure(m, name), turns):
        for (y, d), (c_s, c_d) in zip(steps, coefficients(m, name, steps, turns), strict=True):
            on_s, on_d = scores(m, y, d)
            for logit_name in LOGITS:
                g[logit_name] += chance * (c_s * on_s[logit_name] + c_d * on_d[logit_name])
    return g


def settled_value(m, name):
    """J of the uncapped chain, by iterating its recursion: V, -beta E[L], or the demonstrations' log-likelihood."""
    who = m.expert if name == "sft" else m.ref if name.startswith("forward-kl, ref") else learner(m)
    discounts = (m.within, m.gamma) if name in ("reinforce", "reward-to-go", "advantage") else (1.0, 1.0)
    v = 0.0
    for _ in range(4000):
        new = 0.0
        for y in (0, 1):
            paid_s, paid_d = paid(m, name, y)
            inner = sum(x * (paid_d[d] + (discounts[1] * v if d else 0.0)) for d, x in enumerate(decisions(who, y)))
            new += answers(who)[y] * (paid_s + discounts[0] * inner)
        if abs(new - v) == 0.0:
            break
        v = new
    return v


def paid(m, name, y):
    """What answer y pays, and what stop and resample pay after it."""
    w_s, w_d = m.weights(y)
    if name == "sft":
        return w_s * log(answers(learner(m))[y]), [w_d * log(x) for x in decisions(learner(m), y)]
    if name == "kl":
        pairs = [log_ratios(m, y, d) for d in (0, 1)]
        return -m.beta * w_s * pairs[0][0], [-m.beta * w_d * up for _, up in pairs]
    if name.startswith("forward-kl, ref"):
        pairs = [log_ratios(m, y, d) for d in (0, 1)]
        return m.beta * w_s * pairs[0][0], [m.beta * w_d * up for _, up in pairs]
    return 0.0, [reward_of(m, y, 0), reward_of(m, y, 1)]


def complex_step(f, m, name, h=1e-30):
    """d f / d logit without cancellation: Im f(theta + ih)/h, exact to rounding for an analytic f."""
    return {logit_name: (f(m.moved(logit_name, 1j * h), name) / h).imag for logit_name in LOGITS}


def frozen_total(m, visiting, name, turns):
    """The penalty or bonus at the states that another chain visits, the learner acting in each."""
    total = 0.0
    for k in range(turns):
        reach = sum(chance for steps, chance in trajectories(visiting, k + 1) if len(steps) == k + 1)
        for y in (0, 1):
            w_s, w_d = m.weights(y)
            total += reach * w_s * per_state(m, name, answers(learner(m)), answers(m.ref))[y]
            if k < turns - 1:
                rows = decisions(learner(m), y), decisions(m.ref, y)
                total += reach * answers(visiting)[y] * w_d * sum(per_state(m, name, *rows))
    return total


def per_state(m, name, row, ref):
    """Terms of -beta KL(pi || ref), -beta KL(ref || pi) or alpha H(pi)."""
    if name == "kl-direct":
        return [-m.beta * x * log(x / r) for x, r in zip(row, ref, strict=True)]
    if name == "forward-kl":
        return [-m.beta * r * log(r / x) for x, r in zip(row, ref, strict=True)]
    return [-m.alpha * x * log(x) for x in row]
