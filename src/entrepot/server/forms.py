"""Forms with files, small enough to be held in memory, as one body brings them."""

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header
from starlette.requests import Request

from entrepot.errors import InvalidInput
from entrepot.files.publish import safe_name

_MOST_PARTS = 100


@dataclass
class Form:
    """What a form brought, by the names of its parts.

    Attributes
    ----------
    fields
        Texts; a name that is given several times has several.
    files
        The name of each file, and its bytes.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)


def is_form(request: Request) -> bool:
    """Tell whether a request says that its body is a form with files."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"


def read(request: Request, body: bytes) -> Form:
    """Return the form that a body is.

    Raises
    ------
    InvalidInput
        It is not well formed, ends early, has too many parts, or names two files alike.
    """
    form, ended = Form(), False
    boundary = parse_options_header(request.headers.get("content-type", ""))[1].get(b"boundary")

    def name_of(raw: bytes | None) -> str:
        if not raw:
            raise InvalidInput("A part of the form has no name.")
        name = raw.decode(errors="replace")
        if sum(map(len, form.fields.values())) + len(form.files) >= _MOST_PARTS:
            raise InvalidInput.field(name[:100], f"A form has at most {_MOST_PARTS} parts.")
        return name

    def take_field(part: Field) -> None:
        name = name_of(part.field_name)
        try:
            form.fields.setdefault(name, []).append((part.value or b"").decode())
        except UnicodeDecodeError:
            raise InvalidInput.field(name[:100], "This must be text in UTF-8.") from None

    def take_file(part: File) -> None:
        name = name_of(part.field_name)
        if name in form.files:
            raise InvalidInput.field(name[:100], "There may be one file of this name.")
        part.file_object.seek(0)
        called = safe_name((part.file_name or b"").decode(errors="replace"))
        form.files[name] = (called or "file", part.file_object.read())

    def end() -> None:
        nonlocal ended
        ended = True

    try:
        in_memory = {"MAX_MEMORY_FILE_SIZE": len(body) + 1}
        parser = FormParser("multipart/form-data", take_field, take_file, end, boundary, config=in_memory)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidInput(f"The form is not well formed: {str(error)[:200]}") from None
    if not ended:
        raise InvalidInput("The form ended early.")
    return form
