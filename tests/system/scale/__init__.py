"""100,000 networks, measured: see measure.py."""
