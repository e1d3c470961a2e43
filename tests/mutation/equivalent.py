"""Mutants that change nothing that can be observed, each with the reason; anything else that survives is a gap in the tests."""

EQUIVALENT: dict[tuple[str, str], str] = {}
