"""From which length on do decisions bring nine tenths of the gain? Run: python examples/my_sweep.py

`run` has the form of the files in sims/: it would serve `dstheory reproduce` there as it is. Claim E3: the share tends to 1.
"""

from dstheory.dynamics import sweep

NAME = "my-sweep"
CLAIMS = ("E3",)


def run(*, quick=False, progress=None):
    """Sweep the optimum over length and beta; return the Dataset, no figures, and the table that answers the question."""
    lengths = [float(2**k) for k in range(0, 11, 2 if quick else 1)]
    data = sweep({"answer_length": lengths, "beta": [0.03, 0.1, 0.3]}, length_weight=1.0, progress=progress)
    enough = data.decision_share >= 0.9
    first = data.answer_length.where(enough).min("answer_length")
    table = [{"beta": float(beta), "length": float(first.sel(beta=beta))} for beta in data.beta]
    return data, {}, {"lengths": table}


if __name__ == "__main__":
    for row in run()[2]["lengths"]:
        print(f"beta {row['beta']:g}: decisions bring 0.9 of the gain from {row['length']:g} tokens on")
