"""Final answers: what a text says last, and whether it is the right one."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from readers.answer_pairs import NOT_RIGHT, RIGHT

from dstheory.anatomy import read_log
from dstheory.readers import grading
from dstheory.readers.final_answers import compare_final, final_answers, same_answer
from dstheory.readers.records import Fault

SAME = [
    ("7", "7"), ("7.0", "7"), ("The answer is 1,024.", "1024"), (r"\boxed{\frac{1}{2}}", "0.5"), ("so x = 3, hence 4", "4"),
    ("Paris", " paris "), (r"$\boxed{Paris}$", "paris"), ("0.1", "1/10"), ("The answer is Paris.", "Paris"),
    ("The answer is yes, because", "yes"), ("(B)", "B"), ("B", "(B)"), ("B. because", "B"), ("A is wrong; the answer is C", "C"),
    ("Answer: (B), since (A) is wrong", "B"), (r"\boxed{\textbf{(B)}}", "B"), (r"\boxed{\text{A}}", "A"),
    ("The answer is (B)", "B"),    ("the answer is x", "x"), (r"\boxed{x=5}", "5"), ("so $x=3$", "3"),
    ("2^{10}", "1024"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt3}"), (r"\boxed{1{,}000}", "1000"), (r"\boxed{50\%}", "50"), (r"\boxed{50\%}", "0.5"),
    (r"\boxed{(1,2)}", "(1, 2)"), (r"\boxed{2,1}", "1,2"), (r"\boxed{0.333333}", r"\frac13"), (r"\boxed{5\text{ cm}}", "5"),
    (r"\boxed{3\sqrt{2}}", r"\sqrt{18}"), (r"\boxed{x^2+2x+1}", "(x+1)^2"),
    (r"\boxed{\frac{\sqrt{3}}{3}}", r"\frac{\sqrt{3}}{3}"),    (r"\boxed{\$5}", "5"),
    ("$.", " $. "), ("x" * 5000, "x" * 5000), ("10 %", "10"),
    (r"$\boxed{\boxed{3}}$", "3"), (r"\boxed{4} \boxed{5}", "5"),
    (r"\boxed{1\frac{1}{2}}", r"\frac{3}{2}"), (r"\boxed{1\frac{1}{2}}", "1.5"), ("The answer is 1 1/2.", "3/2"),
    ("3/2", "1 1/2"), (r"so it is $-2 \dfrac{1}{4}$.", "-9/4"), ("I get 1 1/2", "1.5"), (r"\boxed{1 000}", "1000"),
    (r"\boxed{1\,000/3}", "1000/3"),
    # the answer alone, as harnesses extract it
    ("b + a", "a+b"), ("x^2-1", "(x+1)(x-1)"), ("-(-3)", "3"), ("-2, 2", r"\pm 2"), ("\u22123", "-3"),
    (r"\frac{\pi}{2}", r"\pi/2"),
    ("1e6", "1000000"),
    (r"\boxed{2.5\times10^{-3}}", "0.0025"), (r"6.02\cdot 10^{23}", "6.02e23"), (r"\left(0, 1\right]", "(0,1]"),
    (r"\boxed{18 dollars}", "18"), ("12 cm", "12"), ("0.75 cups", "3/4 cup"), (r"\boxed{\approx 7}", "7"),
    # several boxes, marks of the answer, what is taken back
    (r"$\boxed{3}$ and $\boxed{-1}$", "-1,3"), ("<answer> B </answer>", "B"), ("<answer>13</answer> for 12 people", "13"),
    ("12 * 4 = 48\n#### 48\nThat took 3 steps", "48"), (r"#### 3\nSo \boxed{4}", "4"), ("#### 2. Check\nIt is 7", "7"),

    ("$2$ and $3$", "3, 2"), ("x = 1 or x = -4", "-4,1"), ("1, 2", r"1 \text{ and } 2"),
    ("= 4", "4"), ("x = 4.", "4"), ("~100", "100"), ("It can't be 7, so it is 8", "8"), ("60 minutes", "60 min"),
    ("<answer>5</answer>\n<answer>6</answer>", "6"), ("y=3, x=2", "x=2,y=3"),
    # units by their other names, and what is said on the way
    (r"\boxed{5 ft}", r"5\text{ feet}"), (r"5\,\mathrm{~m}", "5 metres"), ("5kg", "5 kg"), (r"10\text{ cm}", r"10\text{ cm}^2"),
    ("3 dollars per day", "3 dollars"), ("The result is 12.\nSo 12 + 3 = 15.", "15"), ("101_2", "101"),
    (r"101_{\text{two}}", "101_{two}"), ("I think (B), as (A) is wrong", "B"), ("The answer is 2 + 3 = 5", "5"),
    ("A: 12", "12"), ("The answer is negative 5", "-5"), ("The answer is \u22485", "5"),
    # one number in the last thought, or in what follows "the answer is"
    ("The answer is 12 because 3 x 4 = 12.", "12"), ("The sum of 12 and 3 is 15.", "15"),

    ("x is equal to 3.", "3"), ("It took 3 minutes, so it is 12.", "12"),
    ("maybe 3</think>\n12", "12"),
    # signs before dollars, and dashes for minus; what is taken back; powers of ten by letters
    ("The profit is -$20.", "-20"), ("It is \u20135 degrees", "-5"), ("The answer is minus 5", "-5"), ("1.5 x 10^3", "1500"),
    ("The answer is A because option B fails", "A"),
    ("The answer is therefore 12 days, as required.", "12"), ("So 12 is the answer.", "12"), ("1. Add.\n2. It is 12.", "12"),
    ("She has 5 apples left.", "5 apples"), ("In total 5 km are left.", "5 kilometers"), ("It is 12%.", "0.12"),

    ("x = 6 since 5 is odd", "6"), ("\u00bd", "1/2"), ("\u00bd", "0.5"), ("7 x 8", "56"), ("12 \u00f7 4", "3"), ("No.", "no"),
    ("The number of eggs is 4 + 8 = 12.", "12"), ("**Final answer**\n\n12", "12"),
    ("The answer is 12. I hope it is correct.", "12"), ("It is 5\u00b2 m", "25"),
    ("She sold 9 - 2 = 7.\n#### 7", "She sells 9 - 2 = <<9-2=7>>7.\n#### 7"), ("7", "Thus $x = \\boxed{7}$."), (".5", "1/2"),
    ("We have 12.\n", "12"), ("We get $x=3$.\nThus $f(3) = 12$.", "12"),
    # formulas within formulas; an article
    (r"It is -\(\frac{1}{2}\)", "-1/2"), (r"\(5\), \(6\)", "5, 6"), (r"The answer is \(3\)/\(4\).", "0.75"), (r"\(5\) cm", "5"),
    ("The answer is the red car.", "the red car"), ("(B) is correct", "B"), ("(B) No", "B"),
]  # fmt: skip
DIFFERENT = [
    ("so x = 4, hence 3", "4"), ("Paris", "Rome"), ("7.0001", "7"), ("1/3", "0.3333"), ("nothing here", "5"), ("1/0", "5"),
    ("5", "1/0"), ("Paris", "Pairs"), (r"\boxed{\text{B}}", "A"), ("I think B", "C"), (r"\frac{\sqrt{3}}{3}", "3"),
    ("So $\\frac{\\sqrt{3}}{3}$.", "3"), ("2^{10}", "10"), (r"\boxed{-12}", "12"), (r"\boxed{12}", "-12"),
    (r"\boxed{[1,2)}", "(1,2)"),    (r"\boxed{\frac{\sqrt{2}}{3}}", "3"), (r"\boxed{x^{2}}", "2"), (r"\boxed{\pi}", "3.14"),
    ("The answer is a bit odd", "A"),
    ("", "4"), ("4", "."), (r"\boxed{50\%}", "0.4"), (r"\boxed{0.33333}", "1/3"), (r"\boxed{0.5\%}", "1/2"),
    (r"\boxed{1\frac{1}{2}}", "11/2"), (r"\boxed{11/2}", "1 1/2"), ("11/2", r"1\frac{1}{2}"), ("The answer is 1 1/2.", "1/2"),
    (r"\boxed{1 2}", "12"), (r"\boxed{-1\frac{1}{2}}", "-1/2"),
    ("7x", "7"), ("7!", "7"), (r"x \ne 3", "x=3"), (r"\pm 2", "2"), ("05/01/2023", "2023"), ("2+3i", "3"), ("1e3", "3"),
    ("[0,1]", "(0,1)"), (r"\{1,2\}", "(1,2)"), ("(1,2)", r"\{1,2\}"), ("[3,5)", "[3,5]"),
    ("10 km", "10 cm"), (r"10\text{ m}", r"10\text{ cm}"), ("3 million", "3"), (r"\boxed{7 or more}", "7"),
    (r"\boxed{1} or \boxed{2}", "2"), (r"\boxed{1}, \boxed{2}", "2"), ("1 or 2", "2"), ("The answer is 1 or 2.", "1"),
    (r"\boxed{red, blue}", "red"), ("<answer>13</answer> for 12 people", "12"), ("#### 48\nin 3 steps", "3"),
    ("The answer is 12, not 13.", "13"), ("It is not 3", "3"), ("at least 7", "7"), ("It is more than $7$", "7"),
    ("The answer is between 5 and 7", "7"), ("7 or more", "7"),
    ("$2$ and $3$", "3"), ("x = 1 or x = -4", "1"), ("over 100", "100"), ("It is not more than 100", "100"), ("2 dozen", "2"),
    ("3 AM", "3 PM"), ("5 g", "5 kg"), ("100+", "100"), (r"\geq 100", "100"), ("It can't be 7", "7"), ("17 percent", "0.17001"),
    # units behind LaTeX's spaces, with powers, of a longer name, or said in a sentence; bases
    (r"5\,\text{m}", r"5\,\text{km}"), (r"5~\text{m}", r"5~\text{km}"), (r"5\mathrm{~m}", r"5\mathrm{~km}"), ("5kg", "5 g"),
    (r"\boxed{5\text{ cm}^3}", r"5\text{ cm}^2"), ("10 cents", "10 centimeters"), (r"\boxed{5 mi}", "5 minutes"),
    ("The answer is 5 m", "5 mm"), (r"\boxed{3 xy}", "3"), (r"\boxed{101_2}", "101_3"), (r"101_{2}", "101_3"),
    # parts of what is said
    ("The answer is negative 5", "5"), ("It is minus $5$", "5"), ("the square root of 5", "5"), ("half of 5", "5"),
    ("The answer is 3 + 4", "4"), ("The answer is x > 5", "5"), ("The answer is 5, 6", "6"), ("It starts at 10:30", "30"),
    ("The ratio is 5:6", "6"), ("It is 5 squared", "5"), ("3 and a half", "3"), ("It cannot be 7", "7"), ("It is never 7", "7"),
    ("The answer is B or C", "B"), ("The answer is (B) or (C)", "C"), ("It is not (B)", "B"), ("Option B is wrong", "B"),
    ("It is 0.5%.", "1/2"), ("It is 5\u00b2 m", "5"),
    ("The profit is -$20.", "20"), ("It is \u20135 degrees", "5"), ("The answer is 5. Wait, it is 6.", "5"),
    ("The answer is 5\nHmm, that is wrong. It must be 6.", "5"), ("**Answer:** 5\n**Correction:** 6", "5"),
    ("The answer is 5, no wait, 6.", "5"), ("The answer is A because option B fails", "B"),
    ("(A) and (B)", "B"), ("The answer is A/B", "A"), ("The answer is A. No wait, B", "A"),
    # a sign, a factor or a quotient outside a formula
    (r"-\(5\)", "5"), (r"The answer is minus \(5\).", "5"), (r"The answer is \(5\)!", "5"), (r"\(3\)/\(4\)", "4"),
    (r"It is \(2\)^\(6\)", "6"), (r"\boxed{x + \(3\)}", "3"), (r"\boxed{\sqrt{\(9\)}}", "9"), (r"\[3\]/\[4\]", "4"),
    ("The answer is \\(53\\)\u03c0.", "53"), (r"-\(\frac{1}{2}\)", "1/2"),
    ("(B) is false", "B"), ("(B) cannot be", "B"), ("(B) isn't true", "B"), ("B) can't hold", "B"), ("(B) fails", "B"),
]  # fmt: skip


UNCLEAR = [
    ("it costs $5 and then $6", "6"), ("12 apples and 13 pears", "13"), ("12 apples and 13 pears", "12"), ("5 to 6", "6"),
    ("That is 60 cents, or $0.60.", "0.6"), ("The answer is 5 to 6.", "5"), ("It takes 5 to 6 days.", "6"), ("3 times 4", "4"),
    ("We get 5, 6 and 7.", "7"), ("It is between 5 and 7", "7"), ("We subtract 3 from 4.", "4"), ("at least 7", "7"),
    ("It should not exceed 7.", "7"), ("It is neither 3 nor 7", "7"), ("2 dozen eggs remain", "2"),
    ("one third of 12 remains", "12"),
    # what follows "the answer is" but does not begin with the number, and numbers that are denied, conditions, or parts of words
    ("The answer is twice 6.", "6"), ("The answer is anything but 7", "7"), ("The answer is a number of 5 digits", "5"),
    ("The answer is impossible: 5 is odd", "5"), ("The answer is 7 lakh", "7"), ("The answer is 0.3 repeating", "0.3"),
    ("So 5 does not work.", "5"), ("5 is wrong.", "5"), ("So we rule out 5.", "5"), ("x = 6 if y = 5", "5"),
    ("No solution exists, since 5 is prime.", "5"), ("so x >= 5", "5"), ("See section 5.", "5"),
    ("5. Conclusion: there is no solution.", "5"), ("Step 5: finish.", "5"), ("It is A4", "4"), ("COVID-19", "-19"),
    ("It is 10x", "10"), ("The answer is 12!", "12"),
    # another unit in a sentence
    ("So it is 12 cm long.", "12 mm"), ("The answer is 12 cm, as required.", "12 mm"), ("The train arrives at 3 PM.", "3 AM"),
    # words that are none of those that change no number; units that may be another
    ("- $1", "1"), ("- $1", "-1"), ("5.5, which rounds to 6", "6"), ("5 fails.", "5"), ("12 cents", "$12"), ("12 cents", "$0.12"),
    ("a loss of 5", "-5"), ("a loss of 5", "5"), ("fifteen", "15"), ("\\boxed{\\text{fifteen}}", "15"),
    ("1.5 hours", "90 minutes"),
    ("\\boxed{5 apples}", "5"), ("5", "5 million"), ("1/3 = 0.33", "1/3"), ("2x = 8", "8"), ("3,5", "3.5"), ("7x8", "56"),
    ("The answer is not\n5", "5"), ("Could it be 5?", "5"), ("Suppose the answer is 5.", "5"),
    ("The answer is 5. That is wrong.", "5"),
    ("The answer is 5.\n\nQ: What is 3 + 4?\nA: The answer is 7.", "7"), ("\\boxed{5} No, the answer is 6.", "5"),
    ("The answer is 12, not 13.", "12"), ("It is $1/2$ or 0.5", "1/2"), ("Part 2: 5", "5"), ("a total of 12 eggs", "12"),
    ("She pays 12 dollars (see step 3).", "12"), ("The answer is 5. Wait, it is 6.", "6"), ("It is not (A) but (B)", "B"),
    ("There are 12 ways to do this.", "12"),
    ("--3", "3"), ("The answer is --3.", "3"), (r"\boxed{1,200}", "1, 200"), ("1, 200", "1,200"), ("$x=3$ and $y=4$ hold", "4"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "gold"), SAME)
def test_answers_that_are_the_same(answer: str, gold: str) -> None:
    assert same_answer(answer, gold) is True


@pytest.mark.parametrize(("answer", "gold"), DIFFERENT)
def test_answers_that_differ(answer: str, gold: str) -> None:
    assert not same_answer(answer, gold)


@pytest.mark.parametrize(("answer", "gold"), UNCLEAR)
def test_answers_that_cannot_be_told_are_not_judged(answer: str, gold: str) -> None:
    assert same_answer(answer, gold) is None
    assert not same_answer(answer, "98765")


SILENT = [  # errors that are left: a box and a tag count whatever is said of them, and a right answer without a unit accepts any
    ("It is 5, as I said it is not.", "5"), ("\\boxed{5} is wrong", "5"), ("not \\boxed{5}", "5"),
    ("<answer>5</answer> is wrong", "5"),
    ("\\boxed{1.5 hours}", "90"), ("\\boxed{\\text{\\$}5}", "5"),
]  # fmt: skip


def test_last_words_of_many_hands_are_judged_right_or_not_at_all() -> None:
    verdicts = {(pair, right): same_answer(*pair) for right, pairs in ((True, RIGHT), (False, NOT_RIGHT)) for pair in pairs}
    silent = [pair for (pair, right), verdict in verdicts.items() if verdict is not None and verdict != right]
    assert sorted(silent) == sorted(SILENT)
    assert sum(verdict is None for (_, right), verdict in verdicts.items() if right) <= 123


WRONG = [
    ("No", " Yes"), ("Yes", "No"), ("The answer is no.", "yes"), ("\\boxed{\\text{NO}}", "Yes"), ("\\boxed{13}", "12"),
    ("The total is 13.", "12"), ("(C)", "B"), ("$x = 3$", "4"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "gold"), WRONG)
def test_wrong_answers_of_the_forms_that_are_judged_are_judged(answer: str, gold: str) -> None:
    """Were only right ones judged, nearly all answers of a log would be right."""
    assert same_answer(answer, gold) is False


def test_records_that_are_not_judged_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    answers = ["The answer is 6.", "It takes 5 to 6 days.", "It takes 5 to 7 days.", r"\boxed{6}"]
    log.write_text("".join(json.dumps({"question": f"q{i}", "said": one, "gold": 6}) + "\n" for i, one in enumerate(answers)))
    read = read_log(log, checker="final-answer", fields={"answer": "said"})
    assert (read.reading.records, read.reading.faults) == (4, {"unclear": 2})
    assert read.episodes.correct.tolist() == [True, True]
    assert read.reading.depends_on_outcome == 2
    check = compare_final()
    assert check("5 to 6", {"gold": ["8", "5 to 6"]})
    with pytest.raises(Fault, match="what the answer says last is not certain, and not judged: end answers with"):
        check("5 to 6", {"gold": ["8", "6"]})


def test_what_is_left_out_with_a_record_that_is_not_judged_is_counted(tmp_path: Path) -> None:
    talk = tmp_path / "talk.jsonl"
    said = [["It is 4.", "Again: 5 or 6 of them.", "It is 6."], ["It is 6."]]
    records = [{"id": i, "gold": "6", "messages": [{"role": "assistant", "content": text} for text in texts]}
               for i, texts in enumerate(said)]  # fmt: skip
    talk.write_text("\n".join(map(json.dumps, records)))
    read = read_log(talk, checker="final-answer")
    assert (read.reading.faults, read.reading.attempts_left_out, len(read.episodes)) == ({"unclear": 1}, 3, 1)
    drafts = tmp_path / "drafts.jsonl"
    records = [{"score": 1, "extra": {"gold": "6", "intermediate_steps": [{"draft": text} for text in texts]}}
               for texts in (said[0][1:], said[0][:2], said[1])]  # fmt: skip
    drafts.write_text("\n".join(map(json.dumps, records)))
    read = read_log(drafts)  # of the last answer the log says whether it is right
    assert (read.reading.faults, read.reading.attempts_left_out, len(read.episodes)) == ({"unclear": 1}, 2, 2)


def test_a_record_may_have_several_right_answers() -> None:
    check = compare_final()
    assert check("4", {"gold": ["3", 4]})
    assert not check("5", {"gold": ["3", 4]})
    assert check("True", {"gold": True})  # as in a table, where it is a word
    for gold in ([], [None], [""], None, "", {}, ["1"] * 21):
        with pytest.raises(Fault, match="gold is missing or not text"):
            check("4", {"gold": gold})


@pytest.mark.parametrize(
    "piece",
    ["\\boxed{", "\\frac{1}{", "{", "$x ", "\\sqrt{\\sqrt{", "2^{", "\\text{a}{", "1{,}", "answer is ", "so ", "the sum of "],
)
def test_long_texts_are_searched_in_time(piece: str) -> None:
    """That it ends is the point: a search that backtracks over these would take years."""
    text = piece * (40_000 // len(piece))
    assert len(final_answers(text)) < len(text)
    assert not same_answer(text, "no such thing")
    assert not same_answer(f"{text}z!", "5")


# ---------------------------------------------------------------------- the process that compares


def test_what_takes_for_ever_is_not_the_same() -> None:
    grader = grading.Grader(seconds=0.5)
    try:
        assert not grader.same("9^{9^{9^{9^{9}}}}", "5")
        assert grader.ended == 1
        assert not grader.same("x" * 2000, "x" * 2000)
    finally:
        grader.stop()


def test_other_threads_may_compare() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(grading.GRADER.same(r"\sqrt{8}", r"2\sqrt{2}")))
    thread.start()
    thread.join()
    assert found == [True]


HOSTILE = ("__import__('os').system('touch HERE')", "().__class__.__bases__[0]", "open('HERE','w')", "\\input{HERE}", "\ud800")


def test_no_text_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in HOSTILE:
        assert not grading.GRADER.same(text, "5")
        assert not grading.GRADER.same("5", f"${text}$")
    assert os.listdir(tmp_path) == []


def test_what_sympy_evaluates_is_one_number_or_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sympy
    from sympy.parsing import sympy_parser

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sympy_parser, "eval_expr", sympy_parser.eval_expr)  # to be restored
    grading.refuse_code()
    assert (sympy.sympify("1.50"), sympy.sympify("x").name) == (sympy.Float("1.50"), "x")
    for text in (*HOSTILE[:3], "1 + 1", "x.name", "Symbol('a') + 1"):
        with pytest.raises((ValueError, SyntaxError, sympy.SympifyError)):
            sympy.sympify(text)
    assert os.listdir(tmp_path) == []


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from dstheory.errors import DSTheoryError

    monkeypatch.setattr(grading, "_CODE", "import sys; sys.modules['math_verify'] = None\n" + grading._CODE)
    grader = grading.Grader()
    with pytest.raises(DSTheoryError, match="math-verify, which compares answers, cannot be imported: pip install math-verify"):
        grader.same("x", "2x")


CASES = Path(os.environ.get("DSTHEORY_ROLLOUTS", "../shared/data")).parent / "cases" / "answers.jsonl"


@pytest.mark.skipif(not CASES.is_file(), reason="the shared cases are not here")
def test_the_cases_are_judged_as_people_do() -> None:
    for line in CASES.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        assert compare_final()(record["answer"], record) is record["right"], record
