"""Statistics and figures -> pages: a run's report, several runs side by side, published runs."""
