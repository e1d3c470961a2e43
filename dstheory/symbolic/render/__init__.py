"""Renderings of a derivation: text, LaTeX, MathML, Python, data."""
