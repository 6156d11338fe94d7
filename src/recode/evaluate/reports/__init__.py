"""Finished evaluations as pages: tables with intervals, curves, and one HTML file that works offline."""
