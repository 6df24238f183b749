"""The figures of a report: what they draw, how each is drawn, and which a run has."""
