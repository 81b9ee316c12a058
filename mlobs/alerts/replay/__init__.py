"""What a rule would have done: the stored telemetry, replayed through it.

`grouped` asks once for all moments at which a rule was broken, `episodes` steps through them exactly as the
evaluator does, `replaying` puts both together and says what each alert would have linked to.
`measuring` returns what one alert's rule measured over time.
"""
