"""Where it runs: one file per site, each with `make_config(options) -> parsl.Config`.

* `local_threads`, `local_processes`: this machine
* `slurm`, `pbs`: clusters, on what `cluster` has in common for them
* `options`: what a site is told, and finding one by name or file
* `scheduler`: checks of a scheduler for `heterosis doctor`, and the state of its blocks
* `shell`: paths on their way through a shell
* `interchange`, `monitoring`: Parsl's own process between driver and workers; its monitoring
* `ready/`: TOML files of options to copy
"""
