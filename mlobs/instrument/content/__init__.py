"""What is recorded of arguments and results, if anything is.

policy      at decoration: what may be recorded of this function
snapshots   on the caller's thread: values as they are now, cheap and bounded
capture     joins both; on the export thread it makes attributes of snapshots
messages    chat messages of the providers, as the conventions write them
redaction   secrets and personal data
media       images, sound, video and documents, stored by the hash of their content
fitting     JSON that fits, without cutting it in two
hooks       completion hooks of others
"""
