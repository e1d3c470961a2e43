"""The few fused, compiled, parallel loops that large tables need, each beside the plain NumPy that it is tested against.

Kernels take and return arrays; they know nothing of chains and policies. Importing this package costs nothing: numba is
imported when one of the names in ``__init__.pyi`` is first used.
"""

import lazy_loader

__getattr__, _, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted([*_names, "is_compiled", "warm_up"])

_MARK = "complete"


def __dir__() -> list[str]:
    return __all__


def is_compiled() -> bool:
    """Return whether `warm_up` has run on this machine with these sources, so that no kernel will wait for the compiler.

    Always False where no cache directory can be written: there each process compiles anew.
    """
    from dstheory.kernels.jit import cache_directory

    directory = cache_directory()
    return directory is not None and (directory / _MARK).exists()


def warm_up() -> None:
    """Run every kernel once on a problem of one prompt and two answers: compiled now, or loaded from the cache.

    Example:
        >>> warm_up()
    """
    import numpy as np

    from dstheory.kernels.gradient import reward_kl_gradient
    from dstheory.kernels.grouped import grouped_gradient
    from dstheory.kernels.jit import cache_directory
    from dstheory.kernels.sampling import sample_trajectories
    from dstheory.kernels.tilted import tilted_mass, tilted_moments
    from dstheory.kernels.training import train_minimal
    from dstheory.kernels.whitened import whitened_gradient

    table = np.zeros((1, 2))
    for sums in (False, True):
        reward_kl_gradient(table, table, 1.0, 0.0, sums=sums)
        reward_kl_gradient(table, table, 1.0, 0.0, ref_sample_logits=table, ref_stop_logits=table, beta=1.0, sums=sums)
    train_minimal(np.zeros((1, 3)), 1, learning_rate=1.0)
    half = np.full((1, 2), 0.5)
    sample_trajectories(1, np.random.default_rng(0), answer_probability=half, stop_probability=half, horizon=1)
    one = np.ones((1, 1))
    two = np.array([2])
    tilted_moments(half, half, one, half, t=one[0], n_answers=two)
    for slope in (None, one):
        tilted_mass(half, half, half, one, half, t=one[0], constant=one, slope=slope, prompt_weight=one[0], n_answers=two)
    for reference in (None, (table, table)):
        ways = np.ones((2 if reference is None else 4, 1))
        nodes = {"t": one[0], "weights": one[0], "tilts": True, "credits": ways, "beta": 1.0}
        grouped_gradient((table, table), reference, half, one, prompt_weight=one[0], n_answers=two, **nodes)
        shared = {"beta": 1.0, "shift": 0.0, "prompt_weight": one[0], "n_answers": two}
        whitened_gradient((table, table), reference, half, (one, one), **shared)
    directory = cache_directory()
    if directory is not None:
        (directory / _MARK).touch()
