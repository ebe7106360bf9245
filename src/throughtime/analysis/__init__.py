"""From tables to small tables and verdicts."""
