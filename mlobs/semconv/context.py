"""Keys of the OpenTelemetry context that more than one room reads."""

SESSION_KEY = "mlobs-session"  # Holds an object with `id` and `user`, both a text or None.
