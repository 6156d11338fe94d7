"""Reports on finished evaluations: tables with intervals, curves, and HTML pages that work offline."""
