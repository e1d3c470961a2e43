"""Claims as theorems of Coq."""
