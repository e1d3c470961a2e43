"""Mutants that change nothing that can be observed, each with the reason; anything else that survives is a gap in the tests."""

# (file, marked line and what it became) -> why no test can notice
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "exact.py",
        "return np.where(rho > 0, self.visits, [[0.0]]) * rho  ->  1.0",
    ): "what stands where rho = 0 is multiplied by that rho; it only must not be infinite",
}
