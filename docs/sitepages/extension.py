"""What Sphinx does not do: mathematics as MathML, written while building, and links from ids of claims to their pages."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from math_core import LatexToMathML
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.inspect import TypeAliasForwardRef
from sphinx.util.nodes import make_refnode

from sitepages.project import turned
from sitepages.text import SHORT, docstring

_LOG = logging.getLogger(__name__)
_MATHML = LatexToMathML()
_DOLLARS = re.compile(r"\$([^$]*)\$")
_TEXT = re.compile(r"\\text\{([^{}]*\$[^{}]*)\}")
_ID = re.compile(r"(?<![\w.-])[A-Z]\d{1,2}(?:-[a-z]\w*)*(?![\w-])")
_ARRAY = re.compile(r"~?(?:numpy\.)?ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?(?:numpy\.)?dtype\[~?(?:numpy\.)?(\w+)\]\]")
_SHOWN = re.compile(r"\$\\displaystyle ([^$]*)\$")
_WIDE = 40


def mathml(latex: str, *, display: bool) -> str:
    r"""Return LaTeX as MathML, which browsers set by themselves.

    Raises:
        LatexError: it is not understood.

    >>> mathml("p_{s}", display=False)
    '<math><msub><mi>p</mi><mi>s</mi></msub></math>'
    """
    # mathematics within \text is taken out of it
    plain = _TEXT.sub(lambda found: r"\text{" + _DOLLARS.sub(r"} \1 \\text{", found[1]) + "}", latex)
    shown = _MATHML.convert_with_local_state(plain, displaystyle=display)
    # MathML takes words for space: with nothing but words beside it, a sign would have no room of its own
    return shown.replace("<mo>=</mo><mtext>", "<mo>=</mo><mi></mi><mtext>")


def _visit(self: Any, node: nodes.Element) -> None:
    display = isinstance(node, nodes.math_block)
    source = node.astext()
    try:
        shown = mathml(source, display=display)
    except Exception as error:
        _LOG.warning("mathematics that is not understood (%s): %s", str(error).splitlines()[0], source, location=node)
        shown = html.escape(source)
    if display:
        shown = f'<div class="formula">{shown}</div>'
    elif len(source) > SHORT:
        shown = f'<span class="formula">{shown}</span>'
    self.body.append(shown)
    raise nodes.SkipNode


class ClaimLinks(SphinxPostTransform):
    """In running text, the id of a claim leads to its page."""

    default_priority = 9

    def run(self, **_: Any) -> None:
        """Replace ids in texts that are not code, titles, links or mathematics."""
        if self.app.builder.format != "html":
            return
        apart = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.math, nodes.raw, nodes.math_block)
        for text in list(self.document.findall(nodes.Text)):
            up: nodes.Node | None = text.parent
            while up is not None and not isinstance(up, apart):
                up = up.parent
            if up is None and _ID.search(text):
                text.parent.replace(text, self._linked(str(text)))

    def _linked(self, text: str) -> list[nodes.Node]:
        out: list[nodes.Node] = []
        end = 0
        for found in _ID.finditer(text):
            page = f"catalogue/claims/{found[0]}"
            if page not in self.env.all_docs or page == self.env.docname:
                continue
            out += [nodes.Text(text[end : found.start()])]
            out += [make_refnode(self.app.builder, self.env.docname, page, "", nodes.Text(found[0]), found[0])]
            end = found.end()
        return [*out, nodes.Text(text[end:])]


class LongCode(SphinxPostTransform):
    """Marks code with a word that is about as wide as a telephone, which may be broken."""

    default_priority = 9

    def run(self, **_: Any) -> None:
        """Give it a class."""
        for node in self.document.findall(nodes.literal):
            if max(map(len, node.astext().split()), default=0) > _WIDE:
                node["classes"].append("long")


class Dashes(SphinxPostTransform):
    """Between the name of an argument and its words Sphinx writes two hyphens, for a dash; nobody else does."""

    default_priority = 9

    def run(self, **_: Any) -> None:
        """Write the dash."""
        for text in list(self.document.findall(lambda node: isinstance(node, nodes.Text) and node == " -- ")):
            text.parent.replace(text, nodes.Text(" – "))


def _shown(found: re.Match[str]) -> str:
    return f'<span class="formula">{mathml(html.unescape(found[1]), display=True)}</span>'


class ShownMathematics(SphinxPostTransform):
    """Results of notebooks show formulas between dollars, which a notebook sets by itself and a page does not."""

    default_priority = 9

    def run(self, **_: Any) -> None:
        """Replace them by MathML."""
        for node in list(self.document.findall(nodes.raw)):
            if node.get("format") == "html" and _SHOWN.search(node.astext()):
                text = _SHOWN.sub(_shown, node.astext())
                node.replace_self(nodes.raw("", text, format="html", classes=node["classes"]))


def _escape_docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escape what a docstring does not mean as markup.

    An empty comment in front of those of properties and data keeps napoleon from taking what stands before a colon for a type.
    """
    lines[:] = docstring(lines)
    if what in ("property", "attribute", "data"):
        lines[:0] = ["..", ""]


def _shorten(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Arrays are written ``NDArray[float64]`` as in the code, and a default that is made anew each time as dots."""
    short = [text and _ARRAY.sub(r"NDArray[\1]", text).replace("<factory>", "...") for text in (signature, returned)]
    return short[0], short[1]


def _turn_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Pages link to files of the repository; some of these are pages of the site."""
    place = f"docs/{docname}.md"
    if not docname.startswith("catalogue/"):
        source[0] = turned(source[0], place, place)


def _copy_font(app: Sphinx, error: Exception | None) -> None:
    """Put a font that has the measures of mathematics beside the pages: not every machine has one."""
    import ziamath

    if error is None and app.builder.format == "html":
        fonts = Path(ziamath.__file__).parent / "fonts"
        shutil.copy(fonts / "STIXTwoMath-Regular.ttf", Path(app.outdir) / "_static")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of it with Sphinx."""
    TypeAliasForwardRef.__repr__ = lambda alias: str(alias.name)  # type: ignore[method-assign]  # in a union Sphinx shows this
    app.add_html_math_renderer("mathml", (_visit, None), (_visit, None))
    app.add_post_transform(ClaimLinks)
    app.add_post_transform(LongCode)
    app.add_post_transform(Dashes)
    app.add_post_transform(ShownMathematics)
    app.connect("source-read", _turn_links)
    app.connect("autodoc-process-docstring", _escape_docstring, priority=400)
    app.connect("autodoc-process-signature", _shorten)
    app.connect("build-finished", _copy_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
