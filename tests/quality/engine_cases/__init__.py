"""Claims that an engine may wave through, by what is wrong with them.

Those marked "holds" are true and close to a false one: a checker that refuses everything is of no use either.
"""

from quality.engine_cases.beforehand import BEFOREHAND
from quality.engine_cases.clashes import CLASHES
from quality.engine_cases.empty import EMPTY
from quality.engine_cases.formulas import FORMULAS, FUNCTIONS
from quality.engine_cases.hidden import HIDDEN
from quality.engine_cases.numbers import NUMBERS
from quality.engine_cases.stating import Case
from quality.engine_cases.undefined import UNDEFINED
from quality.engine_cases.unrelated import UNRELATED

__all__ = ["CASES", "Case"]

CASES = [*HIDDEN, *FUNCTIONS, *FORMULAS, *UNDEFINED, *EMPTY, *CLASHES, *UNRELATED, *NUMBERS, *BEFOREHAND]
