"""Does resampling pay if a model is never wrong about its correct answers? Run: dstheory verify examples/my_claim.py"""

from sympy import symbols

from dstheory.claims import UNIT, Claim, decide, identity

p, b, accuracy = symbols("p b Acc")  # P(correct), P(resample | wrong), and a = P(stop | correct) = 1

perfect_stop = Claim(
    id="perfect-stop",
    statement="With a perfect stop, any chance of catching a wrong answer raises the accuracy above that of sampling.",
    domain={"p b": UNIT},
    definitions={accuracy: p / (1 - (1 - p) * b)},
    proof=[
        identity("The gain factors.", accuracy - p, p * (1 - p) * b / (1 - (1 - p) * b)),
        decide("So the chain beats a single sample, whatever p and b are.", accuracy > p),
    ],
)
