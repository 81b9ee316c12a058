"""The page of traces: what is asked for, one page of it at a time."""
