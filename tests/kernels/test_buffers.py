"""Memory is used again only when nobody can see it any more."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from dstheory.kernels import parallel, reward_kl_gradient

SHAPE = (1024, 1024)  # 8 MB


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_buffers", [])


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[None],
        lambda a: a.T,
        lambda a: a[3:5, ::2],
        lambda a: a.ravel(),
        memoryview,
        lambda a: a.view(np.uint8),
        lambda a: np.broadcast_to(a, (2, *SHAPE)),
    ],
)
def test_any_view_keeps_its_memory(view) -> None:
    array = parallel.empty(SHAPE)
    place = address(array)
    held = view(array)
    del array
    assert address(parallel.empty(SHAPE)) != place
    del held
    assert place in {address(a) for a in (parallel.empty(SHAPE), parallel.empty(SHAPE))}


def test_other_sizes_get_other_memory() -> None:
    place = address(parallel.empty(SHAPE))
    assert address(parallel.empty((1024, 2048))) != place
    assert address(parallel.empty((2048, 512))) == place  # same size, other shape


def test_no_more_is_kept_than_promised() -> None:
    alive = [parallel.empty(SHAPE) for _ in range(40)]
    assert sum(buffer.nbytes for buffer in parallel._buffers) <= parallel._KEPT
    for i, array in enumerate(alive):
        array.fill(i)
    assert all((array == i).all() for i, array in enumerate(alive))
    too_large = parallel.empty((4096, 4096))
    assert not any(np.shares_memory(too_large, buffer) for buffer in parallel._buffers)
    assert parallel.empty((3, 3)).base is None


def test_threads_do_not_share() -> None:
    results: list[np.ndarray] = []

    def work(number: int) -> None:
        for _ in range(20):
            array = parallel.empty(SHAPE)
            array.fill(number)
            assert (array == number).all()
        results.append(array)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({address(array) for array in results}) == len(results) == 4


def test_a_gradient_in_use_is_not_overwritten() -> None:
    rng = np.random.default_rng(0)
    z, l = rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    first = reward_kl_gradient(z, l, 1.0, 0.0)
    before = first.sample.copy()
    second = reward_kl_gradient(-z, l, 1.0, 0.0)
    assert not np.shares_memory(first.sample, second.sample)
    assert (first.sample == before).all()
    place = address(second.sample)
    del second
    third = reward_kl_gradient(z, l, 1.0, 0.0)
    assert address(third.sample) == place
    assert (third.sample == before).all()
