"""Judges calls: scores and feedback.

Scores are `gen_ai.evaluation.result` events, log records beside the spans they judge, so that
they can be given later, by another process or by a person, for a call that has long ended.
"""
