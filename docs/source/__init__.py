"""Makes the table of settings in docs/configuration.md, from the model and from the comments of config.example.yaml."""
