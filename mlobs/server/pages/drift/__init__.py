"""Which models are watched, which of their features have moved, and each feature by itself."""
