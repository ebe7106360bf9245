"""Tables as MLflow runs."""
