"""What travels between driver and workers, as frozen, plain data.

`specs`: the parts that tasks are made of, `values`: those of several forms, `objective`: a metric
    and its direction; `tasks`: what a task is to do; `results`: what it returns; `fingerprints`:
    messages as JSON, and the key of a task's result by content.
"""
