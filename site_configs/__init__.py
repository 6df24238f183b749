"""Where it runs: one factory a site, each `make_config(options) -> parsl.Config`."""
