"""Renders Prometheus's rule file as an object that the Prometheus operator takes: a PrometheusRule."""

import textwrap

FILE = "kubernetes/mlobs.rules.yaml"  # In the folder of all rendered files.
HEAD = """\
# Made by `mlobs alerts build`: mlobs.rules.yml, as an object for the Prometheus operator.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: mlobs
  labels: {app.kubernetes.io/part-of: mlobs}
spec:
"""


def rule_object(rules_file: str) -> str:
    r"""Return the object that holds the groups of a Prometheus rule file.

    >>> print(rule_object("groups:\n- name: a\n").rpartition("spec:")[2], end="")
    <BLANKLINE>
      groups:
      - name: a
    """
    lines = [line for line in rules_file.splitlines(keepends=True) if not line.startswith("#")]
    return HEAD + textwrap.indent("".join(lines), "  ")
