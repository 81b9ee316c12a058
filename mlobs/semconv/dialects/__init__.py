"""How other tools spell what the GenAI conventions spell, one file each.

A span is written in the first dialect of which it has a marker; one without any is in the
current conventions, or is about something else. Attributes with a name of the current
conventions always count first: dialects fill gaps.
"""

from mlobs.semconv.attributes import PROMPT_NAME, PROMPT_VERSION
from mlobs.semconv.dialects.langfuse import LANGFUSE
from mlobs.semconv.dialects.langsmith import LANGSMITH
from mlobs.semconv.dialects.mlflow import MLFLOW
from mlobs.semconv.dialects.older import OLDER
from mlobs.semconv.dialects.openinference import OPENINFERENCE
from mlobs.semconv.dialects.rows import Dialect
from mlobs.semconv.dialects.traceloop import TRACELOOP
from mlobs.semconv.dialects.vercel import VERCEL

# In the order in which they are recognised.
DIALECTS: tuple[Dialect, ...] = (OPENINFERENCE, VERCEL, LANGFUSE, MLFLOW, LANGSMITH, TRACELOOP, OLDER)
_CONTENT = dict.fromkeys(key for one in DIALECTS for keys in one.content.values() for key in keys)
# Attributes that hold what models and tools read and wrote, and beginnings of the names of others.
CONTENT_KEYS = tuple(key for key in _CONTENT if not key.endswith("."))
CONTENT_BEGINNINGS = tuple(key for key in _CONTENT if key.endswith("."))
# Names of the conventions that begin like one of those and are no content.
NO_CONTENT = (PROMPT_NAME.name, PROMPT_VERSION.name)
