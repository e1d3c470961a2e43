import dstheory.errors

from .checking import check as check
from .claim import LEVELS as LEVELS
from .claim import Claim as Claim
from .domains import CLOSED_UNIT as CLOSED_UNIT
from .domains import COUNT as COUNT
from .domains import DISCOUNT as DISCOUNT
from .domains import NONNEGATIVE as NONNEGATIVE
from .domains import POSITIVE as POSITIVE
from .domains import REAL as REAL
from .domains import UNIT as UNIT
from .domains import Domain as Domain
from .domains import at_least as at_least
from .domains import between as between
from .formulas import derivative as derivative
from .runner import Report as Report
from .runner import verify as verify
from .steps.base import Step as Step
from .steps.enclosure import enclose as enclose
from .steps.enclosure import search as search
from .steps.formula import counterexample as counterexample
from .steps.formula import decide as decide
from .steps.formula import example as example
from .steps.formula import identity as identity
from .verdicts import Outcome as Outcome
from .verdicts import Status as Status
from .verdicts import StepReport as StepReport
from .verdicts import Verdict as Verdict

ClaimError = dstheory.errors.ClaimError
