"""`dstheory optimum`: the numbers of claim E3, and bad input."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("length", "p", "a", "b", "share"),
    [(1, 0.9154, 0.9247, 0.9997, 0.589), (64, 0.5613, 0.9645, 0.9993, 0.987), (1024, 0.5507, 0.9654, 0.9993, 0.999)],
)
def test_the_decision_share_grows_with_the_weighted_length(dstheory, length, p, a, b, share) -> None:
    ran = dstheory("optimum", "--answer-length", length, "--length-weight", 1, "--json")
    data = ran.result
    assert [round(data["optimum"][k], 4) for k in "pab"] == [p, a, b]
    assert round(data["decision_share_of_gain"], 3) == share


@pytest.mark.parametrize(("option", "value"), [("--beta", "0"), ("--beta", "-1"), ("--length-weight", "2"), ("--gamma", "1.5")])
def test_bad_input_is_one_sentence(dstheory, option, value) -> None:
    ran = dstheory("optimum", option, value)
    assert ran.code in (1, 2)
    assert ran.err.count("\n") <= 4
    assert ran.out == ""
