"""Tables -> statistics: curves, paired comparison of arms, intervals, power, searches."""
