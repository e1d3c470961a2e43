"""The steps of a proof: each says something in words and as a formula, and can be checked by machine."""
