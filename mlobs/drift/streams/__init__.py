"""What lies between a service's rows and the detector.

`rows` reads what services have, `places` turns values into bins, a `Stream` counts them and hands
block after block to its detector, with the patience that its `Budget` asks for. `joining` keeps
predictions until their labels come and `quality` says how good they were. `traces` remembers which
request put a value into which bin. All of it is data in, data out: the time is an argument.
"""
