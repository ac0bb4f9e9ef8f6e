"""The functions of a channel as one text, each below its name and how many lines it has: so they are versions."""

import re
from itertools import islice

from entrepot.pipeline.cleaning.spec import FUNCTIONS
from entrepot.pipeline.models import Channel

_HEAD = re.compile(rf"#: ({'|'.join(FUNCTIONS)}), (\d+) lines")


def joined(channel: Channel) -> str:
    """Return the functions of a channel as one text; empty where it has none."""
    texts = {name: text.split("\n") for name in FUNCTIONS if (text := getattr(channel, name))}
    return "\n".join(line for name, lines in texts.items() for line in (f"#: {name}, {len(lines)} lines", *lines))


def parted(script: str) -> dict[str, str]:
    """Return the functions out of such a text, by name; empty what the channel had none of."""
    found, lines = dict.fromkeys(FUNCTIONS, ""), iter(script.split("\n"))
    for line in lines:
        if head := _HEAD.fullmatch(line):
            found[head[1]] = "\n".join(islice(lines, int(head[2])))
    return found
