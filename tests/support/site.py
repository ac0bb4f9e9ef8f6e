"""The site of docs/scaling.md: parts on folders of their own, one database, one bucket, nginx in front."""

import os
import random
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support import nginx, s3, warm
from tests.support.certificates import self_signed
from tests.support.parts import PartProcess
from tests.support.ports import free_port
from tests.support.postgres import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


class Site:
    """The parts of the page, by the names of their folders."""

    def __init__(self, folder: Path, cluster: Cluster, store: s3.S3, stack: ExitStack, **environment: str) -> None:
        codes = dict(enumerate(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)))
        key = subprocess.run(
            ["bash", "-c", f"{codes[0]}\nprintf %s $ENTREPOT_SECRET_KEY"], capture_output=True, check=True
        )
        self.database_url = cluster.url(cluster.create())
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")},
            **store.environment,
            "PATH": f"{warm.program().parent}:{os.environ['PATH']}",
            "ENTREPOT_DATABASE_URL": self.database_url,
            "ENTREPOT_STORAGE_URL": store.bucket("scaling"),
            "ENTREPOT_SECRET_KEY": key.stdout.decode(),
            "ENTREPOT_DRAIN_SECONDS": "2",
            "ENTREPOT_JOB_LEASE_SECONDS": "3",
            **environment,
        }
        self.folder = folder
        self._stack = stack
        self._made: Mapping[str, str] = httpx.Response(200, content=self.run(codes[1])).json()
        self.backup = codes[3]
        self.parts: dict[str, PartProcess] = {}
        self.ports: dict[str, int] = {}
        for line in codes[2].strip().splitlines():
            words = line.split()
            name = words[words.index("--data-dir") + 1].rpartition("/")[2]
            options = words[words.index("--only") :]
            for option in ("--port", "--ftp-port"):
                if option in options:
                    self.ports[name] = free_port()
                    options[options.index(option) + 1] = str(self.ports[name])
            self.parts[name] = PartProcess(folder / "parts" / name, options, self.environment, self._made)
            stack.callback(self.parts[name].kill9)

    def run(self, code: str) -> bytes:
        done = subprocess.run(["bash", "-c", code], cwd=self.folder, env=self.environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def start(self, *names: str) -> None:
        for name in names:
            self.parts[name].start()

    def add(self, name: str, like: str, **environment: str) -> PartProcess:
        """Return one more part, with the options of another and variables of its own."""
        other = self.parts[like]
        made = PartProcess(self.folder / "parts" / name, other._options, other._environment | environment, self._made)
        self.parts[name] = made
        self._stack.callback(made.kill9)
        return made

    @contextmanager
    def behind_nginx(self, tls_port: int | None = None) -> Iterator[Callable[..., httpx.Client]]:
        """Yield what makes clients that reach the web servers through nginx, which may listen with TLS, too.

        Its certificate is `certificate.pem` in the site's folder, for 127.0.0.1.
        """
        upstream, location = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
        for shown, name in (("8001", "web-1"), ("8002", "web-2")):
            upstream = upstream.replace(shown, str(self.ports[name]))
        if tls_port is not None:
            own = self_signed(self.folder / "certificate.pem", "127.0.0.1")
            location += f"listen 127.0.0.1:{tls_port} ssl; ssl_certificate {own}; ssl_certificate_key {own};"
        token = {"authorization": f"Token {self.parts['web-1'].token}"}
        with nginx.running(self.folder, upstream, location) as socket:

            def client(**options: Any) -> httpx.Client:
                given: dict[str, Any] = {"base_url": "http://front.example", "headers": token, "timeout": 30}
                return httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), **given | options)

            yield client


class Whole:
    """The site as those see it who use it."""

    url = "http://front.example"

    def __init__(self, site: Site, client: Callable[..., httpx.Client]) -> None:
        self._site, self._client = site, client
        self.token = site.parts["web-1"].token
        self.database_url = site.database_url

    @property
    def ftp_ports(self) -> list[int]:
        """Those of the two, in any order, as a name of two addresses gives them."""
        return random.sample([self._site.ports["ftp-1"], self._site.ports["ftp-2"]], 2)

    def http(self, **options: Any) -> httpx.Client:
        """Return a client that goes through nginx."""
        return self._client(**{name: value for name, value in options.items() if name != "auth"})
