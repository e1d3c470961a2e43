"""Scripts as people write them, run by bash itself, with programs that only write down their arguments: what is read is that.

What bash hands over is taken apart by a few lines of this file, which share nothing with the package.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dstheory.errors import FileFormatError
from dstheory.trainers.entries import ANY_KEY, Source, scalar
from dstheory.trainers.files import read_source

PROGRAMS = ["trl grpo", "my.train", "grpo.py"]
WRITES = """#!/bin/bash
for ((i = 1; i <= $#; i++)); do  # a launcher runs the shell that it is given
  [[ "${!i}" == bash ]] && exec "${@:i}"
done
printf '%s\\0' "${0##*/}" "$@" $'\\n' >> "$RECORD"
"""
# what is read is all that bash hands over
EXACT = [
    "N=${N:-4}\n: \"${B:=0.1}\"\ntrl grpo rollout.n=$N actor.beta=${B} lr=${LR-1e-6} x.y=${N:+7}",
    "N=8\n(N=4; cd /tmp)\ntrl grpo --n $N",
    "A=(--n 1 --m 2)\nA[1]=5\nA[3]=$((3*2))\ntrl grpo \"${A[@]}\"",
    "N=8\nunset N\ntrl grpo --n ${N:-3} --m 1",
    "A=(--n 1)\nunset A\nA+=(--m 2)\ntrl grpo \"${A[@]}\"",
    "trl grpo --n 3 <<< \"y --n 5\" --m 2",
    "for n in 4; do\n trl grpo --n $n --m 1\ndone",
    "N=8\nf() { local N=4; }\nf\ntrl grpo --n $N",
    "N=8\nf() { N=4; }\nf\ntrl grpo --n $N",
    "f() { trl grpo --n 4; }\ntrl grpo --n 5",
    "A=\"1+1\"\ntrl grpo --n $((A*3)) --m $((${A}*3))",
    "accelerate launch --config_file z.yaml --num_processes 8 grpo.py --n 4 --m 2",
    "torchrun --nproc_per_node=8 --nnodes 1 -m my.train --n 4 --m 2",
    "srun --gpus 4 --exclusive bash -c \"trl grpo --n 4 --m 2\"",
    "N=4\nexport M=5\nsrun bash -c 'trl grpo --n ${N:-1} --m $M'",
    "N=3 M=2 trl grpo --n ${N:-9} --m 1",
    "set -- --n 4 --m 5\ntrl grpo \"$@\"",
    "A=\"--n 1 --m '2 3'\"\ntrl grpo $A --o \"4 5\"",
    "A=(--n 1)\nB=(\"${A[@]}\" --m 2)\nA=(--n 5)\ntrl grpo \"${B[@]}\"",
    "ARGS=\"--n 1\"\nARGS=\"$ARGS --m 2\"\nARGS+=\" --o 3\"\ntrl grpo $ARGS",
    "CMD=\"trl grpo --n 4\"\nCMD=\"$CMD --m 3\"\necho $CMD\neval $CMD",
    "CMD=\"trl grpo --n 4 --m 3\"\n$CMD --o 1",
    "N=1\nif [ $# -gt 3 ]; then N=9; echo usage; exit 1; fi\ntrl grpo --n $N",
    "N=2\ncd . || { N=5; exit 1; }\ntrl grpo --n $N",
    "trl grpo --n 1\nexit 0\ntrl grpo --n 2",
    "trl grpo --n 1 --m k3 \\",
    "trl grpo --n 1 --m k3\\",
    "trl grpo --n 1 --m k3\\\\",
    "N=4\ncat > job.sh <<EOF\n#!/bin/bash\ntrl grpo --n $N --m 3\nEOF\nbash job.sh",
    "N=4\nbash <<'EOF'\ntrl grpo --n ${N:-1} --m 3\nEOF",
    "trl grpo +a.b='[1,2]' ++c.d=\"{x:1}\" e.f=[3,4] 'g.h=[a, b]'",
    "N=1\necho 5 | while read N; do :; done\ntrl grpo --n $N",
    "N=1\nN=5 | cat\nN=6 &\ntrl grpo --n $N",
    "B=5\ntrl grpo --n ${A:-${B:-3}} --m ${C:-$((B*2))}",
    "A=(--n 1)\nA=--m\ntrl grpo \"${A[@]}\"",
    "X=\ntrl grpo --n=$X --m \"\" --o 1",
    "trl grpo --n 1 --t \"a\nb\" --m 2",
    "export N=${N:-6}\nexport M\nM=2\nbash -c 'trl grpo --n $N --m $M'",
    "exec trl grpo --n 4\ntrl grpo --n 5",
    "deepspeed --module my.train --actor.x 3 --n 1",
    "ray job submit --address=x --runtime-env-json='{\"a\": 1}' -- python3 -m my.train --n 4 --m 2",
    "for i in 1 2 3; do\n  trl grpo --n 4 && break\n  sleep 0\ndone",
    "N=8\nN=${1:-$N}\ntrl grpo --n $N --m ${2-3}",
    "K=n\ntrl grpo --$K 3 a.$K=4",
    "A=()\ntrl grpo ${A[@]+\"${A[@]}\"} --n 1",
    "NS=(2 4 8)\nI=1\ntrl grpo --n ${NS[$I]} --m ${NS[I+1]}",
    "die() { exit 1; }\nN=1\n[ -n \"$X\" ] && die\n[ -d . ] || { N=2; die; }\ntrl grpo --n $N",
    "export Q=3\nB=2\nbash <<E\nQ=$B\nB=5\ntrl grpo --n \\$Q --m $B --k \\${C:-7} --j ${B:-8} --z ${Z:-9} --l \"${Q}x\""
    " --o \\$B\nE",
    ": '\ntrl grpo --n 9\n'\ntrl grpo --n 8",
    "X=3\nbash <<E\nX=5\ntrl grpo --n \\$X --m $X --o \\${X} --p $((X*2))\nE",
]  # fmt: skip
# what is not read is said, and what is read without doubt is what bash hands over
TOLD = [
    "A=(--n 1)\nA[7]=--m\nA[5]=4\ntrl grpo ${A[@]}",
    "A=(--n 1 --m 2)\nunset \"A[3]\"\ntrl grpo \"${A[@]}\"",
    "trl grpo actor.clip=0.3 ~actor.clip algorithm.x=1",
    "read -r N M <<< \"5 6\"\ntrl grpo --n $N --m $M --o 1",
    "for n in 1 2 3; do\n trl grpo --n $n --m 1\ndone",
    "A=()\nfor k in a b; do A+=(--$k 1); done\ntrl grpo \"${A[@]}\" --m 2",
    "N=0\nfor i in 1 2 3; do N=$((N+1)); done\ntrl grpo --n $N",
    "i=0\nwhile [ $i -lt 3 ]; do i=$((i+1)); done\ntrl grpo --n $i",
    "N=1\nfor ((i=0;i<3;i++)); do N=$((N*2)); done\ntrl grpo --n $N --m $i",
    "run() {\n  local n=$1 m=${2:-7}\n  trl grpo --n $n --m $m \"${@:3}\"\n}\nrun 3",
    "N=8\nf() { [ -n \"$1\" ] && return; N=4; }\nf x\ntrl grpo --n $N",
    "N=8\nf() { [ -n \"$1\" ] && return; N=4; }\nf\ntrl grpo --n $N",
    "G=8\nB=64\nT=$((G*B/3))\ntrl grpo --n $T --m $((B % 7)) --o $(( (G+1)*2 )) --p $((-7/2)) --q $((2**3))",
    "N=3\n((N++))\nlet M=N*2\n((N+=2))\ntrl grpo --n $N --m $M",
    "if [ \"$X\" = a ]; then N=1; else N=2; fi\ntrl grpo --n $N --m 1",
    "E=\"\"\nif [ -z \"$X\" ]; then E=\"--n 4\"; fi\ntrl grpo --m 1 $E",
    "E=\"--n 2\"\nif [ -z \"$X\" ]; then E=\"$E --n 4 --o 5\"; fi\nE=\"$E --m 1\"\ntrl grpo $E",
    "M=x\nif [ $M = y ]; then N=1\nelif [ $M = x ]; then N=2\nelse N=3\nfi\ntrl grpo --n $N --m 1",
    "M=${M:-dapo}\ncase \"$M\" in\n grpo) L=grpo; B=0.1 ;;\n dapo|x) L=dapo ;;\n *) exit 1 ;;\nesac\n"
    "trl grpo --loss $L --b ${B:-0}",
    "trl grpo \\\n  --n 1 \\\n  # --m 2 \\\n  --o 3",
    "trl grpo --n 1 \\ \n  --o 3 --n 2",
    "trl grpo --n 1 \\  # why\n  --o 3 --n 2",
    "trl grpo --n {1,2} --m=1",
    "N=$(echo 4)\nM=`echo 3`\ntrl grpo --n $N --m $M --o 1",
    "read N < /dev/null\ntrl grpo --n ${N:-8} --m 1",
    "declare -A C=([n]=3 [m]=4)\ntrl grpo --n ${C[n]} --o 1",
    "printf -v N %d 7\ntrl grpo --n $N --m 1",
    "N=1\n[ -z \"$X\" ] && N=2\n[[ -z $X && -z $Y ]] && M=3 || M=4\ntrl grpo --n $N --m $M --o 1",
    "echo \"N=5\" > env.sh\nN=1\nsource ./env.sh\ntrl grpo --n $N --m ${M:-2}",
    "A=(1 2 3)\nIFS=,\ntrl grpo --n \"${A[*]}\" --m 1",
    "X=5\ndeclare -n R=X\nR=7\ntrl grpo --n $X --m 1",
    "N=1\nuntil [ $N -ge 3 ]; do let N++; done\ntrl grpo --n $N --m 1",
    "A=(--n 1 --m 2)\ntrl grpo \"${A[@]:2}\" --o 1",
    "N=2\nA=(--n $N --m $(echo 3) --o 4)\ntrl grpo \"${A[@]}\"",
    "DEBUG=0\nN=8\nif [ \"$DEBUG\" = 1 ]; then\n  N=2\n  X=\"--o 3\"\nfi\ntrl grpo --n $N $X --m 1",
    "N=1\nfor N in 2 3; do :; done\ntrl grpo --n $N --m 1",
    "A=\"\"\nfor k in n m; do A=\"$A --$k 1\"; done\ntrl grpo $A --o 2",
    "trl grpo --t $'a\\tb' --n 1",
    "K=$(echo n)\ntrl grpo --$K 3 --n 5 a.$K=4 --m 1",
    "A=(--n 1)\nif [ -z \"$X\" ]; then A+=(--n 2 --flag); fi\ntrl grpo \"${A[@]}\" --m 1",
    "while read -r n; do\n trl grpo --n $n --m 1\ndone <<EOF\n3\nEOF",
    # what is put in for the shell that writes a script is not what the other shell has
    "X=3\nbash <<E\ntrl grpo --n \\$X --m $X\nE",
    "X=$(echo 3)\nbash <<E\nX=4\ntrl grpo --n $X --m \\$X\nE",
    # brackets and quotes in comments and here-documents within $(...)
    "P=$(cat <<'E'\nDon't (\nE\n)\ntrl grpo --n 4 --p \"$P\"",
    "P=$(cat <<EOF\nE\nDon't (\nEO\nEOF\n)\ntrl grpo --n 4 --p \"$P\"",
    "P=$(cat <<-E | cat\n\tDon't ) (\n\tE\n)\ntrl grpo --n 4 --p \"$P\"",
    "P=$( # it's one )\n echo 3 )\ntrl grpo --n 4 --p $P",
    # numbers in other bases, and as they were written before $((...))
    "trl grpo --n 4 --m $((2#101 + 1)) --o $((16#f))",
    "N=4\ntrl grpo --n 4 --m $[N*2]",
    # keys that a command, or a branch, may have behind a value or a flag
    "echo '--n 9 --k 1' > a\ntrl grpo --n=5 $(cat a)",
    "echo '--n 9 --k 1' > a\ntrl grpo --n 5 `cat a` --m 1",
    "echo '--n 9 --k 1' > a\nA=$(cat a)\ntrl grpo --n=5 $A --m 1",
    "if [ -z \"$X\" ]; then A='--n 1'; fi\ntrl grpo --n 5 --verbose $A",
    "if [ -n \"$X\" ]; then A='--n 1'; else A='--k 2'; fi\ntrl grpo --n 5 --verbose $A",
    "if [ -z \"$X\" ]; then A=(--k 2); fi\ntrl grpo --n 5 --verbose ${A[@]}",
]  # fmt: skip


pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")


def by_bash(tmp_path: Path, script: str) -> list[dict[str, object]]:
    """What the trainer is given, once for each time that it is started."""
    for name in ("python", "python3", "trl", "accelerate", "torchrun", "deepspeed", "srun", "ray", "sbatch"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(WRITES, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    record = tmp_path / "record"
    record.touch()
    path = os.pathsep.join([str(tmp_path / "bin"), os.defpath])
    (tmp_path / "here").mkdir()
    subprocess.run([shutil.which("bash") or "bash", str(tmp_path / "run.sh")], cwd=tmp_path / "here", stdin=subprocess.DEVNULL,
                   env={"PATH": path, "RECORD": str(record)}, capture_output=True, check=False, timeout=60)  # fmt: skip
    found = []
    for run in record.read_text(encoding="utf-8").split("\0\n\0")[:-1]:
        words = run.split("\0")
        at = next((i for i, word in enumerate(words) if word in ("grpo", "my.train", "grpo.py")), None)
        if at is not None and settings(words[at + 1 :]) not in found:
            found.append(settings(words[at + 1 :]))
    return found


def settings(words: list[str]) -> dict[str, object]:
    """The last value of each key, as a command line and as Hydra has them."""
    found: dict[str, list[str]] = {}
    key = ""
    for word in words:
        made = re.fullmatch(r"(?:--|\+\+|\+)?([A-Za-z][\w.-]*)=(.*)", word, re.DOTALL)
        if word.startswith("~"):
            found[word[1:]], key = ["deleted"], ""
        elif made:
            found[made[1].replace("-", "_")], key = [made[2]], ""
        elif word.startswith("--"):
            key = word[2:].replace("-", "_")
            found[key] = []
        elif key and not word.isspace():
            found[key].append(word)
    values = {key: [scalar(word) for word in words] for key, words in found.items()}
    return {key: each[0] if len(each) == 1 else each or True for key, each in values.items()}


def read(tmp_path: Path, script: str) -> Source:
    (tmp_path / "run.sh").write_text(script + "\n", encoding="utf-8")
    return read_source(tmp_path / "run.sh", PROGRAMS)


@pytest.mark.parametrize("script", EXACT)
def test_what_is_read_is_what_the_trainer_gets(tmp_path: Path, script: str) -> None:
    source = read(tmp_path, script)
    (given,) = by_bash(tmp_path, script)
    assert {entry.key: entry.value for entry in source.entries} == given
    assert (source.unread, [entry.unless for entry in source.entries if entry.unless is not None]) == ((), [])


@pytest.mark.parametrize("script", TOLD)
def test_nothing_is_passed_over_and_what_is_not_doubted_is_right(tmp_path: Path, script: str) -> None:
    source = read(tmp_path, script)
    runs = by_bash(tmp_path, script)
    assert runs
    unread = {entry.key for entry in source.unread}
    doubted = {entry.key for entry in source.entries if entry.unless is not None}
    assert unread or doubted
    known = {entry.key: entry.value for entry in source.entries if entry.key not in unread | doubted}
    for given in runs:
        if ANY_KEY not in unread:
            assert known.items() <= given.items()
            assert given.keys() <= known.keys() | unread | doubted


def test_runs_with_other_settings_are_refused_also_where_a_function_starts_them(tmp_path: Path) -> None:
    script = "run() {\n  trl grpo --n $1\n}\nrun 3\nrun 4"
    with pytest.raises(FileFormatError, match=r"run\.sh starts trainers in line 2 and in line 2, with other settings"):
        read(tmp_path, script)
    assert by_bash(tmp_path, script) == [{"n": 3}, {"n": 4}]
