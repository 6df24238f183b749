"""A worker of the tests in a process of its own.

`python -m tests.support.elsewhere ROOT < task` prints the intra-op threads it computed with, and
the result.
"""

from __future__ import annotations

import sys

from apps.messages.fingerprints import from_json, to_json
from apps.messages.tasks import TrainTask, Workplace
from apps.tasks.train import train_member

if __name__ == "__main__":
    task = from_json(TrainTask, sys.stdin.buffer.read())
    result = train_member(task, Workplace(sys.argv[1]))
    import tensorflow as tf

    print(tf.config.threading.get_intra_op_parallelism_threads(), flush=True)
    sys.stdout.buffer.write(to_json(result))
