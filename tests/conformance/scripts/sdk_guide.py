"""The guide's blocks of code, run one after the other in one namespace; what each of them prints."""

import contextlib
import io
import json
import sys

import pandas as pd

given, taken = sys.argv[1:3]
with open(given) as f:
    arguments = json.load(f)
with open("auth.txt", "w") as f:
    f.write(f"{arguments['login']}\n{arguments['password']}\n")
names = {
    "AUTH_PATH": "auth.txt",
    "URL": arguments["url"] + "/ovbp/api/v2",
    "ORGANIZATION_NAME": arguments["organization"],
}

printed = []
for number, block in enumerate(arguments["blocks"], start=1):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(block, f"<block {number}>", "exec"), names)
    printed.append(output.getvalue())
with open(taken, "w") as f:
    json.dump({"printed": printed, "pandas": pd.__version__}, f)
