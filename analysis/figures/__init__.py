"""The figures of a report: their numbers, how each is drawn, and which of them a run has."""
