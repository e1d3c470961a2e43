"""The peers of W1: the same value and gradient as written for other libraries, and by hand. Nothing of this package is imported.

As a program, ``python -m benchmarks.w1_peers FOLDER LIBRARY`` is some of them in a process of its own, which
:class:`benchmarks.peers.Worker` talks to: a library's settings count from its first import on.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import available, built, load_jax, load_torch, serve

__all__ = ["BETA", "DECISION_WEIGHT", "GAMMA", "Outcome", "Problem", "c_loop", "make_problem", "triad"]

FloatArray = NDArray[np.float64]
Outcome = tuple[float, FloatArray, FloatArray]  # objective, gradient of the sampling logits, of the stop logits

Peers = dict[str, Callable[[], Outcome]]

BETA, GAMMA, DECISION_WEIGHT = 0.05, 0.95, 1.0
_SOURCE = Path(__file__).with_name("fused_loop.c")


@dataclass(frozen=True)
class Problem:
    """The arrays that every contender gets: logits, reference, rewards, stage weights, prompt weights."""

    z: FloatArray
    l: FloatArray
    z_ref: FloatArray
    l_ref: FloatArray
    r_stop: FloatArray
    r_resample: FloatArray
    w_s: FloatArray
    rho: FloatArray

    def arrays(self) -> tuple[FloatArray, ...]:
        """Return all inputs."""
        return self.z, self.l, self.z_ref, self.l_ref, self.r_stop, self.r_resample, self.w_s, self.rho

    def save(self, folder: Path) -> None:
        """Write the inputs for other processes."""
        for field, array in zip(fields(self), self.arrays(), strict=True):
            np.save(folder / f"{field.name}.npy", array)

    @classmethod
    def load(cls, folder: Path) -> Problem:
        """Return the inputs that a process wrote."""
        return cls(*(np.load(folder / f"{field.name}.npy") for field in fields(cls)))


def make_problem(prompts: int, answers: int, seed: int = 0) -> Problem:
    """Draw a lopsided chain: one answer in five correct, answers of 1 to 400 tokens weighted by their square root."""
    rng = np.random.default_rng(seed)
    shape = (prompts, answers)
    rho = rng.random(prompts) + 0.1
    return Problem(
        z=rng.normal(size=shape),
        l=rng.normal(size=shape),
        z_ref=rng.normal(size=shape),
        l_ref=rng.normal(size=shape),
        r_stop=(rng.random(shape) < 0.2).astype(np.float64),
        r_resample=-0.1 * rng.random(shape),
        w_s=np.sqrt(rng.integers(1, 400, size=shape).astype(np.float64)),
        rho=rho / rho.sum(),
    )


def jax_peers(problem: Problem) -> Peers:
    """Return jitted JAX, by autodiff and by hand; over all its devices, if flags gave it several."""
    jax = load_jax()
    jnp, nn, frozen = jax.numpy, jax.nn, jax.lax.stop_gradient

    def objective(logits: Any, z_ref: Any, l_ref: Any, r_stop: Any, r_resample: Any, w_s: Any, rho: Any) -> Any:
        # The penalty's visits and coefficients are constants to the gradient.
        z, l = logits
        log_pi = nn.log_softmax(z)
        pi, s = jnp.exp(log_pi), nn.sigmoid(l)
        p_stop = jnp.sum(pi * s, axis=1)
        value = jnp.sum(pi * (s * r_stop + (1.0 - s) * r_resample), axis=1) / ((1.0 - GAMMA) + GAMMA * p_stop)
        kl_decision = s * (l - l_ref) - nn.softplus(l) + nn.softplus(l_ref)
        sampling = jnp.sum(pi * frozen(w_s * (log_pi - nn.log_softmax(z_ref))), axis=1)
        decision = jnp.sum(frozen(pi) * kl_decision, axis=1) * DECISION_WEIGHT
        return jnp.sum(rho * (value - BETA * frozen(1.0 / p_stop) * (sampling + decision)))

    def by_hand(logits: Any, z_ref: Any, l_ref: Any, r_stop: Any, r_resample: Any, w_s: Any, rho: Any) -> Any:
        # No tape for the compiler to fuse around.
        z, l = logits
        log_pi = nn.log_softmax(z)
        pi, s = jnp.exp(log_pi), nn.sigmoid(l)
        payoff = s * r_stop + (1.0 - s) * r_resample
        p_stop = jnp.sum(pi * s, axis=1, keepdims=True)
        visits = 1.0 / p_stop
        discounted = 1.0 / ((1.0 - GAMMA) + GAMMA * p_stop)
        value = discounted * jnp.sum(pi * payoff, axis=1, keepdims=True)
        ratio = w_s * (log_pi - nn.log_softmax(z_ref))
        mean_ratio = jnp.sum(pi * ratio, axis=1, keepdims=True)
        drift = l - l_ref
        kl_decision = s * drift - nn.softplus(l) + nn.softplus(l_ref)
        penalty = visits * (mean_ratio + DECISION_WEIGHT * jnp.sum(pi * kl_decision, axis=1, keepdims=True))
        weight = rho[:, None]
        advantage = payoff + (1.0 - s) * GAMMA * value - value
        grad_z = weight * pi * (discounted * advantage - BETA * visits * (ratio - mean_ratio))
        margin = r_stop - r_resample - GAMMA * value
        grad_l = weight * pi * s * (1.0 - s) * (discounted * margin - BETA * DECISION_WEIGHT * visits * drift)
        return jnp.sum(weight * (value - BETA * penalty)), (grad_z, grad_l)

    def call_of(function: Any) -> Callable[[], Outcome]:
        arrays, devices = [jnp.asarray(array) for array in problem.arrays()], jax.device_count()
        if devices > 1:
            mesh, rows = jax.make_mesh((devices,), ("prompts",)), jax.sharding.PartitionSpec("prompts")

            def part(*inputs: Any) -> Any:
                value, gradients = function(*inputs)
                return jax.lax.psum(value, "prompts"), gradients

            specs = ((rows, rows), *(rows,) * (len(arrays) - 2)), (jax.sharding.PartitionSpec(), (rows, rows))
            compiled = jax.jit(jax.shard_map(part, mesh=mesh, in_specs=specs[0], out_specs=specs[1], check_vma=False))
            arrays = [jax.device_put(array, jax.sharding.NamedSharding(mesh, rows)) for array in arrays]
        else:
            compiled = jax.jit(function)
        z, l, *fixed = arrays

        def call() -> Outcome:
            value, (grad_z, grad_l) = jax.block_until_ready(compiled((z, l), *fixed))
            return float(value), grad_z, grad_l

        return call

    return {"value_and_grad": call_of(jax.value_and_grad(objective)), "gradient by hand": call_of(by_hand)}


def torch_peers(problem: Problem) -> Peers:
    """Return PyTorch's autograd, eager and compiled (forward and backward)."""
    torch = load_torch(available())
    z, l, *fixed = (torch.from_numpy(array) for array in problem.arrays())
    z.requires_grad_()
    l.requires_grad_()
    softplus = torch.nn.functional.softplus

    def forward(z: Any, l: Any, z_ref: Any, l_ref: Any, r_stop: Any, r_resample: Any, w_s: Any, rho: Any) -> Any:
        log_pi = torch.log_softmax(z, dim=1)
        pi, s = log_pi.exp(), torch.sigmoid(l)
        p_stop = (pi * s).sum(dim=1)
        value = (pi * (s * r_stop + (1.0 - s) * r_resample)).sum(dim=1) / ((1.0 - GAMMA) + GAMMA * p_stop)
        kl_decision = s * (l - l_ref) - softplus(l) + softplus(l_ref)
        sampling = (pi * (w_s * (log_pi.detach() - torch.log_softmax(z_ref, dim=1)))).sum(dim=1)
        decision = (pi.detach() * kl_decision).sum(dim=1) * DECISION_WEIGHT
        return (rho * (value - BETA * (1.0 / p_stop).detach() * (sampling + decision))).sum()

    def call_of(function: Any) -> Callable[[], Outcome]:
        def call() -> Outcome:
            objective = function(z, l, *fixed)
            grad_z, grad_l = torch.autograd.grad(objective, (z, l))
            return float(objective.detach()), grad_z, grad_l

        return call

    return {"autograd": call_of(forward), "torch.compile": call_of(torch.compile(forward, fullgraph=True, dynamic=False))}


def numba_peers(problem: Problem) -> Peers:
    """Return the loop of ``fused_loop.c`` in Numba, with all freedoms of its fastmath, and Intel's SVML.

    Raises:
        ImportError: Numba does not find SVML, or its compiler is not the one that can call it.
    """
    import numba

    if not numba.config.USING_SVML:
        raise ImportError(f"numba {numba.__version__} runs without SVML here")
    rows = numba.njit(fastmath=True, error_model="numpy")(_numba_rows)

    @numba.njit(parallel=True)
    def over_blocks(z, l, z_ref, l_ref, r_stop, r_resample, w_s, rho, beta, gamma, grad_z, grad_l, objective):  # type: ignore[no-untyped-def]
        for block in numba.prange(objective.size):
            start, stop = block * rho.size // objective.size, (block + 1) * rho.size // objective.size
            objective[block] = rows(start, stop, z, l, z_ref, l_ref, r_stop, r_resample, w_s, rho, beta, gamma, grad_z, grad_l)

    grad_z, grad_l, parts = np.zeros_like(problem.z), np.zeros_like(problem.l), np.zeros(8 * available())

    def call() -> Outcome:
        over_blocks(*problem.arrays(), BETA, GAMMA, grad_z, grad_l, parts)
        return float(parts.sum()), grad_z, grad_l

    call()  # the row that a thread is at when SVML is first called comes out wrong: seen, not documented
    return {"fused loop": call}


def _numba_rows(start, stop, z, l, z_ref, l_ref, r_stop, r_resample, w_s, rho, beta, gamma, grad_z, grad_l):  # type: ignore[no-untyped-def]
    width, objective = z.shape[1], 0.0
    mass, stops, payoff, ratio = np.empty(width), np.empty(width), np.empty(width), np.empty(width)
    for x in range(start, stop):
        top, top_ref = z[x, 0], z_ref[x, 0]
        for y in range(width):
            top, top_ref = max(top, z[x, y]), max(top_ref, z_ref[x, y])
        total, total_ref, total_weight, total_ratio, total_stop, total_paid, total_kl = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for y in range(width):
            shifted, shifted_ref = z[x, y] - top, z_ref[x, y] - top_ref
            e, drift = np.exp(shifted), l[x, y] - l_ref[x, y]
            s = 1.0 / (1.0 + np.exp(-l[x, y]))
            mass[y], stops[y], ratio[y] = e, s, shifted - shifted_ref
            payoff[y] = r_resample[x, y] + s * (r_stop[x, y] - r_resample[x, y])
            total += e
            total_ref += np.exp(shifted_ref)
            total_weight += e * w_s[x, y]
            total_ratio += e * w_s[x, y] * ratio[y]
            total_stop += e * s
            total_paid += e * payoff[y]
            total_kl += e * (s * drift - drift + np.log((1.0 + np.exp(-l_ref[x, y])) * s))
        scale = 1.0 / total
        p_stop, paid = total_stop * scale, total_paid * scale
        visits, discounted = 1.0 / p_stop, 1.0 / ((1.0 - gamma) + gamma * p_stop)
        value, shift = paid * discounted, np.log(total / total_ref)
        mean = (total_ratio - shift * total_weight) * scale
        by_reward, by_penalty = rho[x] * discounted * scale, rho[x] * visits * beta * scale
        objective += rho[x] * (value - beta * visits * (mean + total_kl * scale))
        for y in range(width):
            s, e = stops[y], mass[y]
            advantage = (payoff[y] - paid) + gamma * value * (p_stop - s)
            margin = r_stop[x, y] - r_resample[x, y] - gamma * value
            grad_z[x, y] = e * (by_reward * advantage - by_penalty * (w_s[x, y] * (ratio[y] - shift) - mean))
            grad_l[x, y] = e * s * (1.0 - s) * (by_reward * margin - by_penalty * (l[x, y] - l_ref[x, y]))
    return objective


_REALS = {np.dtype(np.float64): ("double", ctypes.c_double), np.dtype(np.float32): ("float", ctypes.c_float)}


def c_loop(problem: Problem, real: type[np.floating[Any]]) -> Callable[[], Outcome]:
    """Return ``fused_loop.c``, compiled now: what a pass over the bytes costs at least.

    Raises:
        ImportError: there is no gcc, or it does not compile this.
    """
    name, number = _REALS[np.dtype(real)]
    library = built(_SOURCE, f"-DREAL={name}")
    library.fused_loop.restype = ctypes.c_double
    inputs = [np.ascontiguousarray(array, dtype=real) for array in problem.arrays()]
    gradients = np.zeros(problem.z.shape, real), np.zeros(problem.l.shape, real)
    sizes = map(ctypes.c_long, problem.z.shape)
    arguments = *sizes, *map(_address, inputs), number(BETA), number(GAMMA), *map(_address, gradients)

    def call(kept: Any = inputs) -> Outcome:
        return float(library.fused_loop(*arguments)), *gradients

    return call


def triad(size: int) -> Callable[[], None]:
    """Return STREAM's triad over three arrays of so many numbers: 24 bytes each, as STREAM counts.

    Raises:
        ImportError: as for :func:`c_loop`.
    """
    library = built(_SOURCE, "-DREAL=double")
    a, b, c = np.zeros(size), np.ones(size), np.ones(size)
    return lambda: library.triad(ctypes.c_long(size), _address(b), _address(c), ctypes.c_double(3.0), _address(a))


def _address(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


LIBRARIES = {"jax": jax_peers, "torch": torch_peers, "numba": numba_peers}

if __name__ == "__main__":
    serve(Path(sys.argv[1]), lambda folder: LIBRARIES[sys.argv[2]](Problem.load(folder)))
