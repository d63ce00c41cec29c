"""Record mode: what a script would do becomes a workload, and nothing is started."""
