"""The page of setup: what arrives and what does not, what to paste, and a look at the way of a span.

arrivals   each service: signals, pace, what its calls leave out      pure
refusals   why requests are refused, and what to do                  pure
snippets   the lines to paste for each framework                     text
routes                                                               edge
"""
