"""Files of configurations in four syntaxes: keys, values and lines; and what nobody means."""

from __future__ import annotations

from pathlib import Path

import pytest

from dstheory.errors import DSTheoryError, FileFormatError
from dstheory.trainers.configuration import configuration_of
from dstheory.trainers.entries import Source, scalar
from dstheory.trainers.files import read_source


def read(tmp_path: Path, name: str, text: str) -> Source:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return read_source(path, ["GRPOConfig"])


def found(source: Source) -> list[tuple[str, object, int | None]]:
    return [(e.key, e.value, e.line) for e in source.entries]


YAML = """\
a: &shared
  x: 1
  y: [0.1, two, {z: 3}]
b:
  <<: *shared
  x: 2
c: 1e-4
d: yes
e: "no"
f: ~
g: ${a.x}
h: ${g}
i: ${oc.env:HOME}
"""


def test_yaml(tmp_path: Path) -> None:
    source = read(tmp_path, "a.yaml", YAML)
    assert found(source) == [
        ("a.x", 1, 2), ("a.y", [0.1, "two", "..."], 3), ("b.y", [0.1, "two", "..."], 3), ("b.x", 2, 6), ("c", 1e-4, 7),
        ("d", True, 8), ("e", "no", 9), ("f", None, 10), ("g", 1, 11), ("h", 1, 12),
    ]  # fmt: skip
    assert [(e.key, e.value) for e in source.unread] == [("i", "${oc.env:HOME}")]


def test_what_yaml_merges(tmp_path: Path) -> None:
    """What the mapping says itself holds, wherever the merge stands; of two that say a key, readers take one or the other."""
    text = "a: &a\n  x: 1\n  y: 2\nb: &b {<<: *a, y: 3, z: {x: 4}}\nc:\n  z: 5\n  <<: [*a, *a, {v: 6}]\n"
    assert found(read(tmp_path, "a.yaml", text)) == [
        ("a.x", 1, 2), ("a.y", 2, 3), ("b.x", 1, 2), ("b.y", 3, 4), ("b.z.x", 4, 4), ("c.x", 1, 2), ("c.y", 2, 3), ("c.v", 6, 7),
        ("c.z", 5, 6),
    ]  # fmt: skip
    with pytest.raises(FileFormatError, match=r"a\.yaml, line 7: two mappings .* different values for 'y', .*: write the one"):
        read(tmp_path, "a.yaml", text.replace("[*a, *a", "[*a, *b"))
    assert ("c.y", 7, 8) in found(read(tmp_path, "a.yaml", text.replace("[*a, *a", "[*a, *b") + "  y: 7\n"))


def test_json(tmp_path: Path) -> None:
    text = '{\n "a": {"b": 1.5},\n "c": [1, 2],\n "d": null,\n "e": true\n}'
    assert found(read(tmp_path, "a.json", text)) == [("a.b", 1.5, 2), ("c", [1, 2], 3), ("d", None, 4), ("e", True, 5)]


SHELL = """\
#!/bin/bash
# don't read --this 1
set -x
N=8
BETA="0.04"  # a comment
export CUDA_VISIBLE_DEVICES=0,1
ray start --head --num-gpus 8
ARGS=(
   --kl-coef ${BETA}
   --flag
)
EXTRA="--not-read"
python3 -m trainer \\
   a.b=$N \\
   ++c="[1,2]" \\
   d='x y' \\
   e=$UNKNOWN \\
   f=${G:-3} && echo done
ray job submit --address=http://x --runtime-env-json='{
  "a": 1
}' -- python3 train.py "${ARGS[@]}" --last=2
"""


def test_shell(tmp_path: Path) -> None:
    source = read(tmp_path, "run.sh", SHELL)
    assert found(source) == [
        ("a.b", 8, 14), ("c", [1, 2], 15), ("d", "x y", 16), ("f", 3, 18), ("kl_coef", 0.04, 9), ("flag", True, 10),
        ("last", 2, 21),
    ]  # fmt: skip
    assert [(e.key, e.line) for e in source.unread] == [("e", 17)]
    assert "trainer" in source.text.split()


def test_python_is_read_and_not_run(tmp_path: Path) -> None:
    text = "import os\nB = 1\nc = GRPOConfig(\n    beta=0.1, epsilon=B,\n    loss_type=os.system('touch executed'))\n"
    source = read(tmp_path, "a.py", text)
    assert found(source) == [("beta", 0.1, 4), ("epsilon", 1, 4)]
    assert [(e.key, e.line) for e in source.unread] == [("loss_type", 5)]
    assert source.text == "GRPOConfig"


def test_python_sets_keys_in_more_than_one_way(tmp_path: Path) -> None:
    """What is assigned later holds, a dictionary that stands there is read, and of one that does not it is said."""
    text = "c = GRPOConfig(beta=0.1, epsilon=B, **more, **{'a': 1, k: 2})\nc.beta = 0.3\nc.epsilon = 0.2\n"
    text += "c.a = f()\nother.beta = 1\n"
    source = read(tmp_path, "a.py", text)
    assert found(source) == [("beta", 0.1, 1), ("beta", 0.3, 2), ("epsilon", 0.2, 3)]
    assert [(e.key, e.value) for e in source.unread] == [("**", "**more"), ("**", "**{'a': 1, k: 2}"), ("a", "f()")]
    (tmp_path / "b.py").write_text("c = GRPOConfig(**more)\nc.beta = 0.3\n", encoding="utf-8")
    configuration = configuration_of(tmp_path / "b.py")
    assert configuration.training.beta == 0.3
    assert any("**more is not evaluated, and may set any key" in line for line in configuration.warnings)


def test_python_sets_keys_line_by_line(tmp_path: Path) -> None:
    """A line after a branch holds whether it is taken or not, a type may stand beside a name, and what is computed is said."""
    text = "c: GRPOConfig = GRPOConfig(beta=0.1, epsilon=0.2)\nif debug:\n    c.beta = 0.2\nc.beta = 0.3\nc.epsilon *= 2\n"
    source = read(tmp_path, "a.py", text + "c.loss_type: str = 'dapo'\nc.delta: float\n")
    assert found(source) == [("beta", 0.1, 1), ("beta", 0.3, 4), ("loss_type", "dapo", 6)]
    assert [(e.key, e.value, e.line) for e in source.unread] == [("epsilon", "c.epsilon *= 2", 5)]


OTHERS = """\
from trl import GRPOConfig as Settings, SFTConfig
from peft import LoraConfig
lora = LoraConfig(r=16, beta=0.5)
drawn = GenerationConfig(temperature=0.7, top_p=0.9)
args = Settings(beta=0.04, loss_type="dapo")
lora.beta = 0.9
args.epsilon = 0.3
shown = ModelConfig(num_generations=2)
"""


def test_only_the_configuration_class_of_a_trainer_sets_its_keys(tmp_path: Path) -> None:
    """What the model is drawn or adapted with is not a setting of the trainer, though keys have the same names."""
    assert found(read(tmp_path, "a.py", OTHERS)) == [("beta", 0.04, 5), ("loss_type", "dapo", 5), ("epsilon", 0.3, 7)]
    configuration = configuration_of(tmp_path / "a.py")
    assert (configuration.trainer.id, configuration.value("temperature"), configuration.value("beta")) == ("trl:grpo", 1.0, 0.04)


def test_a_class_says_whose_configuration_it_is(tmp_path: Path) -> None:
    """Also where nothing that it is called with enters the objective."""
    (tmp_path / "a.py").write_text("import trl\nargs = trl.RLOOConfig(output_dir='x', learning_rate=1e-6)\n", encoding="utf-8")
    assert configuration_of(tmp_path / "a.py").recognised_by == "recognised by RLOOConfig"


def test_one_of_several_configurations_is_not_chosen_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(OTHERS + "first = SFTConfig(loss_type='dft')\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"a\.py calls GRPOConfig in line 5 and SFTConfig in line 9, .* --trainer"):
        configuration_of(path)
    assert configuration_of(path, trainer="trl:grpo").value("loss_type") == "dapo"
    assert configuration_of(path, trainer="trl:sft").value("loss_type") == "dft"
    path.write_text(OTHERS + "again = Settings(beta=0.1)\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"GRPOConfig in line 5 and GRPOConfig in line 9, .* a file that calls it once"):
        configuration_of(path, trainer="trl:grpo")


@pytest.mark.parametrize("trainer", [None, "trl:grpo", "verl:ppo"])
def test_a_class_that_is_of_no_trainer_known_is_no_configuration(tmp_path: Path, trainer: str | None) -> None:
    """Its arguments were read as those of another, and without them the defaults were shown."""
    path = tmp_path / "a.py"
    path.write_text("args = PPOConfig(temperature=0.7, num_generations=8, loss_type='dapo')\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"a\.py calls no .*; give YAML, JSON or a script"):
        configuration_of(path, trainer=trainer)


def test_a_key_of_json_stands_on_its_own_line(tmp_path: Path) -> None:
    text = '{"a": {"b": 1},\n "c": "b",\n "d": "\\"b\\": 2",\n "b": 3}'
    assert found(read(tmp_path, "a.json", text)) == [("a.b", 1, 1), ("c", "b", 2), ("d", '"b": 2', 3), ("b", 3, 4)]


@pytest.mark.parametrize(("name", "text"), [
    ("a.yaml", "beta: 0.1\nloss_type: grpo\nnum_generations: 8\nbeta: 0.2\n"),
    ("a.json", '{"beta": 0.1,\n "loss_type": "grpo",\n "num_generations": 8,\n "beta": 0.2}'),
])  # fmt: skip
def test_a_repeated_key_is_said(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    configuration = configuration_of(tmp_path / name, trainer="trl:grpo")
    assert configuration.training.beta == 0.2
    assert "beta is set twice, to 0.1 in line 1 and to 0.2 in line 4: the last one holds" in configuration.warnings


@pytest.mark.parametrize(
    ("word", "value"),
    [("007", 7), ("-1e-3", -0.001), (".5", 0.5), ("inf", float("inf")), ("1_000", "1_000"), ("0x10", "0x10"), ("1+1", "1+1")],
)
def test_words_are_numbers_or_texts(word: str, value: object) -> None:
    assert scalar(word) == value


PAIRS = zip("abcdefghijkl", "bcdefghijklm", strict=True)
BOMB = "a: &a {x: 1}\n" + "".join(f"{c}: &{c} {{p: *{b}, q: *{b}, r: *{b}}}\n" for b, c in PAIRS)
HOSTILE = {
    "deep.yaml": ("a: " + "[" * 3_000, "nested too deeply"),
    "bomb.yaml": (BOMB, "sets more than 20,000 keys"),
    "self.yaml": ("a: &a\n  b: *a\n", "nested more than 64 levels deep"),
    "merge.yaml": ("b: &b\n  <<: *b\n", "nested more than 64 levels deep"),
    "tag.yaml": ('a: !!python/name:os.system ""\n', "line 1: the tag 'tag:yaml.org,2002:python/name:os.system' is not read"),
    "prime.toml": ("a = 1\n", "is TOML, which no trainer that is covered reads"),
    "broken.yaml": ("a: 1\nb: [\n", "not valid YAML"),
    "list.yaml": ("- 1\n", "is not a YAML mapping"),
    "empty.yaml": ("", "is not a YAML mapping"),
    "deep.json": ('{"a":' * 20_000, "nested too deeply"),
    "twice.json": ('{"a": {"b": 1},\n "a": {"c": 2}}', "twice.json, line 2: 'a' is given twice, and keys are in it"),
    "first.json": ('{"a": {"b": 1},\n "a": 2}', "line 2: 'a' is given twice"),
    "twice.yaml": ("a:\n  b: 1\na:\n  c: 2\n", "twice.yaml, line 3: 'a' is given twice, and keys are in it"),
    "list.json": ("[1]", "is not a JSON object"),
    "broken.json": ('{\n"a": }', "broken.json, line 2: no JSON"),
    "quotes.sh": ("\npython grpo.py --a 'b", "quotes.sh, line 2: no shell command"),
    "line.sh": (";" * 200_000, "line.sh has a line of more than 100,000 characters"),
    "nested.sh": ("if x; then\n" * 100, "it nests more than 64 branches"),
    "doubled.sh": ("A=12345678\n" + "A=$A$A\n" * 10 + "B=$A\n" * 100, "uses variables of more than 100,000 characters"),
    "code.py": ("x = (", "no Python"),
    "model.bin": ("PK\x03\x04", "is a pickle, which could run any program when it is read"),
    "bytes.yaml": ("a: \udcff", "is not a UTF-8 text (byte 3)"),
    "long.yaml": ("#" * 2**20 + "\n", "give a configuration"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_nobody_means_gives_one_sentence(tmp_path: Path, name: str) -> None:
    text, message = HOSTILE[name]
    with pytest.raises(FileFormatError) as refused:
        read(tmp_path, name, text)
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DSTheoryError, match=r"cannot read the configuration .*gone\.yaml"):
        read_source(tmp_path / "gone.yaml")
