"""Images and the like: stored once by what they are, told on spans by where they are."""

import base64
import hashlib
import io
import json

import pytest

from mlobs.instrument.content.capture import Capture, Terms
from mlobs.instrument.content.media import MediaStore, mime_type_of, of_object, of_url, part
from mlobs.instrument.content.policy import Defaults
from mlobs.instrument.content.snapshots import Cut, weight
from mlobs.semconv import spans
from tests.instrument.recorded import chat, recorded

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def image_message(url=DATA_URL):
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


@pytest.mark.parametrize("where", ["folder", "memory://media"])
def test_an_image_is_stored_by_its_hash_and_told_by_its_uri(tmp_path, where):
    """A megabyte of base64 makes a span useless; the picture is worth keeping."""
    store = MediaStore(str(tmp_path / "media") if where == "folder" else where)
    found = recorded("llm", chat, image_message(), result="a dot", defaults=Defaults("full", media=store))
    recorded("llm", chat, image_message(), result="again", defaults=Defaults("full", media=store))
    store.flush()
    [shown] = found["gen_ai.input.messages"][0]["parts"]
    digest = hashlib.sha256(PNG).hexdigest()
    assert (shown["type"], shown["mime_type"], shown["size"], shown["sha256"]) == (
        "uri",
        "image/png",
        len(PNG),
        digest,
    )
    import fsspec

    files, path = fsspec.core.url_to_fs(shown["uri"])
    assert files.cat_file(path) == PNG
    assert store.stored == 1
    assert "base64" not in json.dumps(found)


def test_without_a_store_the_bytes_are_not_on_the_span():
    """What it was is."""
    [shown] = recorded("llm", chat, image_message())["gen_ai.input.messages"][0]["parts"]
    assert shown["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert "uri" not in shown


def test_objects_of_numpy_and_pil_are_media(tmp_path):
    """As they are handed to models."""
    import numpy as np
    from PIL import Image

    store = MediaStore(str(tmp_path))
    array = np.arange(6, dtype="float32").reshape(2, 3)
    kept = of_object(array, keep=True)
    shown = part(kept, store)
    assert (shown["shape"], shown["dtype"], shown["modality"]) == ("2x3", "float32", "document")
    array[:] = 0
    store.flush()
    [path] = tmp_path.rglob("*.npy")
    assert np.load(path).tolist() == [[0, 1, 2], [3, 4, 5]]  # as it was
    picture = Image.new("RGB", (4, 2), "red")
    image = of_object(picture, keep=True)
    picture.paste("blue", (0, 0, 4, 2))
    assert (image.mime_type, image.about["width"], image.held_bytes) == ("image/png", 4, 32)
    part(image, store)
    store.flush()
    [path] = tmp_path.rglob("*.png")
    assert Image.open(path).getpixel((0, 0)) == (255, 0, 0)  # as it was
    assert part(of_object(picture, keep=False), store) == {
        "type": "generic", "generic_type": "medium", "modality": "image", "mime_type": "image/png",
        "width": 4, "height": 2, "mode": "RGB",
    }  # fmt: skip
    assert of_object(object(), keep=True) is None
    assert of_object(array, keep=False).data is None


def test_pictures_are_compressed_on_another_thread(tmp_path, monkeypatch):
    """One of twelve megapixels takes a second, which the request would wait for."""
    from PIL import Image

    saved = []
    monkeypatch.setattr(Image.Image, "save", lambda *given, **named: saved.append(1))
    store = MediaStore(str(tmp_path))
    kept = Capture(Terms(spans.TOOL, chat, "full", {}, frozenset(), None, 1000, store, None))
    snapshot = kept.arguments((Image.new("RGB", (4, 2)),), {})
    assert saved == []
    assert weight(list(snapshot)) == 32
    monkeypatch.undo()
    Image.effect_noise((200, 200), 50).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:500])
    [broken, word], _ = kept.arguments((Image.open(tmp_path / "cut.png"), "said"), {})
    assert (broken, word) == (Cut("PngImageFile that cannot be read: OSError"), "said")
    cmyk = part(of_object(Image.new("CMYK", (4, 2)), keep=True), store)  # PNG has no such colours
    assert (cmyk["type"], cmyk["mode"]) == ("generic", "CMYK")


def test_what_must_not_be_recorded_is_not_stored_either(tmp_path):
    """A photo that the span has a note for, and the store the whole of, has not been removed."""
    store = MediaStore(str(tmp_path))

    def refund(photo, other, order, shown):
        """Its arguments are bytes."""

    order = {"photo": b"a photo inside", "api_key": b"a key", "receipt": b"a receipt"}
    options = {"redact": ["photo"], "capture": {"other": "off", "order": "redacted", "shown": "full"}}
    given = (b"a photo", b"another", order, b"a picture")
    found = recorded(
        "tool", refund, *given, result=b"off, too", defaults=Defaults("off", media=store), **options
    )
    store.flush()
    stored = {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert stored == {b"a receipt", b"a picture"}
    told = found["gen_ai.tool.call.arguments"]
    assert (told["order"]["photo"], told["order"]["api_key"]) == ("[removed: by name]", "[removed: secret]")
    assert "other" not in told


def test_tensors_are_asked_for_their_array():
    """Recognised by what they can do; torch itself is not needed."""
    import numpy as np

    class Tensor:
        shape, dtype = (2,), "torch.float32"

        def detach(self):
            return self

        cpu = detach

        def numpy(self):
            return np.ones(2)

    Tensor.__module__ = "torch"
    assert of_object(Tensor(), keep=True).data.startswith(b"\x93NUMPY")


def test_a_store_that_fails_is_counted_and_harms_nobody(monkeypatch):
    """The run goes on, and so does the trace."""
    store = MediaStore("memory://failing")

    def fail(*_):
        raise PermissionError("no")

    monkeypatch.setattr(store._files, "pipe_file", fail)
    store.put(b"other bytes", "text/plain")
    store.flush()
    assert store.dropped == {"media_failed": 1}


def test_what_it_is_is_seen_from_its_beginning():
    """Nobody says so in every case."""
    wave = io.BytesIO(b"RIFF\x00\x00\x00\x00WAVEfmt ").getvalue()
    assert mime_type_of(wave) == "audio/wav"
    assert mime_type_of(b"%PDF-1.7") == "application/pdf"
    assert mime_type_of(b"\x00\x01") == "application/octet-stream"
    assert of_url("https://x.org/a.png") == "https://x.org/a.png"
    assert of_url("data:text/plain,hello").data == b"hello"
    assert of_url("data:image/png;base64,!!!").data is None
