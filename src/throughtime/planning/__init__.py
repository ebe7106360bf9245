"""From YAML to jobs x grid, and what they need."""
