"""`make bench`: measure on this machine, print a table, fail when a requirement is missed.

`python tests/benchmarks [training] [architectures] [genetics] [tasks] [pool] [efficiency]` measures
parts; `--run RUN` reads the efficiency of a run that is there. Not part of `make test`: a number is
worth something only on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from measures import Measure, draw, machine

PARTS = ("training", "architectures", "genetics", "tasks", "pool", "efficiency")


def main() -> int:
    """Measure the parts that are asked for; 1 when a requirement is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS))
    parser.add_argument("--run", type=Path, help="a finished run, instead of a new one of `quick`")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    print(machine(), flush=True)
    measures = []
    for part in arguments.parts or PARTS:
        for measure in _measures(part, arguments.run):
            measures.append(measure)
            print(f"  {measure.what}: {measure.value:.3g} {measure.unit}".rstrip(), flush=True)
    print(f"\n{draw(measures)}")
    missed = [measure.what for measure in measures if measure.missed]
    if missed:
        print(f"\nmissed: {'; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def _measures(part: str, run: Path | None) -> Iterator[Measure]:
    # Each part loads what it needs: the core is measured without TensorFlow in the process.
    if part == "training":
        import training

        yield from training.against_fit()
        yield training.threads()
        yield from training.passes()
        yield from training.choices()
    elif part == "architectures":
        import architectures

        yield from architectures.one_after_the_other()
    elif part == "genetics":
        import genetics

        yield from genetics.measures()
    elif part == "tasks":
        import tasks

        yield from tasks.throughput()
        yield from tasks.resuming()
        yield from tasks.searching()
    elif part == "pool":
        import keras_pool

        yield from keras_pool.against_a_run()
    else:
        import efficiency

        from apps.records.run_dir import RunDir

        yield from efficiency.of_run(RunDir(run)) if run else efficiency.of_a_new_run()


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
