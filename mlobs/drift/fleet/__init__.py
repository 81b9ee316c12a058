"""What all processes of a service have seen together, judged as one stream.

Each process that has a monitor counts its own rows, and may see too few to be sure. Their counts add
up: `fleet.Fleet.look` takes the totals by bin, as a store has them, now and then; what came since it
looked last is a block for the detector, as if one process had seen all the rows. The bins' reference
comes with the counts, so no profile is needed here.

Totals, and not increases, are what is asked for: a look that is late, a process that is heard of late
or was restarted, and a server that was down change nothing but when rows are counted. Each is counted
once. A total that shrank belongs to a store that lost data; it is counted from there on.

Processes come and go, and a store remembers them all. After a week of silence one is asked for no more:
its rows stay counted, and if it goes on after all, it is taken for another that has counted them too. A
version of a profile that nobody has told of for a week is forgotten. Only silence that was listened to
counts: not that of a server which was down.

The promise is that of a monitor: at most so many false alarms a year for all features and segments of
one model, version and profile. There is at most one block each time it looks, so a year has a known
number of blocks, however busy the fleet is. That different processes see different rows is no harm: if
the law of each is within the floor of the reference, so is their mixture.

    totals    what a store says of one feature, and its bins in order
    watch     what is known about one feature
    cohort    features that were first heard of together, their detector and their open block
    fleet     every cohort there is
"""
