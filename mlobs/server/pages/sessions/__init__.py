"""The pages of sessions: who talked with what, and one conversation over all its traces.

statements    the questions: sums of sessions and of users            SQL
asking        whose traces they are, and what these come to
view          rows for the templates                                  pure
conversation  what one trace of a session asked and answered          pure
routes        the list, and one session                               edge
"""
