"""Many networks: a population at its halt, the merge of parents, offspring."""
