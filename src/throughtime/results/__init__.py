"""Tables on disk, and what made them."""
