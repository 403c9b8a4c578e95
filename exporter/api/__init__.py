"""The API listener: for the application beside the exporter."""
