"""Pages of the site that are written by the package itself, and what Sphinx needs to show them.

``python -m sitepages`` (with ``docs`` on the path) writes everything below ``docs/catalogue``; nothing there is kept in the
repository. `claims`, `objectives`, `figures`, `names` and `project` each return pages as ``{path: text}``.
"""
