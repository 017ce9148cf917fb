"""Hypothesis profiles. Every run tries the same examples, so that a failure is a change's and not the day's."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("quick", derandomize=True, database=None, deadline=None, max_examples=200)
settings.register_profile(
    "thorough", settings.get_profile("quick"), max_examples=3000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
