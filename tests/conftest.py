"""Profiles: quick and reproducible by default, many random examples on request."""

import os

from hypothesis import HealthCheck, settings

_common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("quick", max_examples=40, derandomize=True, **_common)
settings.register_profile("mutation", max_examples=8, derandomize=True, **_common)
settings.register_profile("exhaustive", max_examples=2000, **_common)
settings.load_profile(os.environ.get("DSTHEORY_PROFILE", "quick"))
