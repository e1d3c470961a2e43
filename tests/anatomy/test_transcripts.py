"""Texts: expressions against Python's arithmetic on fractions, segmentations, checkers, conversations. Nothing is evaluated."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory.anatomy import answer as answers_of
from dstheory.anatomy import from_records, measure, read_log
from dstheory.anatomy.logs import Log
from dstheory.errors import RecordError
from dstheory.readers import answers as checkers
from dstheory.readers import transcripts as segment
from dstheory.readers.answers import ExpressionError, Game, evaluate, find_expressions
from dstheory.readers.records import Fault

TREE = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", " - ", " * "]), inner).map("".join),
        inner.map(lambda e: f"({e})"),
        inner.map(lambda e: f"-({e})"),
    ),
    max_leaves=8,
)


def by_python(text: str) -> Fraction | None:
    """Evaluate with Python's own grammar, node by node on fractions: an oracle that shares no code with the parser."""
    act = {ast.Add: lambda x, y: x + y, ast.Sub: lambda x, y: x - y, ast.Mult: lambda x, y: x * y, ast.Div: lambda x, y: x / y}

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return act[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        assert isinstance(node, ast.Constant)
        return Fraction(node.value)

    try:
        return value(ast.parse(text.strip(), mode="eval").body)
    except ZeroDivisionError:
        return None


@given(TREE)
def test_values_are_those_of_exact_arithmetic(text: str) -> None:
    found = evaluate(text)
    assert found.value == by_python(text)
    assert sorted(map(int, found.numbers)) == sorted(
        node.value for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Constant)
    )


@given(st.text("0123456789+-*/() .=abc", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        found = evaluate(text)
    except ExpressionError:
        return
    assert set(text) <= set("0123456789+-*/() .")
    assert found.numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, "not an arithmetic expression") for text in ("", "3 +", "3 4", "* 3", "+3", "(3", "3)", "()", "(3)(4)", "2**3",
                                                             "7//2", "1.2.3")),
        ("9" * 13, "a number of more than 12 digits"),
        ("1+" * 70 + "1", "more than 60 numbers"),
        ("(" * 401, "longer than 400 characters"),
        ("().__class__", "'.' at character 3 is not part of an expression"),
        ("3.", "'.' at character 2 is not part of an expression"),
        ("3,4", "',' at character 2 is not part of an expression"),
        ("1 if x else 2", "'i' at character 3 is not part of an expression"),
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text)
    assert str(caught.value) == words


def test_candidates_in_prose() -> None:
    text = (
        "1. 8 - 2 + 3*4 is off; (3 + 4 * 5 is not closed. Steps: 8 - 2 - 1 = 5, 5 * 4 = 20.\n"
        "6 × 4 ÷ 1 − 2 - no. (8 - 2) * (4 * 1) = 24\n57 + 90 + 26*14 - 56/ isn't valid, 3/4 is short, 5 + 6 + x fails"
    )
    found = [e.text for e in find_expressions(text, target=Fraction(24))]
    assert found == ["8 - 2 + 3*4", "3 + 4 * 5", "6 × 4 ÷ 1 − 2", "(8 - 2) * (4 * 1)"]
    assert [e.text for e in find_expressions("2 + 3 = 5", least_numbers=2)] == []


def test_numbers_with_leading_zeros_are_numbers() -> None:
    assert evaluate("08 - 007.050").value == Fraction(19, 20)


@pytest.mark.parametrize("piece", ["1 + ", "((((1+", "1" + " " * 50, "1 - "])
def test_scanning_a_text_takes_linear_time(piece: str) -> None:
    """Four times the text takes about four times as long, not sixteen times."""

    def seconds(text: str) -> float:
        times = []
        for _ in range(3):
            began = time.process_time()
            assert not list(find_expressions(text, least_numbers=2))
            times.append(time.process_time() - began)
        return min(times)

    few = 100_000 // len(piece)
    assert seconds(piece * 4 * few + "(") < 9 * seconds(piece * few + "(") + 0.01


# ---------------------------------------------------------------------- segmentations


def test_tags_markers_and_patterns() -> None:
    record = {"numbers": [1, 2, 3], "target": 6}
    assert segment.by_tags()("x <answer>1</answer> y <answer> 2 </answer><answer>2", record) == ["1", "2"]
    text = "I get 12. Wait, \\boxed{13}. Hmm. Actually 12 again; awaiting 5"
    assert segment.by_markers()(text, record) == ["12", "\\boxed{13}".removeprefix("\\boxed{").removesuffix("}"), "5"]
    assert segment.by_markers(game=Game())("1 + 2 - 3. Wait: 7. No, wait, 1+2+3", record) == ["1 + 2 - 3", "1+2+3"]
    assert segment.by_pattern(r"A=(\d+)")("A=1 A=1 A=22", record) == ["1", "22"]
    assert segment.by_pattern(r"[(]\d\)")("(1) (2", record) == ["(1)"]
    assert segment.by_pattern(r"(?:x)y")("xy\ue000xy", record) == ["xy"]
    assert segment.by_pattern(r"A[^\]](\d)[,.]")("A=1, A]2, A=3.", record) == ["1", "3"]  # a group between classes
    assert segment.by_pattern(r"[[:alpha:](]\d")("x1 (2 _3", record) == ["x1", "(2"]  # a bracket in a class is no group
    assert segment.by_expressions(Game())("1 + 2 + 3 = 6, 1+2+3, 3 - 2 - 2 = -1", record) == ["1 + 2 + 3"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: segment.by_pattern("\udcff"), "the pattern '\\udcff' is not valid Unicode: write it as UTF-8"),
        (lambda: segment.by_pattern("((("), "'(((' cannot be used as a regular expression (missing )): use RE2's syntax"),
        (lambda: segment.by_pattern(r"(?=x)"), "use RE2's syntax, which has no look-around and no back-references"),
        (lambda: segment.by_pattern("x" * 3000), "the pattern has 3000 characters: must have at most 2000"),
        (lambda: segment.by_markers([" "]), "markers must be words"),
        (lambda: segment.segmenter("words"), "there is no segmentation 'words': there are expressions, tags, markers, pattern"),
        (lambda: segment.segmenter("pattern"), "segmentation by a pattern needs the pattern: give --pattern"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(make, message: str) -> None:
    with pytest.raises(RecordError) as caught:
        make()
    assert message in str(caught.value)


def test_no_pattern_makes_the_reader_hang() -> None:
    """(a+)+$ takes exponential time in a backtracking engine, here 2^50000 steps: that this ends at all is the point."""
    assert segment.by_pattern(r"(a+)+$")("a" * 50_000 + "!", {}) == []


def test_half_a_surrogate_pair_is_no_match() -> None:
    assert segment.by_pattern(r"A=(\d)")("\ud800 A=1", {}) == ["1"]


# ---------------------------------------------------------------------- checkers


def test_games_follow_their_rules() -> None:
    record = {"numbers": [8, 3, 8, 3], "target": 24}
    game = Game()
    for right in (
        "8/(3-8/3)",
        "8 / (3 - 8/3) = 24",
        "Answer: 8/(3 - 8/3) = 24 \n[ANSWER END]",
        "8/(3-8/3) [ANSWER END]",
        "$8/(3-8/3)$",
    ):
        assert game(right, record), right
    for wrong in ("8*3", "8*3+3-3", "24", "", "8/(3-8/3) or so", "8/(3-9/3)", "(8/(3-8/3)", "exit()", "8/(3-8/3)+0"):
        assert not game(wrong, record), wrong
    some = Game(use="some")
    assert some("8*3", record)
    assert not some("8*3*1", record)
    assert not some("3*(3+3) + 6", record)
    assert Game(default_target=24)("6*4", {"numbers": [4, "6"]})
    for broken in ({}, {"numbers": []}, {"numbers": 3}, {"numbers": [None], "target": 1}, {"numbers": [1], "target": "x"},
                   {"numbers": [1], "target": "1" * 30}, {"numbers": ["1e99999999"], "target": 24}):  # fmt: skip
        with pytest.raises(Fault, match=r"numbers|target"):
            game("1", broken)


def test_a_checker_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def right(answer, record):\n    return None if 'check' in answer else answer == record['gold']\nx = 1\n")
    check = checkers.load_checker(f"{file}:right")
    assert check("a", {"gold": "a"}) is True
    for spec, message in (
        (f"{file}:rihgt", f"the checker's file {file} has no function 'rihgt': it has right"),
        (f"{file}:x", f"the checker's file {file} has no function 'x': it has right"),
        (str(file), "must be a Python file and a function in it"),
        (f"{tmp_path}/no.py:f", "does not exist: check the name"),
        (f"{file}:import os; f", "must be a Python file and a function in it"),
    ):
        with pytest.raises(RecordError) as caught:
            checkers.load_checker(spec)
        assert message in str(caught.value)
    file.write_text("1/0")
    with pytest.raises(RecordError, match=r"cannot be imported \(ZeroDivisionError: division by zero\): correct it"):
        checkers.load_checker(f"{file}:right")


# ---------------------------------------------------------------------- conversations and transcripts


def chat(*answers: str, last_user: bool = False) -> list[dict[str, object]]:
    out: list[dict[str, object]] = [{"role": "system", "content": "s"}]
    for answer in answers:
        out += [{"role": "user", "content": "go"}, {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
    return out + ([{"role": "user", "content": "wrong"}] if last_user else [])


def test_conversations_with_a_checker_of_ones_own() -> None:
    def check(answer: str, record: dict) -> bool | None:
        return None if answer.startswith("I check") else answer == record["gold"]

    records = [
        {"id": 1, "messages": chat("3", "I check: no", "4"), "gold": "4"},
        {"id": 2, "messages": chat("3", "5", last_user=True), "gold": "4"},
        {"id": 3, "messages": chat("3"), "gold": "4", "finish_reason": "length"},
        {"id": 4, "messages": chat("4", "4"), "gold": "4", "cap": 2},
    ]
    log = from_records(records, reader="conversation", checker=check)
    assert log.episodes.attempts.tolist() == [2, 2, 1, 2]
    assert log.episodes.correct.tolist() == [False, True, False, False, False, True, True]
    assert log.episodes.capped.tolist() == [False, True, True, True]
    assert log.reading.segmented == {"messages": 4}
    assert any(note.startswith("messages as attempts") for note in log.reading.notes)


BAD_TEXTS = [
    ({"id": 1}, "conversation", "messages", "messages is missing or empty: must be a list of objects with role and content"),
    ({"id": 1, "messages": [{"role": "boss", "content": "x"}]}, "conversation", "messages",
     "messages[0].role is 'boss': must be one of system, developer, user, assistant, tool, function"),
    ({"id": 1, "messages": [{"role": "user", "content": 3}]}, "conversation", "messages",
     "messages[0].content is neither text nor a list of text parts"),
    ({"id": 1, "messages": chat("x"), "gold": None}, "conversation", "problem-data",
     "gold is missing or not text: must hold the right answer"),
    ({"id": 1, "messages": [{"role": "user", "content": "?"}]}, "conversation", "no-candidate",
     "conversation has no candidate answer by messages: nothing in it can be checked"),
    ({"id": 1, "transcript": 4}, "transcript", "transcript",
     "transcript is missing or not text: must hold the model's completion"),
    ({"id": 1, "transcript": "hm", "gold": 1}, "transcript", "no-candidate",
     "transcript has no candidate answer by tags: nothing in it can be checked"),
    ({"id": 1, "cap": 1, "transcript": "<answer>1</answer><answer>2</answer>", "gold": 2}, "transcript", "over-cap",
     "transcript has 2 candidate answers: must be at most the cap, 1"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "reader", "reason", "message"), BAD_TEXTS)
def test_bad_texts_are_named(record: dict, reader: str, reason: str, message: str) -> None:
    good = {"id": 9, "transcript": "<answer>1</answer>", "messages": chat("1"), "gold": 1}
    log = from_records([record, good], reader=reader, checker="final-answer", no_answer="omit")
    assert log.reading.examples == {reason: [f"records: record 0: {message}"]}
    with pytest.raises(RecordError) as caught:
        from_records([record, good], reader=reader, checker="final-answer", no_answer="omit", strict=True)
    assert str(caught.value) == f"records: record 0: {message}"


def test_checkers_that_fail_are_the_records_fault() -> None:
    for check, message in (
        (lambda a, r: r["gold"] == a, "transcript makes the checker fail (KeyError: 'gold')"),
        (lambda a, r: "yes", "transcript gets 'yes' from the checker: must be True, False, or None for no attempt"),
    ):
        with pytest.raises(RecordError) as caught:
            from_records([{"id": 1, "transcript": "<answer>1"}], reader="transcript", checker=check, strict=True)
        assert message in str(caught.value)
    with pytest.raises(
        RecordError, match="does not say which answers are correct: choose a checker, countdown, 24, final-answer or"
    ):
        from_records([{"id": 1, "transcript": "x"}], reader="transcript")
    with pytest.raises(RecordError, match="there is no checker 'sudoku'"):
        from_records([], reader="transcript", checker="sudoku")


def test_transcripts_of_a_game() -> None:
    game = {"numbers": [98, 92, 28, 20, 95], "target": 237}
    right = "98 - 28 + 95 + 92 - 20"
    records = [
        {
            "id": 1,
            "transcript": f"98 + 92 + 28 no. 187 + 70 = 257. So {right}\n<answer>{right}</answer>",
            "final_answer": right,
            **game,
        },
        {"id": 2, "transcript": f"Try {right} then 98 + 92 - 28 is", **game},  # cut off
        {"id": 3, "transcript": "1 + 2 + 3, 4 + 5 + 6, " * 5, **game},  # a loop, cut off
        {"id": 4, "transcript": "98 + 92 - 28. So:", "final_answer": "92*2", **game},  # submitted, but not seen by the scanner
        {"id": 5, "transcript": "98 + 92 - 28", **game},
    ]
    log = from_records(records, reader="transcript", checker="countdown")
    assert log.episodes.attempts.tolist() == [2, 2, 10, 2, 1]
    assert log.episodes.correct[log.episodes.last].tolist() == [True, False, False, False, False]
    assert log.episodes.capped.tolist() == [False, True, True, False, False]
    assert log.reading.segmented == {"expressions": 5}
    assert any("1 record ends in a loop" in note for note in log.reading.notes)


def test_files_of_texts_find_their_reader(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"id": 1, "transcript": "<answer>4</answer>", "gold": 4}) + "\nnot json\n")
    log = read_log(path, checker="final-answer")
    assert (len(log.episodes), log.reading.faults) == (1, {"not-json": 1})
    with pytest.raises(RecordError, match=r"line 2: is not JSON"):
        read_log(path, checker="final-answer", strict=True)
    path.write_text(json.dumps({"id": 1, "messages": chat("4"), "gold": 4}))
    assert read_log(path, checker="final-answer").reading.segmented == {"messages": 1}
    assert read_log(path, checker="final-answer", pattern=r"\d").reading.segmented == {"pattern": 1}
    with pytest.raises(RecordError, match="there is no reader 'chat'"):
        read_log(path, reader="chat")


def test_nothing_in_the_readers_could_evaluate_a_text() -> None:
    import dstheory.readers as room

    files = list(Path(room.__file__).parent.rglob("*.py"))
    assert len(files) > 10
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        assert not called & {"eval", "exec", "compile", "__import__", "literal_eval"}, file


def test_a_byte_order_mark_does_not_hide_what_a_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1, "transcript": "8 * 3 * 1", "numbers": [8, 3, 1], "target": 24}\n')
    assert read_log(path, checker="countdown").reading.segmented == {"expressions": 1}


ENDS = [
    "\\boxed{4}", "$$\\boxed{4}$$", "\\(\\boxed{4}\\).", "4</s>", "**4**<|im_end|>\n", "\\boxed{4}.<eos>", "4 apples.",
    "4 apples</s>", "\\[ \\boxed{4} \\]", "4</answer>", "4</answer><|eot_id|>", "4 and so on<|endoftext|>", "4 \N{CHECK MARK}",
    "4, I hope.<pad><pad>",
]  # fmt: skip


def read_one(text: str, **said: object) -> Log:
    record = {"id": 1, "gold": "4", "transcript": text, **said}
    return from_records([record], reader="transcript", checker="final-answer", segment="markers")


def test_who_checked_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": 1, "transcript": "It is 4.", "gold": "5"}), encoding="utf-8")
    checks = {None: "math-verify", "final-answer": "math-verify"}
    for checker, name in checks.items():
        assert f"answers checked by {name} " in next(iter(read_log(path, checker=checker).reading.read_as))
    log = read_log(path, checker=lambda answer, record: True)
    assert next(iter(log.reading.read_as)).endswith("answers checked by a function")
    assert log.episodes.correct.all()


@pytest.mark.parametrize("end", ENDS)
def test_ends_of_texts_are_stops(end: str) -> None:
    log = read_one(f"5. Wait, it is {end}")
    assert (log.episodes.correct.tolist(), log.episodes.stopped.tolist()) == ([False, True], [False, True])


@pytest.mark.parametrize("end", ["4 and then the", "4. Hmm.", "4 <|im_start|>"])
def test_a_text_that_goes_on_after_its_answer_is_no_stop(end: str) -> None:
    log = read_one(f"5. Wait, it is {end}")
    assert log.episodes.stopped.tolist() == [False, False]
    assert log.episodes.unseen.tolist() == [True]
    assert log.reading.unseen == 1


@pytest.mark.parametrize(
    ("said", "stopped"),
    [
        ({"finish_reason": "stop"}, True), ({"finish_reason": "eos_token"}, True), ({"stop_reason": "end_turn"}, True),
        ({"truncated": False}, True), ({"is_truncated": False}, True), ({"finish_reason": "length"}, False),
        ({"stop_reason": "max_tokens"}, False), ({"truncated": True}, False),
        ({"finish_reason": "stop", "truncated": True}, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["4", "4 and then the"])
def test_what_a_record_says_of_its_end_counts(end: str, said: dict[str, object], stopped: bool) -> None:
    assert read_one(f"5. Wait, it is {end}", **said).episodes.ended_by_stop.tolist() == [stopped]


def test_a_reason_that_is_not_known_says_nothing() -> None:
    assert read_one("It is 4", stop_reason="unknown").episodes.ended_by_stop.tolist() == [True]


def known_chain(ends: Sequence[str], n: int = 2000) -> list[dict[str, object]]:
    """Texts of a model with p, a, b = 0.5, 0.8, 0.8, each ending in one of these ways."""
    rng = np.random.default_rng(3)
    records = []
    for i in range(n):
        said = []
        while True:
            right = rng.random() < 0.5
            said.append(f"$$\\boxed{{{4 if right else 5}}}$$")
            if (rng.random() < 0.8) == right:  # stops on a right answer, goes on after a wrong one, each in four cases of five
                break
        records.append({"id": i, "gold": "4", "transcript": " Wait, ".join(said) + ends[i % len(ends)]})
    return records


WHOLE = ("", "</s>", "</answer><|im_end|>", " apples.", " is what I get.")


@pytest.mark.parametrize("ends", [(end,) for end in WHOLE] + [WHOLE])
def test_a_known_chain_comes_back_from_boxed_texts(ends: tuple[str, ...]) -> None:
    log = from_records(known_chain(ends, 500), reader="transcript", checker="final-answer", segment="markers")
    (row,) = measure(log.episodes)
    for estimate, truth in ((row.p, 0.5), (row.a, 0.8), (row.b, 0.8)):
        assert estimate.low < truth < estimate.high
        assert estimate.high - estimate.low < 0.15


def test_where_last_decisions_are_missing_nothing_is_said_of_decisions() -> None:
    """Texts that all break off show resamples only: a = 0 and b = 1 would be made of what is missing."""
    log = from_records(known_chain((" and then the",), 500), reader="transcript", checker="final-answer", segment="markers")
    found = answers_of(log.episodes)
    assert found.rates.p.low < 0.5 < found.rates.p.high
    for estimate in (found.rates.a, found.rates.b):
        assert estimate.value is None
        assert estimate.reason.startswith("no stop is seen, and in 500 episodes the last decision is not")
    assert found.helps == "cannot be estimated"


@pytest.mark.parametrize("shown", [0.9, 0.5, 0.1])
def test_where_some_last_decisions_are_missing_intervals_hold_whatever_they_were(shown: float) -> None:
    records = known_chain(("",), 500)
    rng = np.random.default_rng(5)
    for record in records:
        if rng.random() > shown:
            record["transcript"] = f"{record['transcript']} and then the"
    log = from_records(records, reader="transcript", checker="final-answer", segment="markers")
    (row,) = measure(log.episodes)
    for estimate, truth in ((row.p, 0.5), (row.a, 0.8), (row.b, 0.8)):
        assert estimate.low < truth < estimate.high
    assert "are not seen" in "".join(log.reading.lines()) or "is not seen" in "".join(log.reading.lines())


# ---------------------------------------------------------------------- texts without an answer


def lopsided() -> list[dict[str, object]]:
    """Sixty right answers; forty texts that were cut off before any: of all, p is 0.6."""
    right = [{"id": i, "gold": "4", "transcript": "<answer>4</answer>"} for i in range(60)]
    return right + [{"id": 60 + i, "gold": "4", "transcript": "I begin with", "truncated": True} for i in range(40)]


def test_no_answer_is_a_wrong_answer() -> None:
    log = from_records(lopsided(), reader="transcript", checker="final-answer")
    (row,) = measure(log.episodes)
    assert (row.p.value, row.a.value, row.b.value) == (0.6, 1.0, None)
    said = "40 have no answer and count as wrong ones, without a decision (--no-answer omit leaves them out)"
    assert said in log.reading.lines()


def test_an_empty_text_has_no_answer() -> None:
    records = [{"id": 1, "gold": "4", "transcript": ""}, {"id": 2, "gold": "4", "transcript": "<answer>4"}]
    assert from_records(records, reader="transcript", checker="final-answer").episodes.correct.tolist() == [False, True]


def test_texts_without_an_answer_may_be_left_out() -> None:
    log = from_records(lopsided(), reader="transcript", checker="final-answer", no_answer="omit")
    assert (log.episodes.correct.mean(), log.reading.faults) == (1.0, {"no-candidate": 40})


def test_a_log_in_which_nothing_is_an_answer_is_refused() -> None:
    records = [{"id": i, "gold": "4", "transcript": "It is 4."} for i in range(9)]
    with pytest.raises(RecordError, match=r"in none of its 9 texts an answer was found by tags: choose another --segment"):
        from_records(records, reader="transcript", checker="final-answer")
    log = from_records(records, reader="transcript", checker="final-answer", no_answer="wrong")
    assert not log.episodes.correct.any()
    with pytest.raises(RecordError, match="no_answer is 'right': must be 'wrong' or 'omit'"):
        read_log("x.jsonl", no_answer="right")  # type: ignore[arg-type]


GAME = {"numbers": [79, 17, 60], "target": 36}


@pytest.mark.parametrize(
    ("text", "record", "want"),
    [
        ("So **79 - 60 + 17**", GAME, ["79 - 60 + 17"]),
        ("So **79 - 60 + 17** = 36.", GAME, ["79 - 60 + 17"]),
        ("So **79 - 60 + 17 = 36**", GAME, ["79 - 60 + 17"]),
        ("So **79 + 60 + 17** = 156", GAME, ["79 + 60 + 17"]),  # all numbers: a wrong try and no working step
        ("Try: 79 + 60 + 17 = 156. No. Try: 79 - 60 + 17 = 36. Yes.", GAME, ["79 + 60 + 17", "79 - 60 + 17"]),
        ("79 + 60 - 60 = 79, 17 + 17 + 60 = 94", GAME, []),  # working steps
        ("79 - 60 + 17 = 19 + 17 = 36", GAME, ["79 - 60 + 17"]),
        ("79 - 60 + 17 = 79 + 17 - 60 = 36", GAME, ["79 - 60 + 17"]),  # one chain is one answer
        ("79 - 60 + 17 = 19 + 17", GAME, ["79 - 60 + 17"]),
        ("79 + 60 + 17 = 139 + 17 = 156", GAME, ["79 + 60 + 17"]),
        ("79 - 60 + 17 = 36 - done", GAME, ["79 - 60 + 17"]),
        ("79 - 60 + 17 = 36, or 17 + 79 - 60 = 36", GAME, ["79 - 60 + 17", "17 + 79 - 60"]),
        (r"$3 \times 8$", {"numbers": [3, 8], "target": 24}, ["3 * 8"]),
        (r"$6 \cdot 8 \div 2$", {"numbers": [6, 8, 2], "target": 24}, ["6 * 8 / 2"]),
        (r"\boxed{\frac{8}{3 - \frac{8}{3}}}", {"numbers": [8, 3, 8, 3], "target": 24}, ["((8)/(3 - ((8)/(3))))"]),
        (r"\[\left(79 - 60\right) + 17 &= 36\]", GAME, ["(79 - 60) + 17"]),
        (r"\(79 - 60 + 17 = \boxed{36}\)", GAME, ["79 - 60 + 17"]),
        ("So *79 - 60 + 17*.", GAME, ["79 - 60 + 17"]),
        ("**Answer: 79 - 60 + 17.**", GAME, ["79 - 60 + 17"]),
        ("79 - 60 + 17 * some number, or 79 - 60 + 17*x", GAME, []),
        ("36 = 79 - 60 + 17", GAME, ["79 - 60 + 17"]),
        ("1 * 5 * 3", {"numbers": [1, 5, 3], "target": 15}, ["1 * 5 * 3"]),
    ],
)
def test_forms_in_which_candidates_are_written(text: str, record: dict[str, object], want: list[str]) -> None:
    game = Game()
    assert segment.by_expressions(game)(text, record) == want
    assert [game(candidate, record) for candidate in want] == ["79 + 60" not in candidate for candidate in want]


def test_candidates_in_latex_are_right_as_they_are_tagged() -> None:
    record = {"numbers": [8, 3, 8, 3], "target": 24}
    for answer in (r"\frac{8}{3 - \frac{8}{3}}", r"$\boxed{8 \div \left(3 - \frac{8}{3}\right)}$", r"\(8/(3-8/3)\) = 24"):
        assert Game()(answer, record), answer
    assert not Game()(r"\frac{8}{3}", record)


@pytest.mark.parametrize(
    "text", ["79 - 60 + 17 = 19 + 17 = 36", r"$3 \times 8$", "Try 79 + 60 + 17 = 156. No: 79 - 60 + 17 = 36. Yes."]
)
def test_a_solution_with_its_value_ends_a_text(text: str) -> None:
    game = GAME if "79" in text else {"numbers": [3, 8], "target": 24}
    log = from_records([{"id": 1, "transcript": text, **game}], reader="transcript", checker="countdown")
    assert (log.episodes.final_correct.tolist(), log.episodes.ended_by_stop.tolist()) == ([True], [True])


def test_long_chains_take_time_in_proportion() -> None:
    """Of a chain of equations every member is looked at once: 20,000 of them are no 20,000 x 20,000."""
    calls = []
    text = "1+1+1=" * 20_000 + "4"
    for found in find_expressions(text, target=Fraction(3)):
        calls.append(found)
    assert calls == []
    assert [e.text for e in find_expressions("1+1+1=" * 20_000 + "3", target=Fraction(3))] == ["1+1+1"]


def test_markdown_around_a_tagged_answer_is_no_part_of_it() -> None:
    assert Game()("**79 - 60 + 17**", GAME)
