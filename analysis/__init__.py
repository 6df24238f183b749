"""What it means: reads run directories, computes statistics, draws figures, writes the report.

The rooms, each of which may import those below it:

* `notebook`: what the notebooks call
* `report`: pages and CSV files: a run's report, the comparison of runs, published runs
* `figures`: one picture each, drawn from numbers that are handed in
* `statistics`: tables -> numbers: paired tests, intervals, power, curves, searches
* `tables`, `numerals`: reading a run's tables; numbers as text
"""
