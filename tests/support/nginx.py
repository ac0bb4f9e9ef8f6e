"""Debian's nginx before servers of tests, with what a page of docs/ says of its configuration."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.bound import bound
from tests.support.deadline import eventually

_PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
_AROUND = """
{user} daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {upstream}
  server {{ listen unix:{folder}/socket; {location} }}
}}
"""


@contextlib.contextmanager
def running(folder: Path, upstream: str, location: str) -> Iterator[Path]:
    """Run nginx in a folder, and yield its socket; its workers are a user of their own where the tests are root."""
    assert _PROGRAM is not None, "requirements/debian.sh installs nginx"
    config, socket = folder / "nginx.conf", folder / "socket"
    user = "user www-data;" if os.getuid() == 0 else ""
    config.write_text(_AROUND.format(folder=folder, upstream=upstream, location=location, user=user))
    process = subprocess.Popen([*bound(signal="TERM"), _PROGRAM, "-c", config, "-e", folder / "early.log"])
    try:
        eventually(socket.exists, 30)
        yield socket
    finally:
        process.terminate()
        process.wait()
