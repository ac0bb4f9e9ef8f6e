"""Parsing the files of a gate in their order, as many of them in one process of the script as fit."""

from collections import deque
from collections.abc import Iterator, Sequence

from entrepot import jobs
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates.files import prefix_of
from entrepot.pipeline.gates.folders import Entry
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.generators.reports import script_limits
from entrepot.pipeline.importing.parsing import Content, ParsedFile, parse, understood
from entrepot.pipeline.models import Importer
from entrepot.scripts import ScriptError

#: For so long a process goes on with other files, and so many bytes and files it is given; at first few, since it is
#: not known yet how long the script takes.
_SECONDS, _MOST_BYTES, _MOST_FILES, _AT_FIRST = 1.0, 4 << 20, 500, 32


def parse_all(
    context: jobs.JobContext, importer: Importer, home: Home, todo: Sequence[tuple[Entry, bool]]
) -> Iterator[tuple[Entry, ParsedFile | ScriptError]]:
    """Yield what files that the importer sees become, in their order, or why the script refuses them.

    Those that went meanwhile are left out.

    What a script refuses in company it is given once more alone, so that no file is blamed for another one.
    """
    waiting, read, most = deque(todo), deque[Content](), _AT_FIRST
    while True:
        _read_more(home, prefix_of(importer.folder), waiting, read, most)
        if not read:
            return
        context.check()
        context.progress(len(todo) - len(waiting) - len(read), len(todo), read[0].entry.path)
        company: list[tuple[Content, ParsedFile | ScriptError]] = []
        alone, again = True, False
        if len(read) > 1:
            company, alone, again = _parse_together(context, importer, read)
            most = min(max(2 * len(company), 2), _MOST_FILES)
        for file, made in company:
            yield file.entry, made
        if alone and read:
            file = read.popleft()
            try:
                yield file.entry, parse(context, importer, file, again=again)
            except ScriptError as error:
                yield file.entry, error


def _read_more(home: Home, prefix: str, waiting: deque[tuple[Entry, bool]], read: deque[Content], most: int) -> None:
    size = sum(len(file.data) for file in read)
    while waiting and len(read) < most and (not read or size + waiting[0][0].size <= _MOST_BYTES):
        entry, again = waiting.popleft()
        try:
            read.append(Content(entry, again, gate_files.read(home, prefix + entry.path)))
        except FileNotFoundError:  # it was removed since
            continue
        size += len(read[-1].data)


def _parse_together(
    context: jobs.JobContext, importer: Importer, read: deque[Content]
) -> tuple[list[tuple[Content, ParsedFile | ScriptError]], bool, bool]:
    """Take the first files, as many as the script read.

    Returns
    -------
    What they became, whether the next goes alone, and whether anything was printed, perhaps by that one too.
    """
    several = context.services["scripts"].parse_several(
        importer.parse,
        [(file.data, file.entry.path) for file in read],
        script_limits(context),
        seconds=_SECONDS,
        cancelled=context.cancelled,
        printed=context.printed,
    )
    context.log(several.output)
    found: list[tuple[Content, ParsedFile | ScriptError]] = []
    for frame, notes in several.values:
        file = read.popleft()
        try:
            found.append((file, understood(importer, file, frame, notes)))
        except ScriptError as error:
            found.append((file, error))
    return found, several.alone, bool(several.output)
