"""What both clients share and no I/O of a loop is needed for: paths, checks, calls, lines."""
