"""A page for every objective: what it computes, who calls it how, its derivation, the claims about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from dstheory.about import FAMILIES, About
from dstheory.objectives import ALIASES, listed
from dstheory.symbolic import derive, render
from dstheory.symbolic.objectives import WITHOUT_DERIVATION, UnknownObjectiveError
from dstheory.symbolic.render.latex import STRETCH
from sitepages.text import ORPHAN, plain, source, table

_HEAD = {
    "reward": "Rewards", "group": "Groups of responses", "imitation": "Imitation", "preference": "Preferences",
    "penalty": "Penalties and bonuses",
}  # fmt: skip
_MATH = re.compile(r"(\\begin\{align\*\}.*?\\end\{align\*\}|\\\[.*?\\\]|\$[^$]*\$)", re.DOTALL)
_ESCAPED = re.compile(r"\\([_#%&{}$])")


def pages(derivation: Callable[[str], list[str]] | None = None) -> dict[str, str]:
    """Return ``{path: text}``: a page per objective, with what `derivation` (default `derived`) says of it, and their list."""
    own = list(listed())
    found = {f"objectives/{item.name}.md": page(item, (derivation or derived)(item.name)) for item in own}
    return {"objectives/index.md": _index(own), **found}


def page(item: type[About] | About, derivation: Iterable[str]) -> str:
    """Return the page of one objective."""
    names = {key: alias for key, alias in ALIASES.items() if alias.objective == item.name}
    rows = [
        ("family", item.family),
        ("coefficients", f"`{item.formula}`"),
        ("normaliser", plain(item.normalised_by)),
        ("measured on", plain(item.measured_on)),
        ("level (i)", f"{plain(item.balance)}: {plain(item.balanced_when)}"),
        ("ascends", plain(item.ascends)),
        ("token model", plain(item.token_model)),
        ("expected gradient", plain(item.expectation)),
        ("claims", ", ".join(f"[{name}](../claims/{name}.md)" for name in item.claims)),
        ("source", source(item.source)),
    ]
    out = [*ORPHAN, f"# {item.name}: {plain(item.title)}", "", *table(["", ""], [(label, text) for label, text in rows if text])]
    out += [r"Everything is written for ascent; $c_s$ and $c_d$ multiply the gradients of $\log\pi_s$ and $\log\pi_d$ at turn "
            "$k$ ([notation](../../notation.md)).", ""]  # fmt: skip
    if names:
        settings = {key: ", ".join(f"{k} = {v}" for k, v in alias.settings.items()) for key, alias in names.items()}
        rows3 = [(f"`{key}`", plain(alias.computed), plain(settings[key]), source(alias.source)) for key, alias in names.items()]
        out += ["## What libraries and papers call it", "", *table(["name", "what is computed", "settings", "source"], rows3)]
    out += ["## Derivation", "", *derivation]
    out += ["## Ask for it", "", "```console", f"$ dstheory objectives {item.name}"]
    return "\n".join([*out, f"$ dstheory attribute --objective {item.name}", "```", ""])


def derived(name: str) -> list[str]:
    """Return the lines of an objective's derivation."""
    try:
        derivation = derive(name)
    except UnknownObjectiveError:
        reason = WITHOUT_DERIVATION[name].rpartition("; ")[0]
        return [f"There is no symbolic derivation of this objective: {plain(reason)}. Its expected gradient is computed on "
                "arrays, and compared with the sum over all trajectories.", ""]  # fmt: skip
    found = markdown(render(derivation, "latex", explain=True))
    return [f"What `dstheory derive {name}` finds; every equality is checked by exact arithmetic.", "", found]


def markdown(latex: str) -> str:
    r"""Return the LaTeX of a derivation as Markdown with formulas.

    >>> print(markdown("\\subsection*{1. The chain}\nWith $p$:\n\\begin{align*}\np &= q\n\\end{align*}"))
    ### 1. The chain
    With $p$:
    <BLANKLINE>
    $$
    \begin{align*}
    p &= q
    \end{align*}
    $$
    <BLANKLINE>
    """
    out = []
    for space, instead in ((r"\rule{0pt}{3ex}", ""), (STRETCH, ""), (r"\\[0.8ex]", r"\\")):
        latex = latex.replace(space, instead)  # a browser keeps rows apart by itself
    for part in _MATH.split(latex):
        if part.startswith("$"):
            out.append(part)
        elif part.startswith("\\["):
            out.append(f"\n$$\n{part[2:-2].strip()}\n$$\n")
        elif part.startswith("\\begin{align*}"):
            out.append(f"\n$$\n{part}\n$$\n")
        else:
            out.append(_words(part))
    return "".join(out)


def _words(part: str) -> str:
    text = re.sub(r"^%.*\n|^\\section\*.*\n", "", part, flags=re.MULTILINE)
    text = re.sub(r"~\\cite\{.*?\}", "", text)
    text = re.sub(r"\\subsection\*\{(.*)\}", r"### \1", text)
    text = re.sub(r"\\emph\{(.*?)\}", r"*\1*", text)
    text = re.sub(r"\\(?:begin|end)\{itemize\}\n?", "", text)
    text = re.sub(r"^\\item ", "- ", text, flags=re.MULTILINE)
    return _ESCAPED.sub(lambda found: "\\" + found[1] if found[1] in "_$#{}" else found[1], text)


def _index(items: Iterable[type[About] | About]) -> str:
    items = list(items)
    out = ["# Every objective", "", f"{len(items)} objectives and {len(ALIASES)} names of libraries and papers. What the parts "
           "of an objective are, and how they compare: [objectives](../../objectives.md).", ""]  # fmt: skip
    for family in FAMILIES:
        own = [item for item in items if item.family == family]
        rows = [
            (f"[`{x.name}`]({x.name}.md)", plain(x.title), f"`{x.formula}`", plain(x.normalised_by), plain(x.balance))
            for x in own
        ]
        out += [f"## {_HEAD[family]}", "", *table(["name", "what it is", "coefficients", "normaliser", "level (i)"], rows)]
    named = [(f"`{x}`", f"[`{a.objective}`]({a.objective}.md)", plain(a.computed), source(a.source)) for x, a in ALIASES.items()]
    out += ["## Names of libraries and papers", "", *table(["name", "objective", "what is computed", "source"], named)]
    return "\n".join(out)
