"""Images, sound, video and documents: stored by the hash of their content, told on spans by a URI. Edge.

The caller's thread only notes what a medium is and keeps its bytes. The URI follows from the hash, so
a span can name it at once; a thread of its own uploads, each content once. Bytes never go on spans.
"""

import base64
import hashlib
import io
import os
import queue
import threading
from collections import OrderedDict
from functools import partial
from mimetypes import guess_extension, guess_type
from pathlib import PurePath
from typing import Any

from mlobs import _guard
from mlobs._extras import require
from mlobs.instrument.content.snapshots import Medium

MEDIUM_BYTES_MAX = 64 << 20
WAITING_MAX = 64
KNOWN_MAX = 4096
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"), (b"OggS", "audio/ogg"), (b"ID3", "audio/mpeg"), (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)  # fmt: skip


def mime_type_of(data: bytes, told: str | None = None) -> str:
    """Return what `data` is, by what was told or by how it begins."""
    if told:
        return told
    if data[:4] == b"RIFF" and data[8:12] in {b"WAVE", b"WEBP", b"AVI "}:
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}[data[8:12]]
    if data[4:8] == b"ftyp":
        return "video/mp4"
    return next((kind for start, kind in _BEGINNINGS if data.startswith(start)), "application/octet-stream")


def modality_of(mime_type: str) -> str:
    """Return image, audio, video or document."""
    family = mime_type.partition("/")[0]
    return family if family in {"image", "audio", "video"} else "document"


def of_object(value: object, *, keep: bool) -> Medium | None:
    """Return the medium that an object of numpy, PIL or torch is, or None.

    Args:
        value: Recognised by its interface; none of these packages is imported.
        keep: Whether its bytes are wanted.
    """
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    given: Any = value
    if module == "PIL" and hasattr(given, "tobytes") and hasattr(given, "mode"):
        about: dict[str, str | int] = {"width": given.width, "height": given.height, "mode": given.mode}
        held = given.width * given.height * 4
        if not keep or held > MEDIUM_BYTES_MAX:
            return Medium("image/png", None, about)
        return Medium("image/png", None, about, partial(_png, given.copy()), held)
    if module in {"numpy", "torch", "jax", "tensorflow", "cupy"} and hasattr(given, "shape"):
        shape = "x".join(map(str, given.shape))
        about = {"shape": shape, "dtype": str(getattr(given, "dtype", "")), "type": kind.__name__}
        return Medium("application/x-npy", _npy(given) if keep else None, about)
    if module in {"pandas", "polars", "pyarrow"} and hasattr(given, "shape"):
        return Medium(
            "application/x-table", None, {"shape": "x".join(map(str, given.shape)), "type": kind.__name__}
        )
    return None


def _png(image: Any) -> bytes | None:
    """Return an image as PNG, which takes a second for a large one; None where PNG has no such colours."""
    file = io.BytesIO()
    try:
        image.save(file, "PNG", compress_level=1)
    except (OSError, ValueError):
        return None
    return file.getvalue()


def _npy(array: Any) -> bytes | None:
    """Return an array in numpy's own format; tensors are asked for their array."""
    to_array = getattr(array, "detach", None)
    if callable(to_array):
        array = array.detach().cpu().numpy()
    if getattr(array, "nbytes", MEDIUM_BYTES_MAX + 1) > MEDIUM_BYTES_MAX or getattr(
        array.dtype, "hasobject", True
    ):
        return None
    from numpy.lib import format as npy  # the program has imported numpy: this is one of its arrays

    file = io.BytesIO()
    npy.write_array(file, array, allow_pickle=False)
    return file.getvalue()


def decoded(text: str) -> bytes | None:
    """Return the bytes of base64, or None if it is none."""
    if len(text) > MEDIUM_BYTES_MAX * 4 // 3:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


class MediaStore:
    """Stores media under their SHA-256.

    Args:
        url: A folder, or what fsspec understands: s3://bucket/prefix, gs://..., memory://...

    Raises:
        MissingExtraError: fsspec is not installed.
    """

    def __init__(self, url: str) -> None:
        fsspec: Any = require("fsspec", extra="media", feature="MLOBS_MEDIA")
        self._files, self._root = fsspec.core.url_to_fs(url)
        self._known: OrderedDict[str, None] = OrderedDict()
        self._waiting: queue.Queue[tuple[str, bytes] | None] = queue.Queue(WAITING_MAX)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.dropped: dict[str, int] = {}
        self.stored = 0
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        """Start afresh in a forked child: the parent stores what waits."""
        self._waiting = queue.Queue(WAITING_MAX)
        self._thread, self._lock = None, threading.Lock()

    def put(self, data: bytes, mime_type: str) -> tuple[str, str]:
        """Have `data` stored; return its URI, or "" if it cannot be, and its SHA-256 in hex."""
        digest = hashlib.sha256(data).hexdigest()
        ending = guess_extension(mime_type) or (".npy" if mime_type == "application/x-npy" else "")
        path = f"{self._root.rstrip('/')}/{digest[:2]}/{digest}{ending}"
        if digest not in self._known:
            try:
                self._start()
                self._waiting.put_nowait((path, data))
            except queue.Full:
                self._drop("media_queue_full")
                return "", digest
            self._known[digest] = None
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return str(self._files.unstrip_protocol(path)), digest

    def flush(self) -> bool:
        """Wait until everything is stored, or has failed to be."""
        self._waiting.join()
        return True

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="mlobs-media", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            item = self._waiting.get()
            if item is not None:
                self._store(*item)
            self._waiting.task_done()

    def _store(self, path: str, data: bytes) -> None:
        try:
            if not self._files.exists(path):
                self._files.makedirs(str(PurePath(path).parent), exist_ok=True)
                self._files.pipe_file(path, data)
            self.stored += 1
        except Exception:  # noqa: BLE001 # any of fsspec's back ends, with any of its errors
            _guard.failed("storing a medium")
            self._drop("media_failed")

    def _drop(self, reason: str) -> None:
        with self._lock:
            self.dropped[reason] = self.dropped.get(reason, 0) + 1


def part(medium: Medium, store: MediaStore | None) -> dict[str, object]:
    """Return the part of a message that stands for a medium, in the form of the conventions."""
    found: dict[str, object] = {
        "modality": modality_of(medium.mime_type),
        "mime_type": medium.mime_type,
        **medium.about,
    }
    data = medium.later() if medium.later is not None and store is not None else medium.data
    if data is None:
        return {"type": "generic", "generic_type": "medium", **found}
    uri = ""
    if store is not None and len(data) <= MEDIUM_BYTES_MAX:
        uri, digest = store.put(data, medium.mime_type)
    else:
        digest = hashlib.sha256(data).hexdigest()
    kind: dict[str, object] = (
        {"type": "uri", "uri": uri} if uri else {"type": "generic", "generic_type": "medium"}
    )
    return {**kind, **found, "size": len(data), "sha256": digest}


def of_url(url: str, mime_type: str | None = None) -> Medium | str:
    """Return the medium inside a data: URL, or the URL itself."""
    if not url.startswith("data:"):
        return url
    head, _, body = url[5:].partition(",")
    kind = mime_type or head.partition(";")[0] or "text/plain"
    data = decoded(body) if head.endswith(";base64") else body.encode("utf-8", "replace")
    return Medium(kind, data, {})


def guessed(name: str) -> str:
    """Return the mime type that a file's name suggests."""
    return guess_type(name)[0] or "application/octet-stream"
