"""JSON that fits: long texts inside are shortened, the JSON stays whole."""

import json
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
CUT = "… [cut: {} characters]"
SHORTEST = 64


def fitted(value: object, characters_max: int) -> tuple[str, bool]:
    """Return `value` as JSON of about `characters_max` at most, and whether anything was cut.

    Args:
        value: Of dicts with text keys, lists, text, finite numbers, booleans and None.
        characters_max: Of the JSON.
    """
    text = _json(value)
    if len(text) <= characters_max:
        return text, False
    limit = characters_max // 2
    while limit >= SHORTEST:
        text = _json(_shortened(value, limit))
        if len(text) <= characters_max:
            return text, True
        limit //= 4
    # Not the texts are too long, but there are too many of them.
    return _json(_fewer(_shortened(value, SHORTEST), characters_max // 2)), True


def shortened(text: str, characters_max: int) -> tuple[str, bool]:
    """Return `text`, cut with a note if it is too long, and whether it was."""
    if len(text) <= characters_max:
        return text, False
    return text[:characters_max] + CUT.format(len(text) - characters_max), True


def _json(value: object) -> str:
    return _encode(value)


def _shortened(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return shortened(value, limit)[0]
    if isinstance(value, list):
        return [_shortened(item, limit) for item in value]
    if isinstance(value, dict):
        return {shortened(key, limit)[0]: _shortened(item, limit) for key, item in value.items()}
    return value


def _fewer(value: Any, left: int) -> Any:
    """Keep of each container as many entries as fit into `left` characters."""
    if isinstance(value, list):
        kept: list[Any] = []
        for item in value:
            size = len(_json(item)) + 2
            if size > left:
                break
            left -= size
            kept.append(item)
        return kept if len(kept) == len(value) else [*kept, CUT.format(f"{len(value) - len(kept)} items of")]
    if isinstance(value, dict):
        fields: dict[str, Any] = {}
        for key, item in value.items():
            size = len(_json({key: item})) + 2
            if size > left:
                if isinstance(item, list | dict) and left > SHORTEST * 2:
                    fields[key] = _fewer(item, left - len(key) - SHORTEST)
                fields["…"] = CUT.format(f"{len(value) - len(fields)} fields of")
                break
            left -= size
            fields[key] = item
        return fields
    return value
