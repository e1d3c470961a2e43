from .gradient import IMPROPER as IMPROPER
from .gradient import INFINITE_DIVERGENCE as INFINITE_DIVERGENCE
from .gradient import PROPER as PROPER
from .gradient import RewardKLGradient as RewardKLGradient
from .gradient import reward_kl_gradient as reward_kl_gradient
from .sampling import SampledTrajectories as SampledTrajectories
from .sampling import sample_trajectories as sample_trajectories
from .tilted import tilted_mass as tilted_mass
from .tilted import tilted_moments as tilted_moments
from .training import train_minimal as train_minimal

def is_compiled() -> bool: ...
def warm_up() -> None: ...
