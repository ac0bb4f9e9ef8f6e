"""Shows pictures that tests took of pages in docs/, made small: ``python -m tools.pictures TAKEN`` (a folder)."""

import shutil
import sys
from pathlib import Path

from PIL import Image

_DOCS = Path(__file__).parents[1] / "docs"
_FOLDER = _DOCS / "images" / "console"
_NARROW = "-narrow"
_HEAD = """# The pages of the console

As the tests see them (`make pictures` takes them anew): on a wide screen, and most of them on a phone in the dark as
well. What each is for is in [console.md](console.md).
"""
#: How wide what a wide screen shows is in docs/; and of how many colours a picture is.
_WIDEST, _COLOURS = 960, 64


def small(taken: Path, kept: Path) -> None:
    """Keep a picture of a page with few colours, and no wider than it is read."""
    with Image.open(taken) as picture:
        shown = picture.convert("RGB")
    if shown.width > _WIDEST:
        shown = shown.resize((_WIDEST, round(shown.height * _WIDEST / shown.width)), Image.Resampling.LANCZOS)
    shown.quantize(_COLOURS, dither=Image.Dither.NONE).save(kept, optimize=True)


def page(names: list[str]) -> str:
    """Return the page that shows pictures: each of a wide screen, and below it what a phone shows."""
    parts = [_HEAD]
    for name in sorted(one for one in names if _NARROW not in one):
        title = name.removesuffix("-dark").replace("-", " ")
        parts.append(f"## {title[0].upper()}{title[1:]}\n\n![{title}](images/console/{name}.png)\n")
        parts += [
            f"![{title}, on a phone](images/console/{one}.png)\n"
            for one in sorted(names)
            if one.partition(_NARROW)[0] == name and one != name
        ]
    return "\n".join(parts)


def main() -> int:
    """Replace the pictures of all pages that were taken, and the page that shows them."""
    taken = sorted(Path(sys.argv[1]).glob("*.png"))
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir(parents=True)
    for picture in taken:
        small(picture, _FOLDER / picture.name)
    (_DOCS / "console-pages.md").write_text(page([picture.stem for picture in taken]))
    sys.stdout.write(f"{len(taken)} pictures in {_FOLDER}\n")
    return 0 if taken else 1


if __name__ == "__main__":
    sys.exit(main())
