"""What a log or a chain says does not depend on the order of its lines, nor on how many of them are read at once."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstheory.anatomy import Log, from_frame, from_records, measure, read_log
from dstheory.errors import RecordError
from dstheory.readers import batches, read_chain

LABEL = st.sampled_from(["t", "1", "[/b]"]) | st.sampled_from([1, 2.5, 10**17 + 1, True, False, 1.0])
TEXT = st.sampled_from(["no", "3", "\\boxed{4}", "4 wait 5 wait 4", "<answer>4</answer>", ""])
ODD = st.sampled_from(["null", "[]", "{", '{"id": 1e999}', '{"id": "odd", "id": 2}', '{"id": "odd", "note": NaN}', ""])


@st.composite
def episodes(draw: st.DrawFn) -> dict[str, Any]:
    """A record with marked attempts, most of them usable; each field may be missing."""
    length = draw(st.integers(1, 4))
    optional = {"problem": LABEL | st.lists(st.integers(0, 2), max_size=2), "task": LABEL, "difficulty": LABEL, "model": LABEL,
                "cap": st.integers(1, 4) | st.none()}  # fmt: skip
    found = {name: draw(values) for name, values in optional.items() if draw(st.booleans())}
    steps = [{"correct": draw(st.booleans()), "decision": "resample"} for _ in range(length)]
    last = draw(st.sampled_from(["stop", "resample", "submit", None, "stop", "stop", "other"]))
    steps[-1] = {"correct": steps[-1]["correct"]} | ({} if last is None else {"decision": last})
    return {**found, "attempts": steps}


def summary(log: Log) -> Any:
    """What was read, without the order in which it was."""
    found = log.episodes
    names = sorted(found.fields)
    labels = {name: found.column(name) for name in names}
    each = Counter()
    for i, (start, end) in enumerate(zip(found.offsets[:-1], found.offsets[1:], strict=True)):
        fields = tuple((name, labels[name].names[labels[name].codes[i]]) for name in names if name != "log")
        steps = tuple(found.correct[start:end].tolist()), tuple(found.stopped[start:end].tolist())
        each[found.problem_ids[found.problem[i]], fields, steps, bool(found.capped[i]), int(found.cap[i])] += 1
    account = log.reading
    return each, account.records, account.faults, account.segmented, account.unfinished


def read(path: Path, **how: Any) -> Any:
    """Return what was read, or that nothing is usable."""
    try:
        return summary(read_log(path, **how))
    except RecordError as error:
        return str(error).split("(")[0]


def shuffled(items: Sequence[Any], seed: int) -> list[Any]:
    out = list(items)
    random.Random(seed).shuffle(out)
    return out


def turns(*words: str | None) -> list[dict[str, Any]]:
    """Attempts of which the last is right, with a decision where there is a word."""
    right = len(words) - 1
    return [{"correct": i == right} | ({} if word is None else {"decision": word}) for i, word in enumerate(words)]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((None, None), ("resample", "stop")),  # decisions that the first records lack: nobody would be taken to have decided
        ((None,), (None, None)),
        ((None,), ("resample", "stop")),
        (("stop",), ("continue", "stop")),  # a word that the first records lack
        (("continue", "stop"), ("retry", "stop")),  # two words for one decision are not guessed
        (("stop",), ("onwards", "stop")),
    ],
)
@pytest.mark.parametrize("within", [False, True])
def test_what_the_first_records_lack(tmp_path: Path, first: Sequence[Any], then: Sequence[Any], within: bool) -> None:
    """How records are read is decided by all of them, not by those that come first."""
    rows = [{"id": i, "attempts": turns(*(first if i < 30 else then))} for i in range(60)]
    path, found, kept = tmp_path / "a.jsonl", [], []
    for some in (rows, rows[::-1], shuffled(rows, 0)):
        logged = [{"id": row["id"], "run": {"steps": row["attempts"]}} for row in some] if within else some
        path.write_text("\n".join(map(json.dumps, logged)) + "\n")
        found.append(read(path, fields={"attempts": "run.steps"} if within else None))
        try:
            kept.append(summary(from_records(iter(some))))
        except RecordError as error:
            kept.append(str(error).split("(")[0])
    assert found[0] == found[1] == found[2]
    assert kept[0] == kept[1] == kept[2]
    if not isinstance(kept[0], str):
        assert found[0][0] == kept[0][0]
        said = {dict(fields).get("decided_by") for _, fields, *_ in found[0][0]}
        assert said == ({None} if "stop" in then else {"nobody"})


def test_decisions_within_attempts(tmp_path: Path) -> None:
    """A place within an attempt: else nobody would be taken to have decided."""
    rows = [{"id": i, "attempts": turns("resample", "stop")} for i in range(9)]
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        for row in rows:
            steps = [{"correct": one["correct"], "said": {"what": one["decision"]}} for one in row["attempts"]]
            file.write(json.dumps({"id": row["id"], "attempts": steps}) + "\n")
    assert read(path, fields={"decision": "said.what"}) == summary(from_records(rows))


@given(st.lists(episodes(), min_size=1, max_size=8), st.lists(ODD, max_size=3), st.integers(0, 99))
def test_lines_of_marked_records(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], odd: list[str], seed: int
) -> None:
    lines = [json.dumps({"id": i, **record}) for i, record in enumerate(records)] + odd
    path = tmp_path_factory.mktemp("log") / "a.jsonl"
    found = []
    for some in (lines, shuffled(lines, seed), shuffled(lines, seed + 1)):
        path.write_text("\n".join(some) + "\n")
        found.append(read(path, reader="records", labels=["difficulty"]))
    assert found[0] == found[1] == found[2]


@given(st.lists(episodes(), min_size=1, max_size=40), st.lists(ODD, max_size=3), st.integers(0, 99))
def test_many_at_once_or_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], odd: list[str], seed: int
) -> None:
    """Good records are checked in columns, and one by one beside unusable ones: the same records, problems and labels."""
    lines = shuffled([json.dumps({"id": i, **record}) for i, record in enumerate(records)] + odd, seed)
    path = tmp_path_factory.mktemp("log") / "a.jsonl"
    path.write_text("\n".join(lines))
    bulk = read(path, reader="records")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "in_columns", lambda *arguments: None)
        assert read(path, reader="records") == bulk


@given(
    suffix=st.sampled_from([".csv", ".tsv", ".parquet"]),
    records=st.lists(episodes(), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_rows_of_a_table(tmp_path_factory: pytest.TempPathFactory, suffix: str, records: list[dict[str, Any]], seed: int) -> None:
    """With a column of rounds, in any order at all."""
    heads = ("problem", "task", "difficulty", "model", "cap")
    rows = [
        {"id": f"e{i}", "round": k, "correct": step["correct"], "decision": step.get("decision")}
        | {head: None if record.get(head) is None else json.dumps(record[head]) for head in heads}
        for i, record in enumerate(records)
        for k, step in enumerate(record["attempts"])
    ]
    path = tmp_path_factory.mktemp("log") / f"a{suffix}"
    found = []
    for some in (rows, shuffled(rows, seed), shuffled(rows, seed + 1)):
        if suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(some), path)
        else:
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if suffix == ".tsv" else ",")
                writer.writeheader()
                writer.writerows(some)
        found.append(read(path, reader="table"))
    assert found[0] == found[1] == found[2]


@given(
    kind=st.sampled_from(["transcript", "conversation"]),
    texts=st.lists(st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_lines_of_texts(tmp_path_factory: pytest.TempPathFactory, kind: str, texts: list[list[str]], seed: int) -> None:
    def record(i: int, parts: list[str]) -> dict[str, Any]:
        said = [{"role": role, "content": text} for text in parts for role in ("user", "assistant")]
        return {"id": i, "gold": "4", **({"messages": said} if kind == "conversation" else {"transcript": " ".join(parts)})}

    lines = [json.dumps(record(i, parts)) for i, parts in enumerate(texts)]
    path = tmp_path_factory.mktemp("log") / "a.jsonl"
    found = []
    for some in (lines, shuffled(lines, seed)):
        path.write_text("\n".join(some) + "\n")
        how = {"segment": "markers"} if kind == "transcript" else {}
        found.append(read(path, reader=kind, checker="final-answer", **how))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "row",
    [
        {"input": "2 + 2", "output": "4", "score": 1.0, "step": 3, "gts": "4"},
        {"prompt": "2 + 2", "completion": "4", "accuracy_reward": 1.0, "advantage": 0.5, "step": 3},
        {
            "doc_id": 1,
            "doc": {"q": "2 + 2"},
            "target": "4",
            "resps": [["4"]],
            "filtered_resps": ["4"],
            "filter": "none",
            "exact_match": 1.0,
        },
        {"task_id": "a/1", "completion": "return 4", "result": "passed", "passed": True},
    ],
)
def test_rollouts_without_ids(tmp_path: Path, row: dict[str, Any]) -> None:
    """They are numbered by their rows, and belong to the problem that they say."""
    right = next(name for name in ("score", "accuracy_reward", "exact_match", "passed") if name in row)
    problem = next(name for name in ("input", "prompt", "doc_id", "task_id") if name in row)
    rows = [row | {right: type(row[right])(i % 3 == 0), problem: i % 5} for i in range(40)]
    if problem != "doc_id":
        rows = [each | {problem: str(each[problem])} for each in rows]
    path = tmp_path / "a.jsonl"
    found = []
    for some in (rows, shuffled(rows, 0), shuffled(rows, 1)):
        path.write_text("\n".join(map(json.dumps, some)) + "\n")
        found.append(read(path))
    assert found[0] == found[1] == found[2]
    assert sum(found[0][0].values()) == 40


def test_estimates(tmp_path: Path) -> None:
    """Rates and their intervals, over all and by task; what draws at random (folds, bootstrap) has another draw."""
    steps = [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]
    lines = [json.dumps({"id": i, "problem": i % 7, "task": f"t{i % 3}", "attempts": steps[i % 2 :]}) for i in range(60)]
    found = []
    for some in (lines, shuffled(lines, 0)):
        (tmp_path / "a.jsonl").write_text("\n".join(some) + "\n")
        rows = measure(read_log(tmp_path / "a.jsonl").episodes, "task")
        found.append({row.labels: [(e.value, e.low, e.high) for e in (row.p, row.a, row.b)] for row in rows})
    assert found[0].keys() == found[1].keys()
    for labels, rates in found[0].items():
        np.testing.assert_allclose(np.array(rates, dtype=float), np.array(found[1][labels], dtype=float), rtol=1e-12)


@given(
    suffix=st.sampled_from([".csv", ".jsonl", ".parquet"]),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    seed=st.integers(0, 99),
    some=st.integers(0, 7),
)
def test_rows_of_a_chain(tmp_path_factory: pytest.TempPathFactory, suffix: str, sizes: list[int], seed: int, some: int) -> None:
    """Each answer has the numbers of its own row; prompts and answers keep the order in which they come."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for x, n in enumerate(sizes):
        law = rng.dirichlet(np.ones(n))
        rows += [{"prompt": f"p{x}", "answer": f"a{y}", "correct": int(rng.integers(2)), "prompt_weight": x + 1.0}
                 | ({"sample_probability": law[y], "stop_probability": rng.random()} if some & 1 else {})
                 | ({"sample_length": float(rng.integers(1, 9))} if some & 2 else {})
                 | ({"gamma": 0.5, "max_turns": 3} if some & 4 else {}) for y in range(n)]  # fmt: skip
    folder = tmp_path_factory.mktemp("chain")
    found = []
    for order in (rows, shuffled(rows, seed)):
        path = folder / f"a{suffix}"
        if suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(order), path)
        elif suffix == ".jsonl":
            lines = [json.dumps(dict(shuffled(list(row.items()), seed + i))) for i, row in enumerate(order)]  # also of keys
            path.write_text("\n".join(lines) + "\n")
        else:
            lines = [",".join(map(str, row.values())) for row in order]
            path.write_text("\n".join([",".join(order[0]), *lines]) + "\n")
        chain = read_chain(path)
        mdp, policy = chain.mdp, chain.policy
        assert mdp.prompts is not None
        first = list(dict.fromkeys(row["prompt"] for row in order))
        assert list(mdp.prompts) == first
        values = {}
        for x, names in enumerate(chain.answers):
            assert list(names) == [row["answer"] for row in order if row["prompt"] == first[x]]
            for y, name in enumerate(names):
                numbers = [mdp.correct[x, y], mdp.sample_length[x, y], mdp.reward_stop[x, y]]
                if policy is not None:
                    numbers += [policy.sample_logits[0, x, y], policy.stop_logits[0, x, y]]
                values[mdp.prompts[x], name] = numbers
        weights = dict(zip(mdp.prompts, mdp.prompt_weight.tolist(), strict=True))
        found.append((values, {name: pytest.approx(weight, rel=1e-15) for name, weight in weights.items()}, weights,
                      float(mdp.gamma), mdp.max_turns))  # fmt: skip
    assert found[0][0] == found[1][0]
    assert found[0][1] == found[1][2]
    assert found[0][3:] == found[1][3:]


MARKED = {"attempts": [{"correct": False, "decision": "resample"}, {"correct": True, "decision": "stop"}]}
ROLLOUT = {"problem": "a", "correct": True}
LATE = {  # record, what some add, who is said to have decided -> labels of the others, and of these
    "marked": (MARKED, {"decided_by": "verifier", "step": 3}, None, ("(not given)", "(not given)"), ("verifier", "3")),
    "marked, said": (MARKED, {"decided_by": "verifier", "step": 3}, "model", ("model", "(not given)"), ("verifier", "3")),
    "rollouts": (ROLLOUT, {"step": 3}, None, ("(not given)",), ("3",)),
    "rollouts, said": (ROLLOUT, {"step": 3}, "model", ("model", "(not given)"), ("model", "3")),
}


@pytest.mark.parametrize(("record", "more", "who", "without", "with_more"), LATE.values(), ids=list(LATE))
def test_labels_that_the_first_records_lack(
    tmp_path: Path, record: dict[str, Any], more: dict[str, Any], who: str | None, without: tuple[str], with_more: tuple[str]
) -> None:
    """Who decided and the step of training are kept of all records, however late the first that says them."""
    rows = [{"id": i, **record, **(more if i >= 1500 else {})} for i in range(3000)]  # several blocks
    path, found = tmp_path / "a.jsonl", []
    for some in (rows, rows[::-1], shuffled(rows, 0)):
        path.write_text("\n".join(map(json.dumps, some)) + "\n")
        found.append(read(path, decided_by=who))
    assert found[0] == found[1] == found[2]
    labels: Counter[tuple[str, ...]] = Counter()
    for (_, fields, *_), n in found[0][0].items():
        labels[tuple(text for name, text in fields if name in ("decided_by", "step"))] += n
    assert labels == {without: 1500, with_more: 1500}


CHAT = {"gold": "4", "messages": [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]}
TEXT = {"gold": "4", "transcript": "<answer>4</answer>"}
SAID: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "marked": (MARKED, "records", {}),
    "chats": (CHAT, "conversation", {"checker": "final-answer"}),
    "texts": (TEXT, "transcript", {"checker": "final-answer", "segment": "tags"}),
}


@pytest.mark.parametrize("who", [None, "model"])
@pytest.mark.parametrize(("record", "reader", "how"), SAID.values(), ids=list(SAID))
def test_records_in_memory_say_what_they_say_in_a_file(
    tmp_path: Path, record: dict[str, Any], reader: str, how: dict[str, Any], who: str | None
) -> None:
    more = {"decided_by": "verifier", **({"step": 1} if reader == "records" else {})}
    rows = [{"id": i, **record, **(more if i % 2 else {})} for i in range(4)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    log = from_records(rows, reader=reader, decided_by=who, **how)
    assert summary(log) == read(path, decided_by=who, **how)
    assert set(log.episodes.column("decided_by").names) == {who or "(not given)", "verifier"}


@pytest.mark.parametrize("decisions", [True, False])
def test_rows_of_attempts_say_who_decided(tmp_path: Path, decisions: bool) -> None:
    """In data frames, CSV, Parquet and JSON lines. Without decisions nobody did, in the records that do not say it."""
    rows = [
        {"id": i, "correct": k == 1, "decided_by": "verifier" if i else None,
         **({"decision": ("resample", "stop")[k]} if decisions else {"round": k})}
        for i in (0, 1) for k in (0, 1)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    found = [summary(from_frame(frame)), *(read(tmp_path / f"a.{kind}") for kind in ("csv", "parquet", "jsonl"))]
    assert found[0] == found[1] == found[2] == found[3]
    assert {dict(fields)["decided_by"] for _, fields, *_ in found[0][0]} == {"verifier", "(not given)" if decisions else "nobody"}
