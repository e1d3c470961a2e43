"""Shell scripts: of the one command that starts a trainer, what its arguments are; what only may hold; and what nobody knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dstheory.errors import FileFormatError
from dstheory.trainers import scripts
from dstheory.trainers.configuration import configuration_of
from dstheory.trainers.entries import Source
from dstheory.trainers.files import read_source


def read(tmp_path: Path, text: str) -> Source:
    path = tmp_path / "run.sh"
    path.write_text(text, encoding="utf-8")
    return read_source(path, ["my.train", "grpo.py", "trl grpo"])


# script -> what is known, with the line of a branch that may say otherwise; what is not
SCRIPTS: dict[str, tuple[str, list[tuple[str, object, int | None]], list[str]]] = {
    "a branch that sets a variable anew may hold": (
        "N=8\nif [ -n \"$1\" ]; then\n  N=4\nfi\npython -m my.train --n $N --m ${N}\n", [("n", 8, 3), ("m", 8, 3)], [],
    ),
    "two branches of which one holds": (
        "if [ $1 = a ]; then\n  N=4\nelse\n  N=5\nfi\npython -m my.train --n $N --m 1\n", [("m", 1, None)], ["n"],
    ),
    "within a branch its own value holds": (
        "N=8\nif true; then\n  N=4\n  python -m my.train --n $N\nfi\n", [("n", 4, None)], [],
    ),
    "a branch on one line": ("N=8; if true; then N=4; fi; python -m my.train --n $N\n", [("n", 8, 1)], []),
    "an assignment after a test": ("N=8\n[ -n \"$1\" ] && N=$1\npython -m my.train --n $N\n", [("n", 8, 2)], []),
    "an assignment after another": (
        "cd here && N=8 && M=2\npython -m my.train --n $N --m $M\n", [("n", 8, None), ("m", 2, None)], [],
    ),
    "arguments that are taken apart": (
        "N=8\nwhile [[ $# -gt 0 ]]; do\n  case \"$1\" in\n    -k|--n) N=\"$2\"; shift 2 ;;\n    *) exit 1 ;;\n  esac\ndone\n"
        "python -m my.train --n $N\n", [("n", 8, 4)], [],
    ),
    "what a loop runs through": ("N=8\nfor N in 1 2; do\n  python -m my.train --n $N --m 1\ndone\n", [("m", 1, None)], ["n"]),
    "what is read from elsewhere": ("N=8\nread N\npython -m my.train --n $N --m 1\n", [("m", 1, None)], ["n"]),
    "what is computed anew": ("N=8\nN=$(cat n.txt)\npython -m my.train --n $N --m 1\n", [("m", 1, None)], ["n"]),
    "whole numbers": (
        "N=8\nM=$((N * (2 + 6)))\npython -m my.train --n $((N / 3)) --m $M --o $((2 ** 3))\n",
        [("n", 2, None), ("m", 64, None)], ["o"],
    ),
    "whole numbers of what only may hold": (
        "N=8\nif true; then N=4; fi\npython -m my.train --n $((2 * N)) --m $(($N + 1))\n", [("n", 16, 2), ("m", 9, 2)], [],
    ),
    "words that are added to a text": (
        "A=\"--n 1\"\nA+=\" --m 2\"\npython -m my.train $A\n", [("n", 1, None), ("m", 2, None)], [],
    ),
    "an array with a branch": (
        "A=(\n  --n 1\n)\nif true; then\n  A+=(--n 2 --m 3)\nfi\npython -m my.train \"${A[@]}\"\n", [("n", 1, 5)], ["m"],
    ),
    "an array that is set anew": (
        "A=(--n 1 --m 2)\nA=(--n 3)\npython -m my.train ${A[@]}\nA=()\n", [("n", 3, None)], [],
    ),
    "an array that a branch sets anew": (
        "A=(--n=1 $B --m 2)\nif true; then\n  A=(--n 3)\nfi\nA+=(--o=4 p.q=5)\npython -m my.train ${A[@]}\n",
        [("n", 1, 3), ("m", 2, 3), ("o", 4, None), ("p.q", 5, None)], ["**"],
    ),
    "an array after a test": (
        "A=(--n 1)\n[ -n \"$1\" ] && A+=(\n  --n 2\n  --m 3\n)\npython -m my.train ${A[@]} --o 1\n",
        [("n", 1, 3), ("o", 1, None)], ["m"],
    ),
    "a shell of its own": ("N=1\n(cd here; python -m my.train --n $N --m \"(2)\") && f() { N=2; }\n",
                           [("n", 1, None), ("m", "(2)", None)], []),
    "a login shell": ("srun bash -lc 'python -m my.train --n 1'\n", [("n", 1, None)], []),
    "an array in which a command stands": (
        "A=(\n  --n 1 2 $(seq 3 5)\n  --m 3\n)\npython -m my.train ${A[@]}\n", [("n", [1, 2], None), ("m", 3, None)], ["**"],
    ),
    "an array that each of two branches sets": (
        "if x; then\n A=(--n 1 --m 2)\nelse\n A=()\nfi\npython -m my.train --n 3 \"${A[@]}\"\n", [("n", 3, 2)], ["m"],
    ),
    "what a function sets": ("N=8\nf() { N=4; }\nf\npython -m my.train --n $N\n", [("n", 4, None)], []),
    "what a function sets that is called so": (
        "N=8\nM=7\nfunction f {\n  N=4\n}\nfunction g() { M=5; }\nf\npython -m my.train --n $N --m $M\n",
        [("n", 4, None), ("m", 7, None)], [],
    ),
    "an array of another program": ("A=(--n 1)\nB=(--m 2)\npython -m my.train \"${A[@]}\"\n", [("n", 1, None)], []),
    "arrays within arrays, and keys after them": (
        "A=(--n 1)\nB=(--m 2 \"${A[@]}\" --o 3)\nA+=(--p 4 \"${B[@]}\")\npython -m my.train --o 1 ${B[*]} --m 5\n",
        [("o", 1, None), ("m", 2, None), ("n", 1, None), ("o", 3, None), ("m", 5, None)], [],
    ),
    "an array of values": ("A=(1 2)\npython -m my.train --m 1 --n ${A[@]}\n", [("m", 1, None), ("n", [1, 2], None)], []),
    "a variable that may hold anything": (
        "if true; then A='--n 1'; fi\npython -m my.train --m 1 --verbose=1 $A >> $LOG\n",
        [("m", 1, None), ("verbose", 1, None)], ["**", "n"],
    ),
    "arguments that the script was given": ("E=()\npython -m my.train --m=1 ${E[@]} \"$@\"\n", [("m", 1, None)], []),
    "another program's arguments": (
        "python prepare.py --n 1\nvllm serve --n 2 &\npython -m my.train --n 3 2>&1 | tee log --n 4\npython -m my.eval --n 5\n",
        [("n", 3, None)], [],
    ),
    "a launcher's arguments": ("accelerate launch --n 1 grpo.py --n 2; echo --n 3\n", [("n", 2, None)], []),
    "a command in quotes": ("srun --n 1 bash -c \"pip install x \\\n && python -m my.train \\\n --n 2\"\n", [("n", 2, None)], []),
    "a comment that ends a command": (
        "python -m my.train --n 1 \\ # why\n  --m 2 \\\n  --n 3\n", [("n", 1, 3)], ["m"],
    ),
    "a line that is commented out and ends a command": (
        "python -m my.train --n 1 \\\n  # --m 2 \\\n  --o 3\necho\n--p 4\n", [("n", 1, None)], ["o"],
    ),
    "a variable of the command alone": ("N=8 trl grpo --n $N --m 1\n", [("m", 1, None)], ["n"]),
    "a here-document of another command": (
        "cat <<EOF > notes\n--n 1\nIt's a.b=1\nEOF\npython -m my.train --m 2\n", [("m", 2, None)], [],
    ),
    "the run within a here-document": (
        "cat <<-'E'\n--n 1\nE\nread -r -d '' A << E\nmy.train \\\n --n 2\n --m 3\nE\n--m 4\nsrun $A\n",
        [("n", 2, None), ("m", 3, None)], [],
    ),
    "what begins no here-document": (
        "cat <<< D\npython -m my.train --n 1 --o $((1<<B)) \\\n  --m 2\n", [("n", 1, None), ("m", 2, None)], ["o"],
    ),
    "what is set in a here-document of another command": (
        "N=1\nA=(--m 2)\n: <<'E'\nN=3\nif true\nA=(--m 3)\nA+=(--o 4)\nE\npython -m my.train --n $N ${A[@]}\n",
        [("n", 1, None), ("m", 2, None)], [],
    ),
    "an array that is set after the run": (
        "A=(--n 1)\npython -m my.train ${A[@]}\nA+=(--n 2)\nA=(--n 3)\n", [("n", 1, None)], [],
    ),
    "an array that is set after the function that runs": (
        "f() {\n  python -m my.train ${A[@]}\n}\nA=(--n 1)\nf\n", [("n", 1, None)], [],
    ),
    "arrays that begin with an array, their own former too": (
        "A=(--n 1)\nA=(${A[@]} --m 2)\nA=(--o 3 ${A[@]})\nB=(${A[@]} --p 4)\npython -m my.train ${B[@]}\n",
        [("o", 3, None), ("n", 1, None), ("m", 2, None), ("p", 4, None)], [],
    ),
    "an array that names itself where it does not begin": (
        "A=(--n 1)\nA=(--m 2)\nif true; then\n  A=(--p 4 ${A[@]})\nfi\nA+=(--o 3 ${A[@]})\npython -m my.train ${A[@]}\n",
        [("m", 2, 4), ("o", 3, None), ("m", 2, 4)], ["p", "p"],
    ),
    "a part of an array": ("A=(--n 1 --m 2)\npython -m my.train ${A[@]:0:2} --o 3\n", [("o", 3, None)], ["**"]),
    "what may be keys behind a value": (
        "A=(--n 1 $B)\nmapfile -t C\npython -m my.train ${A[@]} --flag \"${C[@]}\" --o 2 $D --p $E\n",
        [("n", 1, None), ("flag", True, None), ("o", 2, None)], ["**", "**", "**", "p"],
    ),
    "an element behind what may be none": ("A=($B --n 1)\npython -m my.train --m ${A[2]} --o 1\n", [("o", 1, None)], ["m"]),
    "the same command twice": (
        "if x; then\n python -m my.train --n 1\nelse\n python -m my.train --n 1\nfi\n", [("n", 1, None)], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SCRIPTS)
def test_what_a_script_sets(tmp_path: Path, case: str) -> None:
    text, known, unread = SCRIPTS[case]
    source = read(tmp_path, text)
    assert [(e.key, e.value, e.unless) for e in source.entries] == known
    assert [e.key for e in source.unread] == unread


def test_one_of_two_runs_is_not_chosen_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"run\.sh starts trainers in line 1 and in line 2, .* a script that starts one"):
        read(tmp_path, "python -m my.train --n 1\npython -m my.train --n 2\n")
    path = tmp_path / "both.sh"
    path.write_text("trl sft --packing\ntrl dpo --beta 0.2\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match="or say whose is meant with --trainer"):
        configuration_of(path)
    assert configuration_of(path, trainer="trl:dpo").training.beta == 0.2


def test_a_branch_that_may_be_taken_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.sh"
    path.write_text("B=0.1\nif true; then B=0.2; fi\ntrl grpo --beta $B --run_name $B\n", encoding="utf-8")
    configuration = configuration_of(path)
    assert configuration.training.beta == 0.1
    assert [line for line in configuration.warnings if "branch" in line] == [
        "beta is 0.1 in line 3, unless line 2 makes it another, which is in a branch or does what "
        "is not read: give beta=VALUE after the file"
    ]


def test_a_file_that_only_the_shell_knows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.sh"
    path.write_text("trl grpo --config $1 --beta 0.1\n", encoding="utf-8")
    assert [line for line in configuration_of(path).warnings if "config" in line] == [
        "line 1: config is '$1', which is not evaluated, so that the settings of that file are not read: give what is set there "
        "as KEY=VALUE"
    ]
    (tmp_path / "base.yaml").write_text("beta: 0.3\n", encoding="utf-8")
    path.write_text("C=base.yaml\nif true; then C=other.yaml; fi\ntrl grpo --config $C\n", encoding="utf-8")
    found = configuration_of(path)
    assert found.training.beta == 0.3
    assert [line for line in found.warnings if "beta" in line] == [
        "beta is 0.3 in line 1 of base.yaml, unless line 2 makes it another, which is in a branch or does what "
        "is not read: give beta=VALUE after the file"
    ]


def test_what_a_branch_alone_sets_is_as_in_the_file_before_it(tmp_path: Path) -> None:
    """The library's default was shown, though the file that the command names says another value."""
    (tmp_path / "base.yaml").write_text("beta: 0.3\nepsilon: 0.1\n", encoding="utf-8")
    path = tmp_path / "run.sh"
    script = "A=()\nif true; then A+=(--beta 0.2 --epsilon 0.3); fi\ntrl grpo --config base.yaml --epsilon $E ${A[@]}\n"
    path.write_text(script, encoding="utf-8")
    found = configuration_of(path)
    assert found.training.beta == 0.3
    assert [entry.value for entry in found.unread] == ["$E", "0.3 in a branch"]
    assert [line for line in found.warnings if "beta" in line or "is '$E'" in line] == [
        "line 3: epsilon is '$E', which is not evaluated: the default 0.2 is shown; give epsilon=VALUE after the file",
        "beta is 0.3 in line 1 of base.yaml, unless line 2 makes it another, which is in a branch or does what "
        "is not read: give beta=VALUE after the file",
    ]


@pytest.mark.parametrize(("folder", "says", "value"), [
    ("--config-path=conf", "conf", 16), ("--config-path=$D", ".", 16), ("--config-path=conf", ".", None), ("", ".", None),
    ("-cp conf", "conf", 16),
])  # fmt: skip
def test_the_file_that_hydra_is_told_of(tmp_path: Path, folder: str, says: str, value: int | None) -> None:
    """By a name without its end, in a folder; without a folder it is one of the library's own."""
    named = "-cn mine" if folder.startswith("-cp") else "--config-name='mine'"
    run = f"python -m verl.trainer.main_ppo {folder} {named} algorithm.adv_estimator=grpo\n"
    (tmp_path / "run.sh").write_text(run, encoding="utf-8")
    (tmp_path / says).mkdir(exist_ok=True)
    (tmp_path / says / "mine.yaml").write_text("actor_rollout_ref: {rollout: {n: 16}}\n", encoding="utf-8")
    found = configuration_of(tmp_path / "run.sh")
    assert found.value("actor_rollout_ref.rollout.n") == (value or 1)
    assert any("config_name names 'mine', whose settings are not read" in line for line in found.warnings) == (value is None)


def test_arrays_within_arrays_are_what_they_were_when_they_were_named(tmp_path: Path) -> None:
    """An array that was set later was put in: bash had none there. Many within each other are more than anybody means."""
    arrays = [f'A{i}=(--k{i}=1 "${{A{i + 1}[@]}}")\n' for i in range(3000)]
    run = 'python -m my.train "${A0[@]}" --n 1\n'
    assert [entry.key for entry in read(tmp_path, "".join(arrays) + run).entries] == ["k0", "n"]
    few = "A60=()\n" + "".join(reversed(arrays[:60])) + run
    assert [entry.key for entry in read(tmp_path, few).entries] == [*(f"k{i}" for i in range(60)), "n"]
    with pytest.raises(FileFormatError, match=r"run\.sh has more than 200,000 words: give the command alone"):
        read(tmp_path, "".join(reversed(arrays)) + run)


@pytest.mark.parametrize(("script", "says"), [
    ("trl grpo --n 1\nif x; then\n  y\n", r"run\.sh, line 4: no shell command \(fi is missing\)"),
    ("f() {\n  trl grpo --n 1\n", r"line 3: no shell command \(\} is missing\)"),
    ("trl grpo --n 1\ncat <<E\n", r"line 2: no shell command \(no line E ends the here-document\)"),
    ("A=(--n 1\n", r"line 2: no shell command \(\) is missing\)"),
    ("f() { f; }\nf\n", r"line 1: no shell command \(the function f calls itself, which is not followed\)"),
    ("trl grpo --n $(\n", r"line 1: no shell command \(\( is not closed\)"),
])  # fmt: skip
def test_what_bash_refuses_is_refused(tmp_path: Path, script: str, says: str) -> None:
    with pytest.raises(FileFormatError, match=says):
        read(tmp_path, script)


def test_a_text_of_many_lines_in_quotes_is_read_once(tmp_path: Path) -> None:
    """It was read again for each of its lines: a script of one megabyte took many minutes."""
    text = "echo '" + "a\n" * 2000 + "' \"it's\n# no comment\" # isn't\npython -m my.train --n 1\n"
    assert [(e.key, e.value, e.line) for e in read(tmp_path, text).entries] == [("n", 1, 2003)]


def test_names_of_programs_are_looked_for_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 84 names was looked for in each line of an array: 20,000 lines took 14 seconds."""
    made = list[str]()
    monkeypatch.setattr(scripts, "_pattern", lambda *names: made.append("") or "|".join(map(re.escape, names)))
    lines = "".join(f"  --k{i} {i}\n" for i in range(100))
    assert len(read(tmp_path, f"A=(\n{lines})\nmy.train ${{A[@]}}\n").entries) == 100
    assert len(made) == 1
