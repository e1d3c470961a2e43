"""Reports of a run: a table for terminals, JSON and JUnit for machines, Markdown and LaTeX for documents."""
