"""Takes alerts from elsewhere: Alertmanager's and Grafana's webhooks, and those of another mlobs.

`authentication` says whether a request may be believed, `formats` what it says, `changes` which of
its alerts changed, `endings` why one ended; `again` keeps what may have been overtaken. `inbox`
writes that down, with every message that follows from it, before `endpoint` answers 200.

Why the answer waits for the disk: Grafana never repeats a webhook that failed, and Alertmanager
forgets one that was answered with 2xx. So what was answered with 200 is ours to deliver.

Why no table of raw bodies: an alert's state, the replay mark and the messages to its sinks become
durable in one transaction, so there is nothing between "received" and "to be delivered" that a
crash could fall into. We gave up looking at old bodies. Think again if routing ever needs the
network.
"""
