"""What is put between a server and the program: one file for each kind of server.

Each stands on the OpenTelemetry instrumentation of its kind, which makes the server's span, and
adds what that lacks. None is imported before it is asked for.
"""
