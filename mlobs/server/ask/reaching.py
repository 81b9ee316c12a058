"""Functions of the engine that a user's SQL may not call, in small letters.

Those that reach files, the network, other tables, dictionaries or configuration; that tell of the host or of
who may do what there; that wait, write, or serve the engine's own developers. A few are of ClickHouse only
and not of the engine that is built in. Clients ask for `displayName` and `getSetting` on connecting, so these
are not among them.
"""

FUNCTIONS = frozenset({
    # Tables from elsewhere. Where a table is wanted, `guard.TABLE_FUNCTIONS` says what may stand there; these
    # can also stand where a function can, to the right of IN.
    "arrowflight", "cluster", "clusterallreplicas", "cosn", "dictionary", "executable", "file", "filecluster",
    "fuzzjson", "fuzzquery", "gcs", "iceberg", "icebergazure", "icebergazurecluster", "icebergcluster",
    "iceberghdfs", "iceberghdfscluster", "iceberglocal", "iceberglocalcluster", "icebergs3",
    "icebergs3cluster", "input", "jdbc", "loop", "merge", "mergetreeanalyzeindexes",
    "mergetreeanalyzeindexesuuid", "mergetreeindex", "mergetreeprojection", "mergetreetextindex", "mongodb",
    "mysql", "odbc", "oss", "postgresql", "prometheusquery", "prometheusqueryrange", "python", "redis",
    "sqlite", "timeseriesdata", "timeseriesmetrics", "timeseriesselector", "timeseriestags", "url",
    "urlcluster", "view", "viewexplain", "viewifpermitted",
    # Files, the network, other tables, dictionaries and models.
    "catboostevaluate", "evalmlmethod", "filesystem", "filesystemavailable", "filesystemcapacity",
    "filesystemunreserved", "hascolumnintable", "joinget", "joingetornull", "lemmatize", "modelevaluate",
    "naivebayesclassifier", "reversednsquery", "synonyms",
    # The configuration, the host and who may do what.
    "addresstoline", "addresstolinewithinlines", "addresstosymbol", "buildid", "connection_id",
    "connectionid", "currentprofiles", "currentroles", "defaultprofiles", "defaultroles", "enabledprofiles",
    "enabledroles", "flamegraph", "fqdn", "fullhostname", "getclienthttpheader", "getmacro",
    "getmaxtablenamelengthfordatabase", "getmergetreesetting", "getoskernelversion", "getserverport",
    "getserversetting", "hasthreadfuzzer", "hostname", "serveruuid", "showcertificate", "tcpport", "tid",
    "transactionid", "transactionlatestsnapshot", "transactionoldestsnapshot", "uptime",
    "zookeepersessionuptime",
    # Those that wait, write or break.
    "generateserialid", "getfuzzerdata", "logtrace", "sleep", "sleepeachrow", "trap",
})  # fmt: skip
# Families: the engine's own inner functions, models behind an address, geobases, stores of files.
FAMILIES = (
    "__", "ai", "azureblobstorage", "deltalake", "dict", "hdfs", "hudi", "llm", "paimon", "region", "remote",
    "s3", "ytsaurus",
)  # fmt: skip


def reaches(name: str) -> bool:
    """Return whether a function, by its name in small letters, may not be called."""
    return name in FUNCTIONS or name.startswith(FAMILIES)
