"""Readings of tide gauges."""

import numpy as np


def exposure(heights, hours):
    """Metre-hours above datum."""
    return float(np.trapz(heights, hours))  # trapezes between readings


def trusted(stations, known):
    """Which readings come from stations that we know."""
    return np.in1d(stations, known).tolist()


def all_dry(chances):
    """The chance that every station stays dry."""
    return float(np.product(chances))
