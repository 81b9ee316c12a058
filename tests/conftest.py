"""What every test has."""

from hypothesis import HealthCheck, settings

# These machines are shared: how long one example takes says nothing about the code.
settings.register_profile("mlobs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mlobs")
