"""Many networks as one tensor program."""
