"""ReCode: teach code models to follow library API updates by rule-based reinforcement learning."""

__version__ = "0.1.0"
