"""How many spans a stored one stands for, as SQL.

A sampler that keeps one trace of four writes `ot=th:c` into the trace state of those it keeps: the part of
all random numbers it turned away, as hexadecimal digits behind a point (OpenTelemetry's consistent
probability sampling). Such a span stands for 2^56 / (2^56 - th) of them, four here.

That is no whole number for most shares, and what is added up has to be whole: sums of fractions change with
the order in which parts merge, and a counter may never go backwards. So a span that stands for 3.3 counts
three times or four, four in three traces of ten; which ones is decided by the trace's id, so that spans of
one trace count alike and one that is loaded again counts as before. Sums over many traces are right.

What is no such trace state says nothing: the span counts once.
"""

WEIGHT = "Weight"
WEIGHT_TYPE = "UInt32 CODEC(ZSTD(1))"
WEIGHT_MAX = 10**6  # A sender must not make a counter run over.
_ALL = f"toUInt64({2**56})"
_DIGITS = 14
_OURS = r"extract(TraceState, '(?:^|,)[ \\t]*ot=([^,]*)')"
_TOLD = rf"extract({_OURS}, '(?:^|;)th:([0-9a-f]{{1,{_DIGITS}}})[ \\t]*(?:;|$)')"


def weight() -> str:
    """Return the expression, over TraceState and TraceId."""
    kept = f"({_ALL} - reinterpretAsUInt64(reverse(unhex(rightPad({_TOLD}, {_DIGITS}, '0')))))"
    once_more = f"CRC32(TraceId) / {2**32} < ({_ALL} % {kept}) / {kept}"
    # Where no span of a block has a trace state, the engine works the rest out for none.
    return f"if(TraceState = '', 1, least(intDiv({_ALL}, {kept}) + ({once_more}), {WEIGHT_MAX}))"
