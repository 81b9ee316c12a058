"""The first page: how much there was, how it went, what it cost, and what is wrong now."""
