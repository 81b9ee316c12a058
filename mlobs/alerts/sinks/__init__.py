"""Who can be told of alerts, and how.

`config` is what users write and `building` makes a sink of it. A sink has one verb, `send`, which
never raises and ends in time. `told` reads a message for people; `slack`, `teams`, `pagerduty` and
`mail` lay it out, `escaping` and `template` keep strangers' words words. `posting` and `dialing`
are the network, `guard` says how far it reaches, `excuses` which success is none; `command` and
`function` start what the user wrote.

Why no library for HTTP here: the connection is made to an address that was judged, under the
name that was meant. The libraries we have connect to names. We gave up proxies. Think again if
someone can reach Slack only through one; then the proxy is the address to judge.
"""

from mlobs.alerts.sinks.building import build
from mlobs.alerts.sinks.config import SinkConfig

__all__ = ["SinkConfig", "build"]
