"""What of a table is shown where, in the room that a terminal has.

What is wider than the room gives way in this order: ids are cut to what tells them apart, columns move
closer, those that can be spared and say nothing are left out, texts are folded between words, long ones go
below their row, and what can be spared is left out. Only where that is not enough are words broken.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

Row = Mapping[str, str]
ID_DIGITS_MIN = 8  # Commands that take an id take its first six characters or more.
FOLDED_CELLS_MIN, BESIDE_CELLS_MIN = 12, 32  # Of a text that could go below its row, the latter.
BETWEEN_CELLS, TIGHT_CELLS, EDGE_CELLS = 3, 2, 2


@dataclass(frozen=True, slots=True)
class Columns:
    """What may happen to columns where there is no room; to others, folding.

    Attributes:
        whole: They are never shortened nor folded.
        ids: Of these, the first digits are enough.
        under: These may go below the row, the first first.
        spare: These may be left out, the first first.
    """

    whole: Collection[str] = ()
    ids: Collection[str] = ()
    under: Sequence[str] = ()
    spare: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as it is drawn.

    Attributes:
        rows: With every column, ids cut.
        widths: Cells of each column that is shown beside the others.
        under: Columns that go below their row.
        tight: Whether there are no edges, and less room between columns.
    """

    rows: Sequence[Row]
    widths: Mapping[str, int]
    under: Sequence[str] = field(default=())
    tight: bool = False

    @property
    def cells(self) -> int:
        """How wide it is."""
        return _together(self.widths.values(), tight=self.tight)


def lay_out(rows: Sequence[Row], columns: Columns, room: int, cells: Callable[[str], int]) -> Layout:
    """Return how a table is drawn; it is wider than the room only where nothing helps.

    Args:
        rows: At least one; the keys of all are the columns.
        columns: What may happen to them.
        room: Cells of the terminal.
        cells: How wide a text is.
    """
    for shown in (rows, _cut(rows, columns.ids)):
        widths = {name: _natural(shown, name, cells) for name in shown[0]}
        if _together(widths.values()) <= room:
            return Layout(shown, widths)
    says = {name: any(row[name] not in {"", "0"} for row in shown) for name in widths}
    for name in columns.spare:
        if _together(widths.values(), tight=True) > room and not says.get(name, True):
            del widths[name]
    least = {name: _least(shown, name, cells, columns) for name in widths}
    left = [name for name in (*columns.under, *columns.spare) if name in least]
    while left and _together(least.values(), tight=True) > room:
        del least[left.pop(0)]
    under = [name for name in columns.under if name in widths and name not in least]
    wordy = [name for name in least if name not in {*columns.whole, *columns.ids}]
    while wordy and _together(least.values(), tight=True) > room:
        widest = max(wordy, key=least.__getitem__)
        if least[widest] <= FOLDED_CELLS_MIN:
            break
        least[widest] -= 1
    return Layout(shown, _grown(least, widths, room), under, tight=True)


def _grown(least: Mapping[str, int], natural: Mapping[str, int], room: int) -> dict[str, int]:
    """Return the widths of columns that share what room there is, the narrowest first."""
    widths = dict(least)
    for _ in range(room - _together(widths.values(), tight=True)):
        growing = [name for name, size in widths.items() if size < natural[name]]
        if not growing:
            break
        widths[min(growing, key=widths.__getitem__)] += 1
    return widths


def _together(widths: Collection[int], *, tight: bool = False) -> int:
    between, edge = (TIGHT_CELLS, 0) if tight else (BETWEEN_CELLS, EDGE_CELLS)
    return sum(widths) + between * (len(widths) - 1) + edge


def _natural(rows: Sequence[Row], name: str, cells: Callable[[str], int]) -> int:
    return max(cells(name), *(cells(row[name]) for row in rows))


def _least(rows: Sequence[Row], name: str, cells: Callable[[str], int], columns: Columns) -> int:
    """Return how wide a column is whose texts, and whose name, are folded between words."""
    body = max(cells(row[name]) for row in rows)
    if name not in {*columns.whole, *columns.ids}:
        words = max((cells(word) for row in rows for word in row[name].split()), default=0)
        body = min(body, max(BESIDE_CELLS_MIN if name in columns.under else FOLDED_CELLS_MIN, words))
    return max(body, *(cells(word) for word in name.split() or [name]))


def _cut(rows: Sequence[Row], ids: Collection[str]) -> Sequence[Row]:
    """Return rows with the first digits of ids, as many as tell them apart here."""
    digits = {}
    for name in ids:
        known = {row[name] for row in rows if name in row}
        sizes = range(ID_DIGITS_MIN, max(map(len, known), default=0))
        digits[name] = next(
            (size for size in sizes if len({one[:size] for one in known}) == len(known)), None
        )
    return [{name: text[: digits.get(name)] for name, text in row.items()} for row in rows]
