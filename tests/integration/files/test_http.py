"""Files over HTTP: in, out, acknowledged, and what must not work."""

import hashlib
import io
import os
import random
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrepot.client._http import Connection
from entrepot.client.errors import Damaged
from entrepot.client.files import Files
from entrepot.server import conditions
from tests.support.cases import Case
from tests.support.server import ServerProcess

pytestmark = pytest.mark.turns

SIZE = int(os.environ.get("ENTREPOT_TEST_FILE_BYTES", 48 * 2**20))


@pytest.fixture
def client(shared_server: ServerProcess) -> Iterator[httpx.Client]:
    with shared_server.http(auth=None, headers={"authorization": f"Token {shared_server.token}"}) as client:
        yield client


def _publish(client: httpx.Client, content: bytes = b"{}", name: str = "a.json", **fields: str) -> dict[str, Any]:
    answer = client.post("/api/v1/files", files={"file": (name, content)}, data=fields)
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    return record


def test_a_file_has_its_record(client: httpx.Client) -> None:
    record = _publish(client, b"{}", "dir/a.json", identifier="ios_messages.messages")
    assert record["md5"] == "99914b932bd37a50b983c5e7c90ae93b"
    assert record["sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert (record["size"], record["type"], record["name"], record["status"]) == (2, "json", "a.json", "available")
    assert record["identifier"] == "ios_messages.messages"
    assert record["request"]
    assert record["step"]
    assert client.get(f"/api/v1/files/{record['id']}").json() == record
    listed = client.get("/api/v1/files", params={"request": record["request"]}).json()["items"]
    assert [one["id"] for one in listed] == [record["id"]]
    more = _publish(client, b"x", step=record["step"])
    assert (more["request"], more["step"]) == (record["request"], record["step"])


def test_bytes_come_back_whole_and_in_parts(client: httpx.Client) -> None:
    content = random.Random(1).randbytes(300_000)
    record = _publish(client, content)
    path = f"/api/v1/files/{record['id']}/download"
    whole = client.get(path)
    assert whole.content == content
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"].startswith("attachment")
    assert whole.headers["etag"] == f'"{record["sha256"]}"'
    head = client.head(path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "300000", b"")
    for wanted, part in [("bytes=0-0", content[:1]), ("bytes=299999-", content[-1:]), ("bytes=-5", content[-5:])]:
        answer = client.get(path, headers={"range": wanted})
        assert (answer.status_code, answer.content) == (206, part)
    assert client.get(path, headers={"range": "bytes=300000-"}).status_code == 416
    stale = client.get(path, headers={"range": "bytes=0-0", "if-range": '"other"'})
    assert (stale.status_code, len(stale.content)) == (200, 300_000)


def test_signed_urls(client: httpx.Client, shared_server: ServerProcess) -> None:
    record, other = _publish(client, b"signed"), _publish(client, b"other")
    url = record["signed_url"]["url"]
    with httpx.Client(trust_env=False) as stranger:
        assert stranger.get(url).content == b"signed"
        assert stranger.get(url, headers={"range": "bytes=1-2"}).content == b"ig"
        assert stranger.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
        assert stranger.get(url.replace(record["id"], other["id"])).status_code == 403, "replayed for another file"
        bare, _, query = url.partition("?")
        given = dict(httpx.QueryParams(query))
        assert stranger.get(bare, params=given | {"expires": str(int(given["expires"]) + 1)}).status_code == 403
        for wrong in ({}, {"expires": "x", "signature": "y"}, {"expires": "9" * 40, "signature": given["signature"]}):
            assert stranger.get(bare, params=wrong).status_code in (403, 422)
        short = client.post(f"/api/v1/files/{record['id']}/sign", json={"seconds": 1}).json()["signed_url"]
        assert stranger.get(short["url"]).status_code == 200
        deadline = time.monotonic() + 10
        while stranger.get(short["url"]).status_code != 403:
            assert time.monotonic() < deadline
        assert client.get(f"/api/v1/files/{record['id']}").json()["signed_url"] is None
        renewed = client.post(f"/api/v1/files/{record['id']}/sign").json()["signed_url"]["url"]
        assert stranger.get(renewed).status_code == 200
        assert stranger.get(short["url"]).status_code == 403, "an expired one stays so"


def test_acknowledged_once_and_many(client: httpx.Client) -> None:
    first, second = _publish(client), _publish(client)
    path = f"/api/v1/files/{first['id']}"
    answer = client.post(f"{path}/ack").json()
    assert (answer["status"], answer["consumed_at"] is not None) == ("consumed", True)
    assert client.post(f"{path}/ack").json()["consumed_at"] == answer["consumed_at"]
    wrong = client.post(f"{path}/ack", json={"sha256": "0" * 64}).json()
    assert (wrong["status"], wrong["consumed_at"], wrong["mismatches"][0]["sha256"]) == ("available", None, "0" * 64)
    right = client.post(f"{path}/ack", json={"sha256": first["sha256"].upper()}).json()
    assert right["status"] == "consumed"
    many = client.post("/api/v1/files/ack", json={"ids": [first["id"], "unknown", second["id"], second["id"]]})
    assert [one["status"] for one in many.json()] == ["consumed", "consumed"]
    for body in ({}, {"ids": "x"}, {"ids": [1]}):
        assert client.post("/api/v1/files/ack", json=body).status_code == 422
    assert client.get("/api/v1/files", params={"request": first["request"]}).json()["items"] == []
    asked = {"request": first["request"], "status": "consumed"}
    assert len(client.get("/api/v1/files", params=asked).json()["items"]) == 1


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "a\r\nX-Evil: 1\r\n\r\n.txt",
        'a"; filename="evil.html',
        "%2e%2e%2fetc%2fpasswd",
        "....//....//x",
        "\u202egnp.exe",
        "/",
        "..",
        "x" * 255,
        "é" * 250,
        "нет.csv",
    ],
)
def test_names_do_no_harm(client: httpx.Client, shared_server: ServerProcess, name: str) -> None:
    before = {path for path in shared_server.data_dir.parent.rglob("*") if "files" not in path.parts}
    record = _publish(client, b"<html><script>alert(1)</script>", name, identifier=name)
    answer = client.get(f"/api/v1/files/{record['id']}/download")
    assert answer.content == b"<html><script>alert(1)</script>"
    assert "x-evil" not in answer.headers
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "/" not in record["name"]
    assert "\\" not in record["name"]
    assert record["name"].isprintable()
    after = {path for path in shared_server.data_dir.parent.rglob("*") if "files" not in path.parts}
    assert not {path for path in after - before if path.name in ("passwd", "x", "boot.ini")}


@pytest.mark.parametrize("field", ["request", "step", "project", "storage", "unknown"])
@pytest.mark.parametrize("value", ["../..", "nothing", "\u0000", "%00", "x" * 100_000])
def test_fields_that_are_wrong(client: httpx.Client, field: str, value: str) -> None:
    answer = client.post("/api/v1/files", files={"file": ("a", b"x")}, data={field: value})
    assert answer.status_code in (422, 413)
    assert field in answer.json()["fields"]


def test_forms_that_are_wrong(client: httpx.Client, shared_server: ServerProcess) -> None:
    incoming = shared_server.data_dir / "files" / ".incoming"
    form = {"content-type": "multipart/form-data; boundary=b"}
    good = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
    for headers, body in [
        ({}, b"x"),
        ({"content-type": "multipart/form-data"}, b"x"),
        (form, b"x"),
        (form, good),
        (form, good[:20]),
        (form, b"--b--\r\n"),
        (form, b"--b\r\nA: b\r\n\r\nx\r\n--b--\r\n"),
        (form, good * 2 + b"--b--\r\n"),
        (form, good.replace(b'"file"', b'"other"') + b"--b--\r\n"),
        (form, b"--b\r\n" + b"A: b\r\n" * 100 + b"\r\n"),
    ]:
        answer = client.post("/api/v1/files", headers=headers, content=body)
        assert answer.status_code in (400, 422), (body, answer.text)
    assert client.post("/api/v1/files", headers=form, content=good + b"--b--\r\n").status_code == 201
    assert [path for path in incoming.rglob("*") if path.is_file()] == [], "nothing is left"


def test_upload_in_parts(client: httpx.Client) -> None:
    content = random.Random(2).randbytes(1_000_000)
    upload = client.post("/api/v1/uploads", json={"name": "big.bin", "identifier": "big", "size": len(content)}).json()
    path = f"/api/v1/uploads/{upload['id']}"
    assert upload == {"id": upload["id"], "offset": 0, "size": len(content)}
    offset = 0
    while offset < len(content):
        part = content[offset : offset + 300_000]
        answer = client.patch(path, content=part, headers={"upload-offset": str(offset)})
        assert answer.status_code == 200, answer.text
        offset = answer.json()["offset"]
        assert client.patch(path, content=b"again", headers={"upload-offset": "0"}).status_code == 409
        if offset < len(content):
            assert client.post(f"{path}/publish").status_code == 409, "not whole yet"
    assert client.get(path).json()["offset"] == len(content)
    assert client.patch(path, content=b"more", headers={"upload-offset": str(offset)}).status_code == 400
    record = client.post(f"{path}/publish").json()
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert (record["id"], record["name"], record["identifier"]) == (upload["id"], "big.bin", "big")
    assert client.post(f"{path}/publish").json()["id"] == record["id"], "a repeated call"
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    given_up = client.post("/api/v1/uploads", json={}).json()
    assert client.delete(f"/api/v1/uploads/{given_up['id']}").status_code == 204
    assert client.get(f"/api/v1/uploads/{given_up['id']}").status_code == 404
    bodies: tuple[Any, ...] = ({"size": -1}, {"size": "x"}, {"size": True}, {"nothing": 1}, {"name": 3}, [])
    for body in bodies:
        assert client.post("/api/v1/uploads", json=body).status_code in (400, 422)
    for value in ("", "x", "-1", "9" * 30):
        assert client.patch(path, content=b"x", headers={"upload-offset": value}).status_code == 422


def _memory(server: ServerProcess) -> dict[int, int]:
    found = {}
    for pid in server.processes():
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            continue
        found[pid] = sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("RssAnon:"))
    return found


def test_a_large_file_up_and_down_in_bounded_memory(client: httpx.Client, shared_server: ServerProcess) -> None:
    block = random.Random(3).randbytes(2**20)
    blocks = SIZE // len(block)
    digest = hashlib.sha256()
    for _ in range(blocks):
        digest.update(block)
    before = _memory(shared_server)
    peak: dict[int, int] = {}

    def look() -> None:
        for pid, size in _memory(shared_server).items():
            peak[pid] = max(peak.get(pid, 0), size - before.get(pid, size))

    def form() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="large"\r\n\r\n'
        for number in range(blocks):
            if number % 16 == 0:
                look()
            yield block
        yield b"\r\n--b--\r\n"

    record = client.post(
        "/api/v1/files", content=form(), headers={"content-type": "multipart/form-data; boundary=b"}, timeout=600
    ).json()
    assert (record["size"], record["sha256"]) == (blocks * len(block), digest.hexdigest())
    look()
    came, cuts = 0, random.Random(4)
    got = hashlib.sha256()
    path = f"/api/v1/files/{record['id']}/download"
    for attempt in range(21):
        # The last attempt is let through; each of the twenty before it is cut off somewhere.
        most = None if attempt == 20 else cuts.randrange(1, max(2, SIZE // 20))
        headers = {"range": f"bytes={came}-", "if-range": f'"{record["sha256"]}"'}
        with client.stream("GET", path, headers=headers, timeout=600) as answer:
            assert answer.status_code == 206
            for part in answer.iter_raw():
                taken = part if most is None else part[:most]
                got.update(taken)
                came += len(taken)
                if most is not None and (most := most - len(taken)) <= 0:
                    break
        look()
    assert (came, got.hexdigest()) == (record["size"], record["sha256"])
    assert max(peak.values()) < 200 * 2**20, peak


@pytest.mark.parametrize(
    "id_",
    [
        "..",
        "../..",
        "%2e%2e",
        "..%2f..%2fentrepot.db",
        "%2e%2e%2fsecret.key",
        "%252e%252e%252fsecret.key",
        "..%5c..%5csecret.key",
        "%c0%ae%c0%ae%c0%afsecret.key",
        "x%00",
        "%0d%0aX-Evil:%201",
        "file:%2f%2f%2fetc%2fpasswd",
    ],
)
def test_ids_are_no_paths(client: httpx.Client, id_: str) -> None:
    for method, path in [
        ("GET", f"files/{id_}"),
        ("GET", f"files/{id_}/download"),
        ("GET", f"files/{id_}/content?expires=9999999999&signature=x"),
        ("POST", f"files/{id_}/ack"),
        ("PATCH", f"uploads/{id_}"),
        ("POST", f"uploads/{id_}/publish"),
        ("DELETE", f"uploads/{id_}"),
        ("GET", f"storages/{id_}"),
    ]:
        url = client.base_url.copy_with(raw_path=f"/api/v1/{path}".encode())
        answer = client.request(method, url, headers={"upload-offset": "0"})
        assert answer.status_code in (403, 404, 405), (method, path, answer.status_code)
        assert "x-evil" not in answer.headers


def test_others_see_nothing(client: httpx.Client, shared_server: ServerProcess) -> None:
    record = _publish(client)
    organization = f"Other {record['id'][:8]}"
    shared_server.command("org", "create", organization, "--json")
    made = shared_server.command(
        "user", "add", f"{record['id'][:8]}@o", "--organization", organization, "--role", "admin", "--json"
    )
    webhook = client.post("/api/v1/webhooks", json={"url": "http://receiver.example/"}).json()["id"]
    with shared_server.http(auth=(made["login"], made["password"])) as stranger:
        upload = client.post("/api/v1/uploads", json={}).json()
        for method, path in [
            ("GET", f"files/{record['id']}"),
            ("GET", f"files/{record['id']}/download"),
            ("POST", f"files/{record['id']}/ack"),
            ("POST", f"files/{record['id']}/sign"),
            ("GET", f"uploads/{upload['id']}"),
            ("PATCH", f"uploads/{upload['id']}"),
            ("POST", f"uploads/{upload['id']}/publish"),
            ("DELETE", f"uploads/{upload['id']}"),
            ("GET", f"storages/{record['storage']['id']}"),
            ("PATCH", f"storages/{record['storage']['id']}"),
            ("DELETE", f"storages/{record['storage']['id']}"),
            ("POST", f"storages/{record['storage']['id']}/test"),
            ("GET", f"webhooks/{webhook}"),
            ("PATCH", f"webhooks/{webhook}"),
            ("DELETE", f"webhooks/{webhook}"),
            ("POST", f"webhooks/{webhook}/replay"),
            ("GET", f"webhooks/{webhook}/deliveries"),
        ]:
            sent: Any = {} if method in ("PATCH", "POST") and "uploads" not in path else None
            sent = {"after": 0} if path.endswith("replay") else sent
            answer = stranger.request(method, f"/api/v1/{path}", headers={"upload-offset": "0"}, json=sent)
            assert answer.status_code in (403, 404), (method, path, answer.status_code)
        assert record["id"] not in stranger.get("/api/v1/files").text
        assert stranger.post("/api/v1/files/ack", json={"ids": [record["id"]]}).json() == []
        assert record["sha256"] not in stranger.get(f"/api/v1/lineage/file/{record['id']}").text
        given = {**record, "storage": record["storage"]["id"]}
        for field in ("request", "step", "storage"):
            answer = stranger.post("/api/v1/files", files={"file": b"x"}, data={field: given[field]})
            assert (answer.status_code, [*answer.json()["fields"]]) == (422, [field]), answer.text
        assert record["id"] not in stranger.get("/api/v1/events", params={"after": 0, "limit": 1000}).text
        event = client.get("/api/v1/events", params={"type": "file"}).json()["items"][0]["id"]
        assert stranger.get("/api/v1/events", params={"after": event}).status_code == 422
        for path in ("results", "polls", "tasks", "events", "configs/storage", "configs/webhook"):
            assert record["id"] not in stranger.get(f"/ricloud/{path}").text, path
        for path in (f"results/{record['id']}", f"polls/{record['request']}", f"tasks/{record['step']}"):
            assert stranger.get(f"/ricloud/{path}").status_code == 404, path
    assert client.get(f"/api/v1/files/{record['id']}").json()["status"] == "available"
    client.delete(f"/api/v1/webhooks/{webhook}")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost:8000/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://0x7f000001/",
        "http://127.1/",
        "http://user@example.org/",
        "gopher://example.org/",
        "http://example.org\r\nHost: inside/",
    ],
)
def test_receivers_inside_are_refused(client: httpx.Client, url: str) -> None:
    for path in ("/api/v1/webhooks", "/ricloud/configs/webhook"):
        answer = client.post(path, json={"url": url})
        assert answer.status_code == (400 if "ricloud" in path else 422), (path, answer.text)
    credentials = {"access_key_id": "a", "secret_access_key": "b", "endpoint": url}
    answer = client.post("/api/v1/storages", json={"url": "s3://bucket/x", "credentials": credentials})
    assert answer.status_code == 422, answer.text


def test_archives_are_data(client: httpx.Client, shared_server: ServerProcess) -> None:
    """Nothing of a zip is unpacked or believed: neither its paths nor its sizes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../../tmp/entrepot-evil", "x")
        archive.writestr("bomb", b"\0" * 20_000_000)
    record = _publish(client, sink.getvalue(), "../evil.zip")
    assert (record["type"], record["name"], record["size"]) == ("zip", "evil.zip", len(sink.getvalue()))
    assert client.get(f"/api/v1/files/{record['id']}/download").content == sink.getvalue()
    assert not Path("/tmp/entrepot-evil").exists()
    assert not list(shared_server.data_dir.rglob("bomb"))


def test_links_in_the_servers_own_storage_lead_nowhere(client: httpx.Client, shared_server: ServerProcess) -> None:
    record = _publish(client, b"mine")
    (path,) = (shared_server.data_dir / "files").rglob(record["id"])
    path.unlink()
    path.symlink_to(shared_server.data_dir / "secret.key")
    answer = client.get(f"/api/v1/files/{record['id']}/download")
    assert answer.status_code == 404
    assert (shared_server.data_dir / "secret.key").read_bytes() not in answer.content


def _sent(client: httpx.Client, content: bytes, name: str) -> dict[str, Any]:
    answer = client.post("/api/v1/files", files={"file": ("a", content)}, data={"name": name})
    record: dict[str, Any] = answer.raise_for_status().json()
    return record


def test_downloads_keep_to_conditions(client: httpx.Client) -> None:
    content = b"time,kW\n" + b"".join(f"2024-10-{day:02},{day * day}\n".encode() for day in range(1, 32))
    name = "Bericht März, Teil 1.csv"
    path = f"/api/v1/files/{_sent(client, content, name)['id']}/download"
    whole = client.get(path)
    tag = whole.headers["etag"]
    future, past = "Fri, 01 Jan 2100 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"
    asked: list[tuple[dict[str, str], int]] = [
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": f'W/{tag}, "x"'}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": "*"}, 304),
        ({"If-Modified-Since": future}, 304),
        ({"If-Modified-Since": past}, 200),
        ({"If-Modified-Since": whole.headers["last-modified"]}, 304),
        ({"If-Modified-Since": "no date"}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": future}, 200),
        ({"If-Unmodified-Since": past}, 412),
        ({"If-Unmodified-Since": future}, 200),
        ({"If-Match": f"W/{tag}"}, 412),
        ({"If-Match": f'"x", {tag}'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"x"', "If-None-Match": tag}, 412),
        ({"Range": "rows=0-2"}, 200),
        ({"Range": "bytes=5-2"}, 200),
        ({"Range": "bytes=-"}, 200),
        ({"Range": "bytes=0-1,4-5"}, 200),
        ({"Range": "bytes=0-6"}, 206),
        ({"Range": "Bytes=0-6"}, 206),
        ({"Range": "bytes=-0"}, 416),
        ({"Range": "bytes=0-6", "If-Range": '"x"'}, 200),
        ({"Range": "bytes=0-6", "If-Range": tag}, 206),
        ({"Range": "bytes=0-6", "If-Range": f"W/{tag}"}, 200),
        ({"Range": "bytes=0-6", "If-Range": whole.headers["last-modified"]}, 206),
        ({"Range": "bytes=0-6", "If-Match": '"x"'}, 412),
        ({"Range": "bytes=0-6", "If-None-Match": tag}, 304),
    ]
    for headers, status in asked:
        for method in ("GET", "HEAD"):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == status, (method, headers)
            expected = {200: content, 206: content[:7]}.get(status, b"") if method == "GET" else b""
            assert answer.content == expected, (method, headers)
            if status in (304, 412):
                assert answer.headers["etag"] == tag
    head = client.head(path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(content)), b"")
    disposition = whole.headers["content-disposition"]
    assert 'filename="Bericht Marz, Teil 1.csv"' in disposition
    assert "filename*=UTF-8''Bericht%20M%C3%A4rz%2C%20Teil%201.csv" in disposition


def test_conditions_of_a_download(client: httpx.Client) -> None:
    case = Case("conditions-of-a-download")
    asked, right = case.json("requests.json"), case.json("expected.json")
    content = (case.path / "report.csv").read_bytes()
    path = f"/api/v1/files/{_sent(client, content, asked['published_as'])['id']}/download"
    tag = client.get(path).headers["etag"]
    headers = [{name: value.replace("TAG", tag) for name, value in each.items()} for each in asked["headers"]]
    answers = [client.get(path, headers=each) for each in headers]
    assert [answer.status_code for answer in answers] == right["status"]
    assert {answer.text for answer in answers if answer.status_code == 206} == {right["bytes=0-6"]}
    whole = client.get(path)
    assert (len(whole.content), hashlib.md5(whole.content).hexdigest()) == (right["size"], right["md5"])
    named = whole.headers["content-disposition"]
    assert f"filename*=UTF-8''{right['content-disposition']['filename*']['value']}" in named


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ('a"b\\c.csv', "a_b_c.csv"),
        ("日本.csv", "__.csv"),
        ("ß", "_"),
        ("", "file"),
        ("x\r\ny: z", "x__y_ z"),
        ("50%.txt", "50_.txt"),
    ],
)
def test_a_name_for_every_client(name: str, plain: str) -> None:
    found = conditions.attachment(name)
    assert found.startswith(f"attachment; filename=\"{plain}\"; filename*=UTF-8''")
    assert found.isascii()
    assert found.isprintable()


def test_a_download_of_an_earlier_process_goes_on(
    client: httpx.Client, shared_server: ServerProcess, tmp_path: Path
) -> None:
    content = random.Random(2).randbytes(3_000_000)
    record, other = _sent(client, content, "large"), _sent(client, content[::-1], "other")
    files = Files(Connection(shared_server.url, headers={"authorization": f"Token {shared_server.token}"}))
    target = tmp_path / "large"
    began: Any = files._rest(record["id"], f'"{record["sha256"]}"', 0, record["size"])
    part, beside = tmp_path / "large.part", tmp_path / "large.part.etag"
    part.write_bytes(next(began))
    began.close()
    assert 0 < part.stat().st_size < len(content)
    beside.write_text(f'"{record["sha256"]}"')
    asked: list[str] = []
    stream = files.connection.stream

    def watched(path: str, *, headers: Any) -> Any:
        asked.append(headers["range"])
        return stream(path, headers=headers)

    object.__setattr__(files.connection, "stream", watched)
    came = part.stat().st_size
    assert files.download(record["id"], target).read_bytes() == content
    assert asked == [f"bytes={came}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["large"]
    # What is there of another file, or was damaged, is no beginning of this one.
    part.write_bytes(content[:1000])
    beside.write_text(f'"{record["sha256"]}"')
    assert files.download(other["id"], target).read_bytes() == content[::-1]
    part.write_bytes(b"x" * 1000)
    beside.write_text(f'"{record["sha256"]}"')
    with pytest.raises(Damaged):
        files.download(record["id"], target)
    assert target.read_bytes() == content[::-1]
    assert files.download(record["id"], target).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["large"]
    files.connection.close()
