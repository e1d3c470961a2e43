"""Results say what they hold, in text and in HTML."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import sympy
from rich.cells import cell_len

import dstheory
from dstheory import Claim, Policy, Reinforce, TwoStageMDP, solve
from dstheory.anatomy import Episodes, from_records, simulate_log, survey
from dstheory.claims import UNIT, decide, identity
from dstheory.dynamics import compare
from dstheory.errors import ChainError
from dstheory.tables import Table

MDP, START = TwoStageMDP.minimal(), Policy.minimal(p=0.55, a=0.8, b=0.3)
IMPROPER = Policy.from_probabilities([[0.5, 0.5]], [[0, 0]])


def test_a_solution_shows_its_numbers_even_where_an_episode_never_ends() -> None:
    assert repr(solve(MDP, START)) == "Solution(accuracy=0.583, turns=1.32, p=0.55, a=0.8, b=0.3)"
    assert repr(solve(TwoStageMDP.minimal(gamma=1), IMPROPER)) == "Solution(accuracy=0, turns=inf, p=0.5, a=0, b=1)"
    runs = solve(MDP, Policy.minimal(p=[0.5, 0.6], a=0.8, b=0.3))
    assert repr(runs).startswith("Solution(accuracy=0.533 to 0.632, ")
    certain = solve(MDP, Policy.from_probabilities([[1, 0]], [[1, 1]]))
    assert "b=nan" in repr(certain)


def test_a_policy_of_the_minimal_chain_has_p_a_b() -> None:
    assert (START.p, START.a, START.b) == pytest.approx((0.55, 0.8, 0.3), rel=1e-14)
    assert isinstance(START.p, float)
    several = Policy.minimal(p=[0.5, 0.6], a=0.8, b=0.3)
    np.testing.assert_allclose(several.p, [[0.5], [0.6]], rtol=1e-14)
    np.testing.assert_allclose(several.b, [[0.3], [0.3]], rtol=1e-14)
    with pytest.raises(ChainError, match=r"policy.a is defined for one prompt with two answers.*solve\(mdp, policy\).a"):
        _ = Policy.uniform(TwoStageMDP(correct=[[1, 0], [1, 0]])).a


def test_results_are_tables() -> None:
    p, a, b = sympy.symbols("p a b")
    q = p * (1 - a) + (1 - p) * b
    step = identity("The gain <factors>.", p * a / (1 - q) - p, p * (1 - p) * (a + b - 1) / (1 - q))
    claim = Claim(id="A3", statement="Reflection helps iff a + b > 1.", domain={"p a b": UNIT}, proof=[step])
    records = [{"id": i, "attempts": [{"correct": i % 2 == 0, "decision": "stop"}]} for i in range(4)]
    shown = {
        "reinforce: coefficients balanced": dstheory.attribute(Reinforce(), solve(MDP, START)),
        "Optimum: found": dstheory.optimum(MDP, START, beta=0.1),
        "Training": dstheory.train(MDP, START, Reinforce(), steps=3),
        "A3: Reflection helps iff a [+] b > 1": claim,
        r"A3: holds \(proved\); scope: all p, a, b in \(0, 1\)": dstheory.check(claim),
        "Survey of a log": survey(from_records(records).episodes),
    }
    for first, thing in shown.items():
        lines = repr(thing).splitlines()
        assert re.fullmatch(first, lines[0])
        assert len(lines) > 2
        assert thing._repr_html_().count("<table>") == 1
    assert "0.500" in repr(shown["Survey of a log"])
    wrong = Claim(id="W", statement="p exceeds a.", domain={"p a": UNIT}, proof=[decide("It does.", p > a)],
                  recorded="fails", witness={"p": "1/2", "a": "1/2"})  # fmt: skip
    assert repr(dstheory.check(wrong)).startswith("W: fails (refuted) at p = 1/2, a = 1/2; scope: all p, a in (0, 1)\n")
    named = Claim(id="N", statement="V is below p.", domain={"p": UNIT}, definitions={"V": p**2}, proof=[decide("It is.", p > a)])
    assert repr(dstheory.check(named)).startswith("N: error: claim N defines V, which only a file of claims may do. ")


def test_a_picture_shows_itself_in_a_notebook_that_has_not_loaded_pyplot() -> None:
    shown = dstheory.optimum(MDP, START, beta=0.1).plot()
    assert shown._repr_png_().startswith(b"\x89PNG")


def test_what_cells_say_is_escaped() -> None:
    html = Table("<b>", ("&",), [("<script>",)]).html()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert ">&lt;b&gt;</caption>" in html
    assert '<th scope="col">&amp;</th>' in html


def test_dollars_of_names_are_no_formulas_and_wide_letters_are_counted() -> None:
    """A notebook set what stood between two dollars as mathematics, and columns after a name in Chinese were not aligned."""
    table = Table("$t$", ("name", "p"), [("$x$", "0.5"), ("算术模型", "1"), ("m", "2")])
    assert re.findall(r"[^>]\$|\$[^<]", table.html()) == []
    assert [
        cell_len(line[: -len(cell)]) for line, cell in zip(table.text().splitlines()[2:], ("0.5", "1", "2"), strict=True)
    ] == [10] * 3


def test_a_table_of_a_part_says_so() -> None:
    many = TwoStageMDP(correct=[[1, 0]] * 30)
    assert many.table().title.endswith(": the first 20 of 60 rows")
    assert "first" not in MDP.table().title
    assert Policy.minimal(p=[0.2, 0.3], a=0.5, b=0.5).table().title.endswith(": of the first run")
    assert TwoStageMDP.minimal(reward_stop=[[[1, 0]], [[2, 0]]]).table().title.endswith(": of the first run")


def test_a_report_and_a_comparison_are_tables_too() -> None:
    """They showed all their parts, one in the other: a report of 203 verdicts had hundreds of thousands of letters."""
    report = dstheory.verify("A3", "A3-loose", workers=1)
    assert repr(report).splitlines()[0] == "Report: 2 verdicts, all as recorded"
    assert [line.split()[0] for line in repr(report).splitlines()[2:]] == ["A3", "A3-loose"]
    assert "fails" in report._repr_html_()
    other = replace(report, entries=(replace(report.entries[0], info={**report.entries[0].info, "recorded": "fails"}),))
    assert repr(other).splitlines()[0] == "Report: 1 verdict, 1 not as recorded"
    assert repr(other).endswith("holds, recorded fails")
    found = compare(MDP, START, {"$b$ <i>": Reinforce()}, steps=2)
    row = dict(zip(found.table().head, found.table().rows[0], strict=True))
    assert row["p"] == f"{found.results['$b$ <i>'].log['p'][-1]:.3g}"
    assert float(row["gain by sampling"]) == pytest.approx(float(found.gains["$b$ <i>"].sample), rel=1e-2)
    assert "&lt;i&gt;" in found._repr_html_()
    assert len(found.plot(title="M0").axes) == 6


def test_the_columns_of_a_survey_are_its_rates_by_group_and_label() -> None:
    logs = [simulate_log(40, p=p, a=0.7, b=0.8, cap=4, task=task, name=task) for task, p in (("easy", 0.7), ("hard", 0.3))]
    found = survey(Episodes.concatenate(logs))
    columns = found.columns()
    assert list(columns)[:6] == ["model", "task", "p", "p_low", "p_high", "p_n"]
    (group,) = found.groups
    assert columns["task"][1:] == list(group.parts) == ["easy", "hard"]
    for at, answers in enumerate([group.total, *group.parts.values()]):
        for name in "pab":
            rate = getattr(answers.rates, name)
            there = [columns[f"{name}{end}"][at] for end in ("", "_low", "_high", "_n")]
            assert there == [rate.value, rate.low, rate.high, rate.trials]
    assert list(found.to_dataframe().columns) == list(columns)
