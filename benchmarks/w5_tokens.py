"""W5: passes over answers of tokens: independent tokens against a copy of their table, Markov tokens against matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import interleaved, median_ratio, parallel_copy, relative_difference
from benchmarks.report import Report, Row, Target
from dstheory.kernels.parallel import available_threads, blocks, run_blocks
from dstheory.tokens import Factored, Markov, TokenChain, TokenPolicy, token_kl, token_reward, token_sft

__all__ = ["run"]

FloatArray = NDArray[np.float64]
Contenders = dict[str, Callable[[], Any]]

STOP, STOP_OTHER = (0.8, 0.7), (0.7, 0.75)
_DISTINCT = 100  # prompts with logits of their own; drawing normals for all would take longer than everything that is timed


def logits(prompts: int, *tail: int, seed: int) -> FloatArray:
    """Draw logits (prompts, *tail), the same ones again after some prompts; read-only, so that they are not copied."""
    distinct = np.random.default_rng(seed).normal(size=(min(prompts, _DISTINCT), *tail))
    table = np.resize(distinct, (prompts, *tail)).copy()  # owns its memory: nobody can write to it through another array
    table.flags.writeable = False
    return table


def objectives(chain: TokenChain, policy: TokenPolicy, other: TokenPolicy) -> Contenders:
    """Return every objective of a token chain, its energies alone and with the gradient."""
    return {
        "reward, energies": lambda: token_reward(chain, policy, gradient=False),
        "direct KL, energies": lambda: token_kl(chain, policy, other, term="direct", gradient=False),
        "SFT, energies": lambda: token_sft(chain, policy, other, gradient=False),
        "reward, gradient": lambda: token_reward(chain, policy),
        "full KL, gradient": lambda: token_kl(chain, policy, other),
        "SFT, gradient": lambda: token_sft(chain, policy, other),
    }


def factored(report: Report, repeats: int, prompts: int, length: int, symbols: int) -> None:
    """Time independent tokens against copies: into memory that is there already, and, where a gradient is returned, into new."""
    own, other = (logits(prompts, length, symbols, seed=seed) for seed in (0, 1))
    chain = TokenChain(lengths=[length] * prompts, symbols=symbols, required={0: 0, length // 2: 3}, gamma=0.95)
    policy, reference = (TokenPolicy(Factored.from_logits(z), stop=s) for z, s in ((own, STOP), (other, STOP_OTHER)))
    copy, fresh, unseen = (
        "copy of the table",
        "copy of the table into new memory",
        "direct KL, energies, from logits never seen before",
    )

    def from_new_logits() -> None:
        token_kl(chain, TokenPolicy(Factored.from_logits(own), stop=STOP), reference, term="direct", gradient=False)

    timed: Contenders = {
        copy: parallel_copy([own], available_threads()),
        fresh: lambda: parallel_copy_into_new(own),
        unseen: from_new_logits,
    }
    ours = objectives(chain, policy, reference)
    times = interleaved(timed | ours, repeats)
    for name, seconds in times.items():
        report.rows.append(Row(f"independent: {name}", float(np.median(seconds)), min(seconds)))
    for name in ours:
        base = fresh if "gradient" in name else copy
        report.targets.append(Target(f"{name}, over one {base}", median_ratio(times[name], times[base]), 5.0, False, "x"))
    report.targets.append(Target(f"{unseen}, over one {copy}", median_ratio(times[unseen], times[copy]), 5.0, False, "x"))


def parallel_copy_into_new(table: FloatArray) -> FloatArray:
    """Return a copy made by all threads; the system hands out its pages while it is written, as it does for a gradient."""
    threads, out = available_threads(), np.empty_like(table)
    run_blocks(lambda a, b: np.copyto(out[a:b], table[a:b]), blocks(len(table), 1, len(table), threads), threads)
    return out


def markov(report: Report, repeats: int, prompts: int, length: int, symbols: int) -> None:
    """Time Markov tokens against the products that a pass needs: forward, backward, and the outer ones of the gradient."""
    own, other = (logits(prompts, length - 1, symbols, symbols, seed=seed) for seed in (2, 3))
    chain = TokenChain(lengths=[length] * prompts, symbols=symbols, required={0: 0, length // 2: 3}, gamma=0.95)
    policy, reference = (TokenPolicy(Markov.from_logits(z[:, 0, 0], z), stop=s) for z, s in ((own, STOP), (other, STOP_OTHER)))
    transition = policy.answers.blocks[1].prob
    alpha = np.ascontiguousarray(policy.answers.start(chain).alpha[:, :-1])
    beta = np.random.default_rng(4).random(alpha.shape)
    threads = available_threads()

    def products(out: FloatArray | None) -> FloatArray:
        out = np.empty(transition.shape) if out is None else out

        def work(start: int, stop: int) -> None:
            part = slice(start, stop)
            np.matmul(alpha[part], transition[part])
            np.matmul(transition[part], beta[part].swapaxes(-1, -2))
            np.matmul(alpha[part].swapaxes(-1, -2), beta[part], out=out[part])

        run_blocks(work, blocks(prompts, 1, prompts, threads), threads)
        return out

    kept = np.zeros(transition.shape)
    base, fresh = "the three batched products", "the three batched products, outer one into new memory"
    ours = objectives(chain, policy, reference)
    times = interleaved({base: lambda: products(kept), fresh: lambda: products(None)} | ours, repeats)
    for name, seconds in times.items():
        report.rows.append(Row(f"Markov: {name}", float(np.median(seconds)), min(seconds)))
    for name in ours:
        against = fresh if "gradient" in name else base
        report.targets.append(
            Target(f"Markov {name}, over {against}", median_ratio(times[name], times[against]), 3.0, False, "x")
        )


def agreement(report: Report) -> None:
    """Compare both kinds of policy on the same independent tokens: their passes share no loop."""
    z, z_ref = (logits(40, 48, 16, seed=seed) for seed in (5, 6))
    chain = TokenChain(lengths=[48] * 40, symbols=16, required={0: 0, 47: 3}, gamma=0.95)

    def policies(markov: bool) -> list[TokenPolicy]:
        answers = (Factored.from_logits(table) for table in (z, z_ref))
        return [TokenPolicy(f.as_markov() if markov else f, stop=s) for f, s in zip(answers, (STOP, STOP_OTHER), strict=True)]

    one, two = ([call() for call in objectives(chain, *policies(markov)).values()] for markov in (False, True))
    # Rows that see the token before share one row of the factored policy: their gradients add up to its own.
    for name, many, single in zip(objectives(chain, *policies(False)), two, one, strict=True):
        if single.tokens is not None:
            summed = np.concatenate([many.tokens[0][:, None], many.tokens[1].sum(axis=2)], axis=1)
            report.agreement[f"Markov pass on independent tokens, {name}"] = relative_difference(summed, single.tokens[0])


def run(
    repeats: int = 7,
    size: tuple[int, int, int] = (250, 4_096, 64),
    markov_size: tuple[int, int, int] = (64, 256, 64),
) -> Report:
    """Time both kinds of token policy; a size is prompts, tokens and symbols."""
    title = "{:,} prompts x {:,} independent tokens x {} symbols; ".format(*size)
    title += "{:,} x {:,} x {} with a dense transition table".format(*markov_size)
    report = Report("W5", f"{title}, {available_threads()} threads")
    agreement(report)
    factored(report, repeats, *size)
    markov(report, repeats, *markov_size)
    report.targets += [Target(f"difference from {name}", value, 1e-9, False) for name, value in report.agreement.items()]
    report.notes.append(
        "A policy's table is validated when it is made, in one look; a pass takes one exponential per entry. A gradient has the "
        "table's size and lies in new memory, which the system clears page by page: its yardstick does the same."
    )
    return report
