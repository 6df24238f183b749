"""What travels between driver and workers, as frozen, plain data.

`specs` says what is asked for, `tasks` what a task is to do, `results` what it hands back, and
`fingerprints` turns each into JSON and into the address of a result by content.
"""
