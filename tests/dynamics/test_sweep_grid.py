"""Grids: what the texts mean, and what is refused, word by word."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory.dynamics.parameters import PARAMETERS, lookup_parameter
from dstheory.dynamics.sweeps.plan import SettingsBatch, parse_axis, parse_grid
from dstheory.errors import DSTheoryError


@pytest.mark.parametrize(
    ("name", "text", "of", "values"),
    [
        ("length_weight", "0:1:5", "optimum", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("length-weight", "0:0.3:4", "optimum", (0.0, 0.1, 0.2, 0.3)),  # not 0.30000000000000004
        ("beta", "log:1e-3:1:4", "optimum", (0.001, 0.01, 0.1, 1.0)),
        ("BETA", "log: 1e-3 : 1 : 4", "simulate", (0.001, 0.01, 0.1, 1.0)),
        ("answer_length", "log:1:1024:11", "optimum", tuple(2.0**k for k in range(11))),
        ("beta", "0.5:0.5:1", "optimum", (0.5,)),
        ("beta", "1, 0.5,2", "optimum", (1.0, 0.5, 2.0)),  # a list keeps its order
        ("beta", [0.1, np.float64(0.2)], "optimum", (0.1, 0.2)),
        ("beta", np.array([0.1, 0.2]), "optimum", (0.1, 0.2)),
        ("beta", 0.1, "optimum", (0.1,)),
        ("max_turns", "none,1,3", "optimum", (None, 1, 3)),
        ("max_turns", "1:4:4", "optimum", (1, 2, 3, 4)),
        ("clip_norm", [None, 1.0], "simulate", (None, 1.0)),
        ("optimizer", "sgd, adam", "simulate", ("sgd", "adam")),
        ("outer_discount", "true,false", "simulate", (True, False)),
        ("objective", "reinforce, 1e-1*entropy + reinforce", "simulate", ("reinforce", "1e-1*entropy + reinforce")),
        ("beta", "0,1", "simulate", (0.0, 1.0)),
    ],
)
def test_values(name, text, of, values) -> None:
    axis = parse_axis(name, text, of)
    assert axis.values == values
    assert [type(v) for v in axis.values] == [type(v) for v in values]


@given(st.floats(-300, 300), st.floats(0, 5), st.integers(2, 50))
def test_logarithmic_ranges_have_equal_ratios_and_exact_ends(exponent: float, decades: float, count: int) -> None:
    start, stop = 10.0 ** (exponent / 4), 10.0 ** (exponent / 4 + decades)
    if start >= stop or stop / start < 1 + 1e-6:
        return
    values = np.array(parse_axis("beta", f"log:{start!r}:{stop!r}:{count}", "optimum").values)
    # Ends: snapped to a 12-digit decimal at most 8 ulp away. Steps: exp and log lose about |log value| ulp, at most 200.
    assert values[0] == pytest.approx(start, rel=2e-15)
    assert values[-1] == pytest.approx(stop, rel=2e-15)
    steps = np.diff(np.log(values))
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-9, atol=1e-12)


FORM = "write START:STOP:COUNT, log:START:STOP:COUNT, or values separated by commas"
REFUSED = [
    ("beta", "", "optimum", f"the grid of beta is empty: {FORM}"),
    ("beta", [], "optimum", f"the grid of beta is empty: {FORM}"),
    ("beta", "0.1,,0.2", "optimum", "the grid beta=0.1,,0.2 has an empty place between its commas: remove it"),
    ("beta", "1:0.1:5", "optimum",
     "the grid beta=1:0.1:5 runs downwards: write beta=0.1:1:5, or list the values in your order"),
    ("beta", "log:1:0.1:5", "optimum",
     "the grid beta=log:1:0.1:5 runs downwards: write beta=log:0.1:1:5, or list the values in your order"),
    ("beta", "log:0:1:5", "optimum", "the grid beta=log:0:1:5 starts at 0: a logarithmic grid needs both ends > 0"),
    ("beta", "log:-1:1:5", "optimum", "the grid beta=log:-1:1:5 starts at -1: a logarithmic grid needs both ends > 0"),
    ("beta", "0:1:0", "optimum", "the grid beta=0:1:0 has 0 values: needs at least 1"),
    ("beta", "0.1:1:-3", "optimum", "the grid beta=0.1:1:-3 has -3 values: needs at least 1"),
    ("beta", "0.1:1:1", "optimum", "the grid beta=0.1:1:1 has 1 value from 0.1 to 1: one value has one end, written twice"),
    ("beta", "1:1:2", "optimum", "the grid beta=1:1:2 has 2 values from 1 to 1: different values need different ends"),
    ("beta", "0.1:inf:3", "optimum", "the grid beta=0.1:inf:3 has an end that is not finite: give two numbers"),
    ("beta", "nan:1:3", "optimum", "the grid beta=nan:1:3 has an end that is not finite: give two numbers"),
    ("beta", "0.1:1", "optimum",
     f"the grid beta=0.1:1 is not a range: {FORM}"),
    ("beta", "0.1:1:2.5", "optimum",
     f"the grid beta=0.1:1:2.5 is not a range: {FORM}"),
    ("beta", "0.1:1:3:4", "optimum",
     f"the grid beta=0.1:1:3:4 is not a range: {FORM}"),
    ("beta", "exp:0.1:1:3", "optimum",
     f"the grid beta=exp:0.1:1:3 is not a range: {FORM}"),
    ("beta", "0:1:5", "optimum", "the grid of beta does not work: beta is 0: must be > 0 and <= 1e+100"),
    ("beta", "0.1,0.1", "optimum", "the grid of beta has 0.1 twice: every value needs its own place"),
    ("beta", "0.1,one", "optimum", "the grid of beta does not work: beta is 'one': must be a number"),
    ("beta", "__import__('os').getpid()", "optimum",
     "the grid of beta does not work: beta is \"__import__('os').getpid()\": must be a number"),
    ("beta", "0.1,nan", "optimum", "the grid of beta does not work: beta is nan: must be finite"),
    ("p", "0:1:5", "optimum", "the grid of p does not work: p is 0: must be > 0 and < 1"),
    ("gamma", "0.5:1.5:3", "optimum", "the grid of gamma does not work: gamma is 1.5: must be >= 0 and <= 1"),
    ("max_turns", "1:4:3", "optimum", "the grid of max_turns does not work: max_turns is 2.5: must be a whole number >= 1"),
    ("max_turns", "two", "optimum", "the grid of max_turns does not work: max_turns is 'two': must be a number, or none"),
    ("answer_length", "0.5,1", "optimum", "the grid of answer_length does not work: answer_length is 0.5: must be >= 1"),
    ("optimizer", "sgd,adan", "simulate",
     "the grid of optimizer does not work: optimizer is 'adan': must be one of sgd, momentum, adam, natural; did you mean adam?"),
    ("outer_discount", "yes", "simulate",
     "the grid of outer_discount does not work: outer_discount is 'yes': must be true or false"),
    ("beta", "0.1:1:99999999999", "optimum",
     "the grid of beta has 99,999,999,999 values: at most 10,000,000 of one parameter can be swept"),
    ("betta", "0.1", "optimum", "there is no parameter 'betta' of optimum to sweep: did you mean beta?"),
    ("steps", "10", "optimum", "steps is a parameter of simulate, not of optimum: sweep another one, or of='simulate'"),
    ("expert", "0.9", "simulate", "expert is made of several numbers: sweep expert_p, expert_a, expert_b"),
    ("runs", "1,2", "simulate",
     "random starts are a dimension of their own: fix their number with runs, and sweep something else"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values", "of", "message"), REFUSED)
def test_refused(name, values, of, message) -> None:
    with pytest.raises(DSTheoryError) as error:
        parse_axis(name, values, of)
    assert str(error.value) == message


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(DSTheoryError, match=r"known are a, answer_length, .*, reward_stop_wrong$"):
        lookup_parameter("zzz", "optimum")
    with pytest.raises(DSTheoryError, match=r"^p describes the minimal chain M0; a chain from a file"):
        lookup_parameter("p", "optimum", minimal=False)


@pytest.mark.parametrize(
    ("grids", "message"),
    [
        ([], "there is nothing to sweep: give at least one grid, for example length_weight=0:1:21"),
        (["beta"], "the grid 'beta' has no parameter: write NAME=VALUES, for example length_weight=0:1:21"),
        (["=1"], "the grid '=1' has no parameter: write NAME=VALUES, for example length_weight=0:1:21"),
        (["beta=0.1", "Beta=0.2"], "beta is swept twice: put all its values into one grid"),
        (["answer_length=1,2", "answer-length-wrong=3"],
         "answer_length sets both lengths, and answer_length_wrong one of them again: sweep one or the other"),
    ],
)  # fmt: skip
def test_grids_that_do_not_fit_together_are_refused(grids, message) -> None:
    with pytest.raises(DSTheoryError) as error:
        parse_grid(grids, "optimum")
    assert str(error.value) == message


def test_whole_numbers_beyond_floating_point_are_refused() -> None:
    with pytest.raises(DSTheoryError, match=r"^the grid of beta does not work: beta is 10{9}.*: must be a number$"):
        parse_grid({"beta": [10**400]}, "optimum")


@pytest.mark.parametrize("length", [1, 2, 5, 1000])
def test_tiles_meet_every_setting_once_and_unfold_to_its_place(length: int) -> None:
    grid = parse_grid(["beta=1,2,3", "max_turns=none,2", "gamma=0.5,0.7", "reduction=mean,sum"], "optimum")
    batches = grid.batches(length)
    assert max(t.stop - t.start for t in batches) <= length
    parts = [grid.settings(t) for t in batches]
    counts = [t.stop - t.start for t in batches]

    def flat(name: str) -> np.ndarray:
        return np.concatenate([np.broadcast_to(np.array([p[name]]).ravel(), n) for p, n in zip(parts, counts, strict=True)])

    assert sum(counts) == grid.size == 24
    for name, axis in zip(("beta", "gamma"), (0, 2), strict=True):
        table = grid.unfold(flat(name))
        assert table.shape == (3, 2, 2, 2)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        assert (table == np.reshape(grid.axes[axis].values, shape)).all()
    seen = set(zip(flat("beta"), flat("gamma"), flat("reduction"), [str(v) for v in flat("max_turns")], strict=True))
    assert len(seen) == 24


def test_labels_say_none_as_infinity_and_keep_whole_numbers_whole() -> None:
    assert parse_axis("max_turns", "none,2", "optimum").labels().tolist() == [math.inf, 2.0]
    assert parse_axis("max_turns", "1,2", "optimum").labels().dtype == np.int64
    assert parse_axis("outer_discount", "true,false", "simulate").labels().tolist() == ["true", "false"]


def test_a_grid_survives_pickling() -> None:
    grid = parse_grid(["beta=1,2,3", "reduction=mean,sum"], "optimum")
    there = pickle.loads(pickle.dumps(grid))
    assert there == grid
    np.testing.assert_equal(there.settings(SettingsBatch(1, 1, 3))["beta"], [2.0, 3.0])


def test_every_parameter_has_a_label_a_place_and_a_default_in_its_own_range() -> None:
    for name, parameter in PARAMETERS.items():
        assert parameter.long_name, name
        assert parameter.units, name
        assert parameter.of, name
        if parameter.default is not None:
            assert parameter.value(parameter.default, parameter.of[0]) == parameter.default
    loops = {name for name, p in PARAMETERS.items() if not p.batched}
    assert {"optimizer", "steps", "max_turns"} <= loops
    assert not {"beta", "length_weight", "gamma", "p", "a", "b", "answer_length", "lr"} & loops
    assert len(list(itertools.chain(PARAMETERS))) == len(set(PARAMETERS))
