"""Faults injected into real pipelines; `make faults` runs them all, `make test` a few."""
