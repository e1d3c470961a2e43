"""The page of `dstheory anatomy --report`: answers first, everything inside, nothing that acts, numbers as CSV."""

from __future__ import annotations

import csv
import io
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from dstheory.anatomy import Episodes, answer, generate_log, survey
from dstheory.anatomy.generate import Cell
from dstheory.anatomy.surveys import Survey
from dstheory.cli.anatomy.conclusions import conclusions
from dstheory.cli.anatomy.document import document
from dstheory.cli.anatomy.page import html_report
from dstheory.plots.anatomy import anatomy_panels

HOSTILE = '"><script>alert(1)</script>&'


def elements(page: str) -> ElementTree.Element:
    """The page is also well-formed XML, so that what is inside what can be asked."""
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def page_of(found: Survey, **names: str) -> str:
    return html_report(found, anatomy_panels(found), **names)


@pytest.fixture(scope="module")
def compared() -> Survey:
    return survey(generate_log(60), compared=("base", "tuned"))


@pytest.fixture(scope="module")
def page(compared: Survey) -> str:
    return page_of(compared)


def test_the_answers_come_first_and_contents_lead_everywhere(page: str) -> None:
    root = elements(page)
    parts = [part.get("id") for part in root.findall("./body/main/section")]
    assert parts[:2] == ["answers", "figures"]
    links = [link.get("href") for link in root.findall("./body/main/nav//a")]
    assert links == [f"#{part}" for part in parts]
    questions = [question.text for question in root.findall("./body/main/section[@id='answers']/h3")]
    assert questions == [
        "Whose gain is it, from base to tuned? ", "base: Does resampling help? ", "base: What to do? ",
        "tuned: Does resampling help? ", "tuned: What to do? ",
    ]  # fmt: skip
    assert '<meta name="viewport" content="width=device-width, initial-scale=1"/>' in page
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))


def test_every_figure_says_its_numbers(compared: Survey, page: str) -> None:
    root = elements(page)
    figures = root.findall(".//{http://www.w3.org/2000/svg}svg")
    assert [one.get("aria-label") for one in figures] == [panel.says for panel in anatomy_panels(compared)]
    assert all(one.get("role") == "img" and re.search(r"\d\.\d{3} \[", one.get("aria-label") or "") for one in figures)


def test_nothing_is_loaded_and_nothing_runs(page: str) -> None:
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"?(https?:)?//", page)
    assert "default-src 'none'" in page


def test_texts_of_a_log_are_texts() -> None:
    cells = [Cell(HOSTILE, f"{HOSTILE}{i}", 0.5, 0.9, 0.5) for i in range(2)] + [Cell("=1+1", HOSTILE + "0", 0.5, 0.9, 0.5)]
    found = survey(generate_log(20, cells=cells))
    page = page_of(found, title=HOSTILE)
    assert "<script" not in page
    root = elements(page)
    assert HOSTILE in (root.findtext("./head/title") or "")
    for link in root.findall(".//a[@download]"):
        assert re.fullmatch(r"[a-z0-9-]+\.csv", link.get("download") or "")
    assert not re.search(r'data:[^"]*[<>\'\s]', page)


def test_tables_are_given_as_csv_in_which_nothing_acts(compared: Survey) -> None:
    found = survey(generate_log(30, cells=[Cell("m", "=SUM(A1)", 0.5, 0.9, 0.5), Cell("m", "x,y", 0.2, 0.8, 0.6)]))
    root = elements(page_of(found))
    tables = root.findall(".//table")
    links = root.findall(".//a[@download]")
    assert len(tables) == len(links) > 4
    rows = list(csv.reader(io.StringIO(unquote((links[0].get("href") or "").split(",", 1)[1]))))
    p = found.groups[0].parts["=SUM(A1)"].rates.p
    assert rows[0][:7] == [
        "task",
        "problems",
        "episodes",
        "attempts",
        "p of all attempts",
        "p of all attempts low",
        "p of all attempts high",
    ]
    assert [row[0] for row in rows[1:]] == ["'=SUM(A1)", "x,y", "(all)"]
    assert rows[1][4:7] == [f"{x:.3f}" for x in (p.value, p.low, p.high)]
    for link in links:
        for row in csv.reader(io.StringIO(unquote((link.get("href") or "").split(",", 1)[1]))):
            assert not [cell for cell in row if cell[:1] in "=+@" and cell and not re.fullmatch(r"[-+]?[\d.]+", cell)]


def test_what_is_rejected_is_marked_by_word_and_sign() -> None:
    unlike = survey(generate_log(300, cells=[Cell("m", "t", 0.4, 0.7, 0.8)], concentration=1.0))
    page = page_of(unlike)
    rejected = [test.name for test in unlike.groups[0].checks if test.rejected()]
    assert "p over problems" in rejected
    assert page.count('<td class="w rejected">\u2717 rejected</td>') == len(rejected)
    assert "\u2717 Of " in page
    alike = survey(generate_log(100, cells=[Cell("m", "t", 0.4, 0.7, 0.8)], concentration=None, seed=3))
    assert not [test for test in alike.groups[0].checks if test.rejected()]
    assert "\u2717" not in page_of(alike)
    assert "which does not show that they hold" in page_of(alike)


@pytest.mark.parametrize(
    ("cell", "problems", "short"),
    [
        (Cell("m", "t", 0.4, 0.9, 0.8), 300, "yes"),
        (Cell("m", "t", 0.4, 0.3, 0.3), 300, "no"),
        (Cell("m", "t", 0.4, 0.5, 0.5), 30, "undecided"),
        (Cell("m", "t", 0.4, 1.0, 1.0), 100, "yes, if these are its own"),
    ],
)
def test_whether_reflection_helps_is_said_as_far_as_the_log_shows_it(cell: Cell, problems: int, short: str) -> None:
    helps, advice = conclusions(survey(generate_log(problems, cells=[cell])))
    assert (helps.question, helps.short) == ("Does resampling help?", short)
    expected = {"yes": "attempts", "no": "submit the first answer", "undecided": "undecided"}.get(short, "find out who decides")
    assert expected in advice.short
    if short == "undecided":
        assert "0 is in the interval, so neither is shown" in " ".join(helps.sentences)


def test_a_gain_that_may_be_zero_is_nobodys() -> None:
    cells = [Cell(name, "t", 0.4, 0.8, 0.6) for name in ("x", "y")]
    (first, *_) = conclusions(survey(generate_log(60, cells=cells), compared=("x", "y")))
    assert first.short == "no difference in accuracy is shown"
    assert "which may be zero" in first.sentences[0]


def test_terms_are_explained_once_where_they_first_stand(compared: Survey) -> None:
    said = [sentence for one in conclusions(compared) for sentence in one.sentences]
    for words in (
        "the chance that an answer is right",
        "0 where decisions do not depend",
        "a/(1-b): stopping",
        "the largest number",
    ):
        assert sum(words in sentence for sentence in said) == 1, words


def test_one_shot_logs_say_what_samples_give() -> None:
    fields = {"task": ["t"] * 80, "step": [str(i // 40) for i in range(80)]}
    log = Episodes.record([(str(i % 10), [(i % 10 < 2 or i % 7 == 0, None)]) for i in range(80)], cap=1, fields=fields)
    right, samples = conclusions(survey(log))
    assert right.question == "How often is an answer right?"
    assert "does not show whether resampling helps" in right.sentences[1]
    assert "--reader transcript --field transcript=KEY" in right.sentences[-1]
    assert "dead groups" in samples.short
    assert "From step 0 to step 1" in samples.sentences[-2]
    assert "is not tested" in samples.sentences[-2]
    assert samples.sentences[-1].startswith("* ")


@pytest.mark.parametrize(("p", "said"), [(1.0, "every answer is right"), (0.0, "every answer is wrong")])
def test_nothing_is_advised_where_every_answer_is_alike(p: float, said: str) -> None:
    """Decisions are there, but not after both kinds of answers: to record them would not help, and no cap follows."""
    found = survey(generate_log(40, cells=[Cell("m", "t", p, 0.8, 0.7)], concentration=None))
    helps, advice = conclusions(found)
    assert helps.short == "cannot be estimated"
    assert advice.short == f"nothing is shown: {said}"
    (cap,) = (section for section in document(found) if section.title == "recommended cap")
    assert not cap.brief
    assert "no cap is recommended" in cap.lines[-1]


def test_two_problems_do_not_show_that_resampling_helps() -> None:
    """Two problems, ten episodes of each: a and b move against each other, as any two numbers do or do not over two problems."""
    right, wrong = (True, "stop"), (False, "resample")
    rows = [("x", [wrong, right])] * 9 + [("x", [(True, "resample"), right])] * 3 + [("y", [(False, "stop")])] * 2
    rows += [("y", [wrong, wrong, right])] * 8
    total = answer(Episodes.record(rows))
    assert total.youden.low < 0
    assert total.helps == "undecided"
