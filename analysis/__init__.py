"""What it means: reads run directories, computes statistics, draws figures, writes the report."""
