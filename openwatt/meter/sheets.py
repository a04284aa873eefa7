"""The reader of XLSX rows as a stream: what the file may hold is counted before it is built."""

import datetime as dt
import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal
from xml.parsers import expat

from openwatt.domain.errors import MeterFileError
from openwatt.domain.messages import Message
from openwatt.meter.bounds import MAX_COLUMNS, Budget, refuse_above
from openwatt.meter.cells import quoted

Row = tuple[object, ...]
#: How a number is shown: as itself, as an instant, or as a duration.
_Kind = Literal["number", "instant", "duration"]

_WORKBOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
#: expat reads a part of this size at a time; a smaller one would let it start a long token again and again.
_CHUNK = 1 << 20
#: Deeper than any sheet; each open element costs memory.
_DEPTH = 32
#: Characters of a number as XML writes it.
_LONGEST_NUMBER = 40
_INSTANTS = frozenset({*range(14, 23), 45, 47})
_DURATIONS = frozenset({46})
#: What a format shows literally: quoted text, a sign after a backslash, colours and locales in brackets.
_LITERAL = re.compile(r'"[^"]*"|[\\_].|\[(?!hh?\]|mm?\]|ss?\])[^\]]*\]', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(?:hh?|mm?|ss?)\]", re.IGNORECASE)
_DATE_SIGN = re.compile(r"[dmhys]", re.IGNORECASE)
#: Bytes of a part that is read at once: three years of half hours.
LARGEST_PLAIN = 8 * 1024 * 1024
_UTF8 = re.compile(
    r"\s*(?:<\?xml(?![^>]*encoding=)[^>]*>|<\?xml[^>]*encoding=[\"'](?i:utf-8)[\"'][^>]*>|<(?![?]))"
)
#: A cell with a value or a text, its attributes in the order in which writers print them.
_PLAIN_CELL = re.compile(
    r'<c r="([A-Z]{1,3})(\d{1,7})"(?: s="(\d{1,5})")?(?: t="([A-Za-z]{1,9})")?>'
    r"(?:<v>([^<>&\r]*)</v>|<is><t(?: [^<>]*)?>([^<>&\r]*)</t></is>)</c>"
)
_EPOCH, _EPOCH_1904 = dt.datetime(1899, 12, 30), dt.datetime(1904, 1, 1)  # noqa: DTZ001 (a sheet's instants have no offset)


def read_sheets(data: bytes, budget: Budget) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """The name and the rows of every sheet: those that hold texts, numbers or instants, as Excel shows them.

    Raises:
        MeterFileError: when it is no workbook or a damaged one.
        MeterBoundError: when it holds more than an upload may.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _count(archive, budget)
            return tuple(_Workbook(archive, budget).sheets())
    except MeterFileError:
        raise
    except expat.ExpatError as error:
        raise _unreadable(expat.ErrorString(error.code)) from None
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, OSError, EOFError, OverflowError) as error:
        raise _unreadable(type(error).__name__) from None
    except (NotImplementedError, RuntimeError) as error:  # an unknown compression, an encrypted part
        raise _unreadable(type(error).__name__) from None


def _unreadable(error: str) -> MeterFileError:
    return MeterFileError(Message.of("file.unreadable_workbook", error=error))


class _Handler:
    """Takes one XML part; names come without prefix, so that every writer's namespaces are alike.

    `pieces` collects text, which is cheaper than a call for each piece of it.
    """

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.depth = 0

    def open(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element of any name begins."""
        self.depth += 1
        if self.depth > _DEPTH:
            raise _unreadable("its elements are nested too deep")
        self.start(name if ":" not in name else name.rpartition(":")[2], attributes)

    def close(self, name: str) -> None:
        """An element of any name ends."""
        self.depth -= 1
        self.end(name if ":" not in name else name.rpartition(":")[2])

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""


def _parse(archive: zipfile.ZipFile, path: str, handler: _Handler) -> None:
    """Reads one XML part, a million bytes at a time, with a handler."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = handler.open
    parser.EndElementHandler = handler.close
    parser.CharacterDataHandler = handler.pieces.append
    parser.StartDoctypeDeclHandler = _refuse_doctype
    with archive.open(path) as part:
        while chunk := part.read(_CHUNK):
            parser.Parse(chunk, False)
    parser.Parse(b"", True)


def _count(archive: zipfile.ZipFile, budget: Budget) -> None:
    """Counts bytes, elements and attributes of all parts before any is parsed, by the signs they need."""
    for info in archive.infolist():
        with archive.open(info) as part:
            while chunk := part.read(_CHUNK):
                budget.take("bytes", len(chunk))
                budget.take("nodes", max(chunk.count(b"<"), chunk.count(b"=")))


def _refuse_doctype(*_: object) -> None:
    raise _unreadable("it declares entities, which no export does")


class _Workbook(_Handler):
    """One XLSX file: its parts are found by their relations, as in any Office document."""

    def __init__(self, archive: zipfile.ZipFile, budget: Budget) -> None:
        super().__init__()
        self._archive = archive
        self._budget = budget
        self._epoch = _EPOCH
        self._sheets: dict[str, str] = {}
        """Name by relation."""
        self._parts: dict[str, tuple[str, str]] = {}
        """Kind and path by relation."""
        _parse(archive, _WORKBOOK, self)
        _parse(archive, _RELATIONS, self)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element of the workbook or of its relations."""
        if name == "workbookPr" and attributes.get("date1904") in {"1", "true"}:
            self._epoch = _EPOCH_1904
        elif name == "sheet":
            relation = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            if relation in self._sheets:
                raise _unreadable("it names one sheet twice")
            self._sheets[relation] = attributes.get("name", "")
            refuse_above("members", len(self._sheets))
        elif name == "Relationship":
            target = attributes["Target"]
            path = target[1:] if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            self._parts[attributes["Id"]] = attributes.get("Type", "").rpartition("/")[2], path

    def sheets(self) -> Iterator[tuple[str, tuple[Row, ...]]]:
        """The name and the rows of every sheet."""
        texts, styles = _Texts(), _Styles()
        for kind, handler in (("sharedStrings", texts), ("styles", styles)):
            if path := next((path for found, path in self._parts.values() if found == kind), None):
                _parse(self._archive, path, handler)
        paths = {
            self._parts[one][1]: name
            for one, name in self._sheets.items()
            if self._parts[one][0] == "worksheet"
        }
        if len(paths) < sum(self._parts[one][0] == "worksheet" for one in self._sheets):
            raise _unreadable("it names one sheet twice")
        for path, name in paths.items():
            sheet = _Sheet(self._budget, texts.texts, styles.kinds, self._epoch)
            if not sheet.read_plain(self._archive, path):
                _parse(self._archive, path, sheet)
            yield name, tuple(sheet.rows)


class _Texts(_Handler):
    """The texts that cells name by number; how a word is pronounced is not part of them."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._runs: list[str] = []
        self._spoken = False

    def start(self, name: str, _attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if name == "rPh":
            self._spoken = True
        self.pieces.clear()

    def end(self, name: str) -> None:
        """An element ends."""
        if name == "t" and not self._spoken:
            self._runs.append("".join(self.pieces))
        elif name == "rPh":
            self._spoken = False
        elif name == "si":
            self.texts.append("".join(self._runs))
            self._runs.clear()
        self.pieces.clear()


class _Styles(_Handler):
    """How each cell style shows a number."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[_Kind] = []
        self._formats: dict[int, str] = {}
        self._of_cells = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if name == "numFmt" and "numFmtId" in attributes:
            self._formats[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
        elif name in {"cellXfs", "cellStyleXfs"}:
            self._of_cells = name == "cellXfs"
        elif name == "xf" and self._of_cells:
            number = int(attributes.get("numFmtId", "0"))
            self.kinds.append(_kind_of(number, self._formats.get(number)))


def _kind_of(number: int, code: str | None) -> _Kind:
    """How a format shows a number: by its code, else by the number that Excel gives its own formats."""
    if code is None:
        return "instant" if number in _INSTANTS else "duration" if number in _DURATIONS else "number"
    shown = _LITERAL.sub("", code[:255].partition(";")[0])
    if _ELAPSED.search(shown):
        return "duration"
    return "instant" if _DATE_SIGN.search(shown) else "number"


class _Sheet(_Handler):
    """One sheet: rows as they are read, cut after their last cell that holds anything."""

    def __init__(
        self, budget: Budget, texts: Sequence[str], kinds: Sequence[_Kind], epoch: dt.datetime
    ) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._budget = budget
        self._texts = texts
        self._kinds = kinds
        self._epoch = epoch
        self._row: list[object] = []
        self._column = 0
        self._attributes: Mapping[str, str] = {}
        self._style = 0
        self._value: str | None = None
        self._columns: dict[str, int] = {}

    def open(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins; a year has 200,000 of them, so that no further call is made for most."""
        self.depth += 1
        if self.depth > _DEPTH:
            raise _unreadable("its elements are nested too deep")
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "c":
            self._attributes = attributes
            self._value = None
        elif name == "row":
            self._row = []
            self._column = 0
        if self.pieces:
            self.pieces.clear()

    def close(self, name: str) -> None:
        """An element ends."""
        self.depth -= 1
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "v":
            self._value = "".join(self.pieces)
        elif name == "c":
            self._end_cell()
        elif name == "t":
            self._value = (self._value or "") + "".join(self.pieces)
        elif name == "row":
            self._end_row()
        if self.pieces:
            self.pieces.clear()

    def read_plain(self, archive: zipfile.ZipFile, path: str) -> bool:
        """Reads a part in which nothing but plain cells stands in rows; False, and nothing read, for others.

        A year of half hours takes a third of the time that its events take. Its signs are
        counted: where any but those of plain cells and rows is among them, the events are read.
        """
        if archive.getinfo(path).file_size > LARGEST_PLAIN:
            return False
        try:
            head, _, rest = archive.read(path).decode("utf-8").partition("<sheetData>")
        except UnicodeDecodeError:
            return False
        body, end, _ = rest.partition("</sheetData>")
        if not end or "<!DOCTYPE" in head or not _UTF8.match(head):
            return False
        cells = _PLAIN_CELL.findall(body)
        in_texts = body.count("<is>")
        rows = body.count("<row ") + body.count("<row>")
        changes = sum(one[1] != other[1] for one, other in pairwise(cells)) + bool(cells)
        signs = 2 * rows + 4 * (len(cells) - in_texts) + 6 * in_texts
        if body.count("<") != signs or not changes == rows == body.count("</row>"):
            return False
        number = ""
        for letters, row, style, kind, value, text in cells:
            if row != number:
                self._end_row()
                self._row = []
                number = row
            self._column = self._columns.get(letters) or self._column_of(letters)
            if self._column > MAX_COLUMNS:
                refuse_above("columns", self._column)
            self._style = int(style or 0)
            if (value or text) and (cell := self._cell(kind or "n", value or text)) is not None:
                self._put(cell)
        self._end_row()
        return True

    def _end_row(self) -> None:
        if self._row:
            self._budget.take("lines", 1)
            self._budget.take("cells", len(self._row))
            self.rows.append(tuple(self._row))

    def _end_cell(self) -> None:
        attributes = self._attributes
        reference = attributes.get("r")
        if reference is None:
            self._column += 1
        else:
            letters = reference.rstrip("0123456789")
            self._column = self._columns.get(letters) or self._column_of(letters)
        if self._column > MAX_COLUMNS:
            refuse_above("columns", self._column)
        self._style = int(attributes.get("s", 0))
        if self._value and (cell := self._cell(attributes.get("t", "n"), self._value)) is not None:
            self._put(cell)

    def _put(self, cell: object) -> None:
        missing = self._column - 1 - len(self._row)
        if missing < 0:
            raise _unreadable("the cells of a row are out of order")
        if missing:
            self._row += [None] * missing
        self._row.append(cell)

    def _column_of(self, letters: str) -> int:
        if not re.fullmatch(r"[A-Z]{1,3}", letters):
            raise _unreadable("a cell is nowhere in its row")
        column = 0
        for letter in letters:
            column = column * 26 + ord(letter) - 64
        self._columns[letters] = column
        return column

    def _cell(self, kind: str, value: str) -> object:
        match kind:
            case "n":
                return self._shown(_number(value))
            case "s":
                return self._texts[_whole(value)]
            case "b":
                return value == "1"
            case "d":
                return dt.datetime.fromisoformat(value[:_LONGEST_NUMBER])
            case _:  # a text in the cell itself, or of an error
                return value

    def _shown(self, number: float) -> object:
        """A number as its style shows it."""
        kind = self._kinds[self._style] if 0 <= self._style < len(self._kinds) else "number"
        if kind == "number":
            return number
        try:
            days, part = divmod(number, 1)
            rest = dt.timedelta(milliseconds=round(part * 86_400_000))
            if kind == "duration":
                return dt.timedelta(days=days) + rest
            if 0 <= number < 1 and not rest.days:
                return (self._epoch + rest).time()
            if 0 < number < 60 and self._epoch is _EPOCH:
                days += 1  # Excel counts a 29 February 1900
            return self._epoch + dt.timedelta(days=days) + rest
        except (OverflowError, ValueError):
            return "#VALUE!"


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
        raise _unreadable("a cell names no text")
    return int(text)


def _number(text: str) -> float:
    if len(text) > _LONGEST_NUMBER:
        raise MeterFileError(Message.of("cell.no_number", cell=quoted(text)))
    return float(text) if set(text) & set(".eE") else int(text)
