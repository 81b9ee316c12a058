"""One module per dashboard: what is on it, from symptoms to causes."""
