"""Python configurations: what is done to the one object after its call is read, or it is said that it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dstheory.errors import FileFormatError
from dstheory.trainers import configuration_of
from dstheory.trainers.entries import Source
from dstheory.trainers.files import read_source


def read(tmp_path: Path, text: str) -> Source:
    path = tmp_path / "a.py"
    path.write_text(text, encoding="utf-8")
    return read_source(path, ["GRPOConfig", "SFTConfig"])


C = "c = GRPOConfig(beta=0.1)\n"
# what stands in the file -> what is known, with the line of a branch; what is not
FILES: dict[str, tuple[list[tuple[str, object, int | None]], list[tuple[str, str]]]] = {
    C + "setattr(c, 'beta', 0.2)\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    C + "setattr(c, name, 0.2)\n": ([("beta", 0.1, None)], [("**", "setattr(c, name, 0.2)")]),
    C + "c.beta, c.epsilon = 0.2, 0.3\n": ([("beta", 0.1, None), ("beta", 0.2, None), ("epsilon", 0.3, None)], []),
    C + "(c.beta, c.epsilon), x = f(), 1\n": ([], [("beta", "(c.beta, c.epsilon), x = (f(), 1)"),
                                                   ("epsilon", "(c.beta, c.epsilon), x = (f(), 1)")]),
    C + "c.beta = c.epsilon = 0.2\n": ([("beta", 0.1, None), ("beta", 0.2, None), ("epsilon", 0.2, None)], []),
    C + "for c.beta in (0.2, 0.3):\n    train(1)\n": ([], [("beta", "for c.beta in (0.2, 0.3):")]),
    C + "for b in (0.2, 0.3):\n    c.beta = b\n": ([("beta", 0.1, 3)], []),
    C + "if x:\n    c.beta = 0.2\n    c.delta = 2.0\n": ([("beta", 0.1, 3)], [("delta", "2.0 in a branch")]),
    C + "x = f() or setattr(c, 'beta', 0.2)\n": ([("beta", 0.1, 2)], []),
    C + "if __name__ == '__main__':\n    c.beta = 0.2\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    "if x:\n    c = GRPOConfig(beta=0.1)\n    c.beta = 0.2\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    C + "d = c\nd.beta = 0.2\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    "x, c = 1, GRPOConfig(beta=0.1)\nc.beta = 0.2\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    "self.c = GRPOConfig(beta=0.1)\nself.c.beta = 0.2\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    "def f():\n    return GRPOConfig(beta=0.1)\nc = f()\nc.beta = 0.2\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    "if (c := GRPOConfig(beta=0.1)):\n    pass\nc.beta = 0.2\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    C + "import copy\nc = copy.copy(c)\nc.beta = 0.2\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    C + "c = dataclasses.replace(c, beta=0.2, **more)\n": ([("beta", 0.1, None), ("beta", 0.2, None)], [("**", "**more")]),
    "c = replace(GRPOConfig(beta=0.1), beta=0.2)\n": ([("beta", 0.1, None), ("beta", 0.2, None)], []),
    C + "change(c)\n": ([("beta", 0.1, None)], [("**", "change(c)")]),
    C + "c.set_training(num_epochs=2)\n": ([("beta", 0.1, None)], [("**", "c.set_training(num_epochs=2)")]),
    C + "c.__dict__.update(more)\n": ([("beta", 0.1, None)], [("**", "c.__dict__.update(more)")]),
    C + "vars(c)['beta'] = 2\n": ([("beta", 0.1, None)], [("**", "vars(c)")]),
    C + "c.reward_weights[0] = 2\n": ([("beta", 0.1, None)], [("reward_weights", "c.reward_weights[0] = 2")]),
    C + "c.reward_weights.append(2)\n": ([("beta", 0.1, None)], [("reward_weights", "c.reward_weights.append(2)")]),
    C + "c = other()\n": ([("beta", 0.1, None)], [("**", "c = other()")]),
    C + "t = GRPOTrainer(m, args=c)\nt.args.beta = 0.2\nt.epsilon = 0.3\n": (
        [("beta", 0.1, None), ("beta", 0.2, None), ("epsilon", 0.3, None)], [],
    ),
    "def f():\n    return GRPOTrainer(m, args=GRPOConfig(beta=0.1))\nt = f()\nt.args.beta = 0.2\n": (
        [("beta", 0.1, None), ("beta", 0.2, None)], [],
    ),
    C + "def f():\n    t = GRPOTrainer(m, args=c)\n    return t\nt = u = f()\nv = u\nv.args.beta = 0.2\n": (
        [("beta", 0.1, None), ("beta", 0.2, None)], [],
    ),
    "c = GRPOConfig('out', 0.1, beta=0.1)\n": ([("beta", 0.1, None)], [("**", "0.1")]),
    "c = GRPOConfig(*a, beta=0.1)\n": ([("beta", 0.1, None)], [("**", "*a")]),
    C + "t = GRPOTrainer(m, args=c, beta=0.2)\n": ([], [("beta", "beta=0.2")]),
    # names that stand for one literal
    "B = -1e-3\nW: float = 2.0\nc = GRPOConfig(beta=B, reward_weights=[1.0, W])\n": (
        [("beta", -1e-3, None), ("reward_weights", [1.0, 2.0], None)], [],
    ),
    "def main():\n    B = 0.2\n    c = GRPOConfig(beta=B)\n": ([("beta", 0.2, None)], []),
    "B = 0.1\ndef main():\n    c = GRPOConfig()\n    c.beta = B\n": ([("beta", 0.1, None)], []),
    "beta = 0.3\nc = GRPOConfig(beta=beta)\n": ([("beta", 0.3, None)], []),
    # and names that may stand for another
    "B = 0.1\nif x:\n    B = 0.2\nc = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "if x:\n    B = 0.1\nc = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "B = 0.1\nB += 1\nc = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "B = 0.1\nfor B in x:\n    pass\nc = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "B = 0.1\ndef f(B):\n    c = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "B = 0.1\ndef f():\n    global B\n    B = 0.2\nc = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "B = 0.1\nfrom a import *\nc = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "B = 0.1\nfrom a import x as B\nc = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "B = 0.1\nglobals()['B'] = 2\nc = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "def f():\n    B = 0.1\nc = GRPOConfig(beta=B)\n": ([], [("beta", "B")]),
    "c = GRPOConfig(beta=B)\nB = 0.1\n": ([], [("beta", "B")]),
    "B, D = 0.1, 2\nc = GRPOConfig(beta=B, delta=2 * D)\n": ([("beta", 0.1, None)], [("delta", "2 * D")]),
    "W = [1, 2]\nW.append(3)\nc = GRPOConfig(reward_weights=W)\n": ([], [("reward_weights", "W")]),
    # what no configuration holds is a text, and what Python writes in no other way is not known
    C + "c.delta, c.top_p = b'x', {None: 1}\nc.config = ...\nc.top_k = {[1]}\n": (
        [("beta", 0.1, None), ("delta", "b'x'", None), ("top_p", "{None: 1}", None), ("config", "...", None),
         ("top_k", "{[1]}", None)], [],
    ),
    f"c = GRPOConfig(beta=0x{'f' * 5000}, delta=[0x{'f' * 5000}])\n": (
        [], [("beta", "a whole number of thousands of digits"), ("delta", "a whole number of thousands of digits")],
    ),
    # none of these changes it
    C + "print(c, c.beta, c.to_dict())\nt = GRPOTrainer(args=c)\nt.train()\nset_seed(c.seed)\n": (
        [("beta", 0.1, None)], [],
    ),
    "def f(c):\n    c.beta = 0.3\n    g(c)\ndef main():\n    c = GRPOConfig(beta=0.1)\nmain(c)\nc.beta = 2\n": (
        [("beta", 0.1, None)], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", FILES)
def test_what_is_done_to_a_configuration_is_read_or_said(tmp_path: Path, text: str) -> None:
    known, unread = FILES[text]
    source = read(tmp_path, text)
    assert [(e.key, e.value, e.unless) for e in source.entries] == known
    assert [(e.key, e.value) for e in source.unread] == unread


@pytest.mark.parametrize("text", ["d = replace(c, beta=0.2)", "t = GRPOTrainer(args=replace(c, beta=1))", "d = deepcopy(c)"])
def test_a_second_configuration_is_not_passed_over(tmp_path: Path, text: str) -> None:
    with pytest.raises(FileFormatError, match=r"a\.py makes another configuration of the one in line 1, by \w+ in line 2"):
        read(tmp_path, C + text + "\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("from trl import KTOConfig, KTOTrainer\nc = KTOConfig(beta=0.1)\n",
         "calls KTOConfig in line 2, and no class of a trainer that is covered (GRPOConfig, SFTConfig)"),
        ("from trl import GRPOConfig, TrlParser\na, = TrlParser(GRPOConfig).parse_args_and_config()\n",
         "imports GRPOConfig but does not call it, so that its keys come from elsewhere"),
        ("x = 1\n", "calls no class of a trainer that is covered (GRPOConfig, SFTConfig)"),
    ],
)  # fmt: skip
def test_another_trainer_gets_one_sentence_with_those_that_are_covered(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(FileFormatError) as refused:
        read(tmp_path, text)
    assert says in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def notebook(*cells: str, kind: str = "code") -> str:
    made = [{"cell_type": kind, "source": cell.splitlines(keepends=True), "outputs": []} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": ["GRPOConfig(beta=9)"]}, *made]})


def test_the_code_of_a_notebook_is_read(tmp_path: Path) -> None:
    """It was read as JSON, and slowly."""
    magics = "%%capture\n!pip install trl \\\n  vllm\n%env A=1\nx = !ls\nif x:\n    !pip uninstall -y x\n    %cd .."
    other = "%%bash\npython -c 'GRPOConfig(beta=7)' && {"
    path = tmp_path / "a.ipynb"
    path.write_text(notebook(magics, other, "from trl import GRPOConfig\na = GRPOConfig(\n  beta=0.1)"))
    found = configuration_of(path)
    assert (found.trainer.id, found.training.beta) == ("trl:grpo", 0.1)
    assert [setting.line for setting in found.settings if setting.key == "beta"] == [13]  # of the code alone
    path.write_text(notebook("a = GRPOConfig(beta=0.1)\nwhile"))
    with pytest.raises(FileFormatError, match=r"a\.ipynb, line 2: no Python"):
        configuration_of(path)
    for text in ("{}", "[1", '{"cells": [{"cell_type": "code"}]}', '{"cells": 3}', notebook("GRPOConfig()", kind="raw")):
        path.write_text(text)
        with pytest.raises(FileFormatError, match=r"a\.ipynb (is no notebook|calls no class)"):
            configuration_of(path)


def test_a_notebook_is_as_large_as_its_code(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(notebook("a = GRPOConfig(beta=0.1)").replace('"outputs": []', f'"outputs": ["{"x" * 2**21}"]'))
    assert configuration_of(path).training.beta == 0.1
