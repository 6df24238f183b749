"""Settings of Hypothesis for these tests."""

from hypothesis import settings

# No deadline: the machines that run the tests are shared, and a slow moment is no failure.
settings.register_profile("genetics", deadline=None, max_examples=50)
settings.load_profile("genetics")
