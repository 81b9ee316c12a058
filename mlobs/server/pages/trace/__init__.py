"""The page of one trace: its tree and waterfall, the conversation, the agents, what each span holds.

fold       the spans as rows in order, repetitions together
columns    these rows as the script takes them
digest     what a long run comes to: hand-offs, loops, retries, the first failing step
graph      agents, tools and who called whom
messages   what models were sent and answered, whichever way it was written
talk       the messages of a whole trace as one conversation
media      pictures and sound in messages
detail     one span
copies     a trace as curl, as a test, as a row of a dataset
"""
