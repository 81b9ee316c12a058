"""A configuration with nothing wrong in it, and what is found in one."""

from mlobs.cli.collector.checks import check
from mlobs.cli.collector.reading import Source, read

GOOD = """\
extensions:
  file_storage/queue: {directory: /tmp, fsync: true}
  bearertokenauth/senders: {filename: token}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:4317"}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 256}
exporters:
  otlp_http:
    endpoint: http://127.0.0.1:4319
    retry_on_failure: {max_elapsed_time: 0s}
    sending_queue:
      storage: file_storage/queue
      batch: {sizer: bytes}
service:
  extensions: [file_storage/queue, bearertokenauth/senders]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter]
      exporters: [otlp_http]
"""


def found(text, **variables):
    return [str(one) for one in check(read([Source("my.yaml", text)], variables))]


def line_of(part, text):
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)
