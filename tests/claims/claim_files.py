"""Claim files that go wrong in every way a user's file can; and workers that stay warm from one test to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from dstheory.claims.workers import Pool


@contextmanager
def warm_workers() -> Iterator[None]:
    """Runs inside the block share their worker processes: what is tested is what they answer, not that they start."""
    pools: dict[int, Pool] = {}

    def pool(workers: int, *, watched: bool = False) -> nullcontext[Pool]:
        assert not watched  # what a worker has read for other claims counts for all that follow
        if workers not in pools:
            pools[workers] = Pool(workers)
        return nullcontext(pools[workers])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dstheory.claims.runner.Pool", pool)
        yield
    for started in pools.values():
        started.stop()


HEAD = """
from sympy import symbols
from dstheory.claims import UNIT, Claim, decide, identity
p, a = symbols("p a")
def claim(id, proof, **fields):
    return Claim(id=id, statement=f"Statement {id}.", domain={"p a": UNIT}, proof=proof, **fields)
good = claim("good", [decide("Products shrink.", p * a < p)])
"""

HELD = """
import os, signal, subprocess, time
subprocess.Popen(["sh", "-c", f"sleep 2; kill -CONT {os.getpid()}"])
time.sleep(0.4)
os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(0.4)
"""

FILES = {
    "fine.py": HEAD,
    "assuming.py": HEAD + "good = claim('good', [decide('Squares grow.', p * a > p**2)], assumptions=[a > p])\n",
    "crash.py": HEAD + "def broken():\n    raise RuntimeError('boom')\nbad = claim('bad', broken)\n",
    "abort.py": HEAD + "import os\nbad = claim('bad', lambda: os._exit(7))\n",
    "killed.py": HEAD + "import os, signal\nbad = claim('bad', lambda: os.kill(os.getpid(), signal.SIGSEGV))\n",
    "leave.py": HEAD + "import sys\nbad = claim('bad', lambda: sys.exit('enough'))\n",
    "hang.py": HEAD + "import time\nbad = claim('bad', lambda: time.sleep(600))\n",
    "spin.py": HEAD + "def spin():\n    while True:\n        pass\nbad = claim('bad', spin)\n",
    "print.py": HEAD + "print('noise')\nbad = claim('bad', lambda: print('more noise') or [decide('p', p < 1 + a)])\n",
    "false.py": HEAD + "bad = claim('bad', [decide('No.', p > a)])\n",
    "not_false.py": HEAD + "bad = claim('bad', [decide('Yes.', p < 1 + a)], recorded='fails', witness={'p': 1, 'a': 1})\n",
    "undecided.py": HEAD
    + "from sympy import Abs, log\nbad = claim('bad', [decide('?', Abs(log(1 + p)) <= p - p**2 / 2 + p**3 / 3)])\n",
    "free.py": HEAD + "bad = claim('bad', [decide('?', p < symbols('zeta'))])\n",
    "vacuous.py": HEAD + "bad = claim('bad', [decide('?', p > 5)], assumptions=[p > a, a > p])\n",
    "syntax.py": "def broken(:\n",
    "import_error.py": "import a_module_that_does_not_exist\n",
    "maximum.py": HEAD + "from sympy import Max, Min, Sum\nbad = Max(p, Min(1, Sum(a, (a, 1, 1))))\n",
    "exit_on_import.py": "raise SystemExit(0)\n",
    "hang_on_import.py": "import time\ntime.sleep(600)\n",
    "held.py": HEAD + HELD,
    "empty.py": "x = 1\n",
    "twice.py": HEAD + "other = claim('good', [decide('p', p < 1 + a)])\n",
    "ill_posed.py": HEAD + "bad = claim('bad', [])\n",
}
