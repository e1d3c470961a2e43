"""The runner: files that crash, hang, print or exit, time limits, selection, and one result for any number of workers."""

from __future__ import annotations

import dataclasses

import pytest
from claims.claim_files import FILES, HEAD, warm_workers

from dstheory.claims import Status, workers
from dstheory.claims.runner import Report, list_claims, verify
from dstheory.claims.sources import bundled_files, claim_files, load_claims, looks_like_path, select
from dstheory.claims.workers import Pool
from dstheory.errors import ClaimFileError, UnknownClaimError


@pytest.fixture(autouse=True, scope="module")
def workers_stay_warm():
    with warm_workers():
        yield


@pytest.fixture
def files(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(files, *names, **options):
    report = verify(*[str(files / name) for name in names], workers=1, **options)
    return report, {entry.info["id"]: entry.verdict for entry in report.entries}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """All bad files in one run, so that each must leave the others alone; ids get the file's name."""
    files = tmp_path_factory.mktemp("claims")
    for name, text in FILES.items():
        stem = name.removesuffix(".py")
        for old in ('"good"', "'good'", "'bad'"):
            text = text.replace(old, f"{old[:-1]}-{stem}{old[-1]}")
        (files / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_IDLE_SECONDS", 1.0)
        patch.setattr(workers, "_SLACK", 0.2)
        return verify(str(files), time_limit=1.0, workers=2)


def of(report, name):
    """The entries of one file."""
    return Report(tuple(entry for entry in report.entries if entry.info["path"].endswith(f"/{name}")))


def test_what_a_worker_shows_for_less_than_all_values_is_said_to_be_less(tmp_path):
    """None of these holds for all p and a."""
    (tmp_path / "mine.py").write_text(
        f"""{HEAD}
from dstheory.claims import example, search
from hypothesis.strategies import integers
one = claim("one", [example("There is one.", p < a, at={{p: "1/3", a: "1/2"}})])
part = claim("part", [decide("If so, so.", p < a, given=[a > 2 * p])])
same = claim("same", [identity("The same.", p * a, a * p)])
tried = claim("tried", [search("None of a few.", lambda n: n < 10**9, n=integers(0, 10))])
needed = claim("needed", [decide("If so, so.", p < a, given=[a > 2 * p])], recorded="holds under condition")
met = claim("met", [*needed.proof, example("It is met.", p < a, at={{p: "1/5", a: "1/2"}})], recorded="holds under condition")
"""
    )
    _, verdicts = run(tmp_path, "mine.py")
    said = {name: str(verdict.outcome) for name, verdict in verdicts.items()}
    limits = ["holds at an example", "holds under condition", "true by definition", "not refuted", "error", "error"]
    assert said == dict(zip(["good", "one", "part", "same", "tried", "needed", "met"], ["holds", *limits], strict=True))


@pytest.mark.parametrize(
    ("name", "status", "code", "message"),
    [
        ("crash.py", Status.ERROR, 1, "RuntimeError: boom (crash.py, line 9)"),
        ("abort.py", Status.ERROR, 1, "with exit code 7"),
        ("killed.py", Status.ERROR, 1, "by signal 11"),
        ("leave.py", Status.ERROR, 1, "SystemExit"),
        ("free.py", Status.ERROR, 1, "zeta"),
        ("vacuous.py", Status.ERROR, 1, "contradict"),
        ("false.py", Status.REFUTED, 3, ""),
        ("not_false.py", Status.DECIDED, 3, ""),
        ("undecided.py", Status.UNDECIDED, 4, "bounds"),
        ("hang.py", Status.UNDECIDED, 4, "time limit of 1 s"),
        ("spin.py", Status.UNDECIDED, 4, "time limit of 1 s"),
        ("print.py", Status.DECIDED, 0, ""),
    ],
)
def test_what_goes_wrong_in_one_claim_stays_there(everything, name, status, code, message):
    report = of(everything, name)
    good, bad = (entry.verdict for entry in report.entries)
    assert good.status is Status.DECIDED
    assert bad.status is status
    assert message in bad.message
    assert report.exit_code == code


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("syntax.py", "SyntaxError"),
        ("import_error.py", "a_module_that_does_not_exist' (line 1)"),
        ("maximum.py", "SymPy cannot compare Min(1, Sum(a, (a, 1, 1))) with the other arguments of Max or Min (maximum.py"),
        ("exit_on_import.py", "SystemExit"),
        ("hang_on_import.py", "did not finish loading: it waited without computing"),
        ("empty.py", "defines no claim"),
        ("twice.py", "two claims with the id good-twice"),
        ("ill_posed.py", "claim bad-ill_posed has no proof steps"),
    ],
)
def test_a_file_that_does_not_load_is_an_entry_of_its_own(everything, name, message):
    (entry,) = of(everything, name).entries
    assert (entry.info["id"], entry.verdict.status) == (name, Status.ERROR)
    assert message in entry.verdict.message


def test_time_in_which_a_process_may_not_run_is_no_waiting(everything):
    """Held for longer than a request may wait, as by a machine that is busy or asleep, and then continued."""
    assert [entry.verdict.status for entry in of(everything, "held.py").entries] == [Status.DECIDED]


def test_errors_outweigh_other_verdicts_which_outweigh_undecided(everything):
    def code(*names):
        return Report(tuple(entry for name in names for entry in of(everything, name).entries)).exit_code

    assert code("fine.py", "undecided.py") == 4
    assert code("undecided.py", "false.py") == 3
    assert code("undecided.py", "false.py", "crash.py") == 1
    assert everything.exit_code == 1


def test_one_id_in_two_files_is_an_error_of_the_second(files):
    report, verdicts = run(files, "fine.py", "false.py")
    assert "which fine.py defines as well" in verdicts["false.py"].message
    assert report.exit_code == 1


def test_a_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "shared_symbols.py").write_text("from sympy import symbols\np, a = symbols('p a')\n")
    (tmp_path / "mine.py").write_text(
        "from shared_symbols import p, a\nfrom dstheory.claims import UNIT, Claim, decide\n"
        "mine = Claim(id='mine', statement='x', domain={'p a': UNIT}, proof=[decide('x', p * a < p)])\n"
    )
    assert run(tmp_path, "mine.py")[1]["mine"].status is Status.DECIDED


def test_the_report_does_not_depend_on_the_number_of_workers():
    def stable(report):
        steps = [[dataclasses.replace(step, time=0.0) for step in entry.verdict.steps] for entry in report.entries]
        return steps, [dataclasses.replace(entry.verdict, time=0.0, steps=()) for entry in report.entries]

    file = next(str(path) for path in bundled_files() if path.stem == "a2_reflection")
    one, two = (verify(file, workers=workers, seed=3) for workers in (1, 2))
    assert stable(one) == stable(two)


def test_progress_is_told_after_every_claim():
    seen = []
    verify("A3", "A3-loose", workers=1, progress=lambda done, total, name: seen.append((done, total, name)))
    assert [(done, total) for done, total, _ in seen] == [(1, 2), (2, 2)]
    assert {name for _, _, name in seen} == {"A3", "A3-loose"}


@pytest.mark.parametrize("names", [["X1", "broken.py"], ["broken.py", "--"], ["broken.py"]])
def test_a_file_that_does_not_import_is_a_crash_even_if_a_claim_of_it_is_named(files, names):
    (files / "broken.py").write_text("import a_module_that_is_missing\nX1 = None\n")
    report = verify(*[str(files / name) if name.endswith(".py") else name for name in names if name != "--"], workers=1)
    assert report.exit_code == 1
    assert [entry.info["id"] for entry in report.entries] == ["broken.py"]
    assert "ModuleNotFoundError" in report.entries[0].verdict.message
    with pytest.raises(UnknownClaimError):
        verify("X1", str(files / "fine.py"), workers=1)


def test_a_directory_is_checked_whole(files):
    for name in FILES:
        if name not in ("fine.py", "print.py"):
            (files / name).unlink()
    text = (files / "print.py").read_text().replace('"good"', '"other"')
    (files / "print.py").write_text(text)
    report = verify(str(files), workers=1)
    assert sorted(entry.info["id"] for entry in report.entries) == ["bad", "good", "other"]
    assert report.exit_code == 0


HARD = "(x[0]*x[1]*p - x[2])**2 + (x[3] - x[1]**3*x[4])**2 + 1 + x[5]**4 - (x[0]*x[4] - x[1]*x[2])**3*x[3]/10**60"
SLOW = {
    "identity": "identity('slow', [(sum(x)+j)**6*p for j in range(999)], [(sum(x)+j)**5*(sum(x)*p+j*p) for j in range(999)])",
    "decide": f"decide('slow', {HARD} > 0)",
    "enclose": "enclose('slow', exp(sum(x)) - exp(sum(x[:3])) * exp(sum(x[3:])) >= 0, {s: (0, 1) for s in x}, boxes=10**9)",
    "search": "search('slow', lambda n: sum(range(10**9)) > n, n=integers(0, 9))",
    "example": "example('slow', Sum((x[0] + k)**30000, (k, 1, 900)) > p, at={**{s: '1/7' for s in x}, p: '1/3'})",
    "premise": f"decide('slow', p > 0, given=[{HARD} < 0])",
    "definition": f"identity('slow', V * 2, V + V + p - p * 1, using={{V: 1/({HARD})}})",
    "python": "[None for _ in iter(int, 1)]",
}
SLOW_HEAD = """
from hypothesis.strategies import integers
from sympy import Sum, exp, log, symbols
from dstheory.claims import REAL, UNIT, Claim, decide, enclose, example, identity, search
p, k, V = symbols("p k V")
x = symbols("x_1:7")
def proof():
    return [PROOF]
slow = Claim(id="slow", statement="Slow.", domain={p: UNIT, **{s: REAL for s in x}}, proof=proof)
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """One run of all slow claims, each in a file of its own."""
    files = tmp_path_factory.mktemp("slow")
    for kind, proof in SLOW.items():
        (files / f"{kind}.py").write_text(SLOW_HEAD.replace("PROOF", proof).replace('id="slow"', f'id="{kind}"'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_SLACK", 0.2)
        return verify(str(files), time_limit=0.1, workers=2)


@pytest.mark.parametrize("kind", list(SLOW))
def test_running_out_of_time_at_any_kind_of_step_is_undecided_and_never_ill_posed(slow, kind):
    (entry,) = (entry for entry in slow.entries if entry.info["id"] == kind)
    assert entry.verdict.status is Status.UNDECIDED, (entry.verdict.method, entry.verdict.message)
    assert "time limit" in entry.verdict.message
    assert slow.exit_code == 4


def test_time_limits_count_processor_time_and_not_the_clock_on_the_wall(tmp_path):
    sleepy = SLOW_HEAD.replace("[PROOF]", "__import__('time').sleep(1.5) or [decide('Yes.', p < 1 + x[0]**2)]")
    (tmp_path / "sleepy.py").write_text(sleepy)
    (entry,) = verify(str(tmp_path / "sleepy.py"), time_limit=0.3, workers=1).entries
    assert entry.verdict.status is Status.DECIDED, entry.verdict.message


def test_an_interrupt_stops_the_workers(files):
    pool = Pool(1)

    def interrupt(request):
        raise KeyboardInterrupt

    request = {"op": "list", "path": str(files / "fine.py")}
    with pytest.raises(KeyboardInterrupt):
        pool.map([request], done=interrupt)
    assert all(worker._process is None for worker in pool._workers)


def test_selection_by_id_group_source_and_path(files):
    everything = list_claims()
    ids = [info["id"] for info in everything]

    def chosen(*names):
        return [info["id"] for info in select(everything, names)]

    assert chosen("a3") == ["A3"]
    assert chosen("A") == [info["id"] for info in everything if info["group"] == "A"]
    assert set(chosen("2601.01580")) >= {"A1", "B1", "B3-loose"}
    assert chosen("arXiv:2601.01580v2") == chosen("2601.01580")
    assert chosen("B2", "A3") == [i for i in ids if i in ("A3", "B2")]
    assert [info["id"] for info in list_claims(str(files / "fine.py"))] == ["good"]
    assert [info["id"] for info in list_claims("A3", str(files / "fine.py"))] == ["A3", "good"]


def test_unknown_names_get_the_nearest_known_ones():
    claims = [{"id": "A3", "group": "A", "source": ""}, {"id": "A3-loose", "group": "A", "source": ""}]
    with pytest.raises(UnknownClaimError, match="Did you mean A3-loose"):
        select(claims, ["A3-lose"])
    with pytest.raises(UnknownClaimError, match="shows all of them"):
        select(claims, ["zzzzzz"])
    with pytest.raises(UnknownClaimError, match="group 'Q'"):
        select(claims, [], ["Q"])
    with pytest.raises(UnknownClaimError, match=r"no claim '1234\.56789'"):
        select(claims, ["1234.56789"])


def test_a_directory_is_named_without_a_slash_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("claims", "A"):
        (tmp_path / name).mkdir()
    (tmp_path / "claims" / "mine.py").touch()
    assert looks_like_path("claims")
    assert not looks_like_path("A")  # a directory of something else; the name is that of a group


def test_paths(tmp_path):
    assert not looks_like_path("B1-loose")
    with pytest.raises(ClaimFileError, match="no file"):
        claim_files(str(tmp_path / "missing.py"))
    with pytest.raises(ClaimFileError, match="no Python file"):
        claim_files(str(tmp_path))
    (tmp_path / "b.py").touch()
    (tmp_path / "a.py").touch()
    (tmp_path / "_private.py").touch()
    assert [file.name for file in claim_files(str(tmp_path))] == ["a.py", "b.py"]
    assert bundled_files()


def test_claims_in_lists_count_in_the_order_they_are_named(tmp_path):
    file = tmp_path / "several.py"
    file.write_text(FILES["fine.py"] + "more = [claim(f'c{i}', [decide('x', p < 1 + a)]) for i in (2, 1)]\nagain = more[0]\n")
    assert list(load_claims(file)) == ["good", "c2", "c1"]


def test_a_worker_that_ends_as_it_is_stopped_ends_the_run_in_order(files, monkeypatch) -> None:
    """Its group is gone between the look and the signal: nobody is told, and its pipes are closed."""
    asked = []

    def gone(group, number):
        asked.append(group)
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(workers.os, "killpg", gone)
    worker = workers._Worker()
    assert "died" not in worker.ask({"op": "list", "path": str(files / "print.py")})
    process = worker._process
    worker.stop()
    assert asked == [process.pid]
    assert process.poll() is not None
    assert process.stdin.closed
    assert process.stdout.closed
