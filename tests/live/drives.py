"""
Driving servers for real, by their own protocols: requests, writes and a reload, each answer judged.

A drive takes a server that runs and raises AssertionError, or OSError, if anything is not as it
should be. What a server does by the clock rather than by request is not a drive's to wait for.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Optional, cast

from tests.live.conditions import eventually
from tests.live.serving import Running

PATIENCE = 20
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LARGE = bytes(range(256)) * 4096


def drive_nginx(server: Running) -> None:
    """
    Static files small and large, compressed text, every WebDAV write, errors, a reload.
    """
    (server.data / "files/page.html").write_text("words " * 4000)
    (server.data / "large").write_bytes(LARGE)
    with http_connection(server) as connection:
        expect(connection, "GET", "/files/page.html", answer=b"words " * 4000)
        compressed = expect(connection, "GET", "/files/page.html", {"Accept-Encoding": "gzip"})
        assert len(compressed) < 4000
        expect(connection, "GET", "/large", answer=LARGE)
        expect(connection, "GET", "/large", {"Range": "bytes=5-9"}, 206, answer=LARGE[5:10])
        expect(connection, "GET", "/nowhere", status=404)
        expect(connection, "PUT", "/files/small", body=b"small", status=201)
        put_after_consent(connection, "/files/large", LARGE)
        put_at_once(server, "/files/large", LARGE)
        expect(connection, "MKCOL", "/files/directory/", status=201)
        for verb, target in (("COPY", "copy"), ("MOVE", "moved")):
            header = {"Destination": f"/files/{target}"}
            expect(connection, verb, "/files/large", header, status=204)
        expect(connection, "DELETE", "/files/small", status=204)
    assert (server.data / "files/copy").read_bytes() == LARGE
    assert (server.data / "files/moved").read_bytes() == LARGE
    reload_http(server)


# A body that comes together with its header is written in another way than one that comes later.
def put_at_once(server: Running, path: str, body: bytes) -> None:
    head = f"PUT {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n"
    with stream_to(server) as stream:
        stream.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        stream.flush()
        answer = stream.read()
    assert answer.startswith(b"HTTP/1.1 204"), answer[:200]


def put_after_consent(connection: http.client.HTTPConnection, path: str, body: bytes) -> None:
    connection.putrequest("PUT", path)
    connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    consent = connection.sock.recv(len(CONTINUE), socket.MSG_WAITALL)
    assert consent == CONTINUE, consent
    connection.send(body)
    response = connection.getresponse()
    assert (response.status, response.read()) == (201, b""), response.status


def drive_python(server: Running) -> None:
    """
    Files read and written, a directory listed, several clients at once, errors, a reload.
    """
    with http_connection(server) as connection, http_connection(server) as other:
        expect(connection, "PUT", "/files/large", body=LARGE, status=201)
        expect(other, "GET", "/files/large", answer=LARGE)
        assert b"large" in expect(connection, "GET", "/files/")
        expect(other, "GET", "/nowhere", status=404)
        expect(connection, "DELETE", "/files/large", status=204)
    assert not (server.data / "files/large").exists()
    reload_http(server)


def reload_http(server: Running) -> None:
    server.configure(generation=2)
    server.signal("HUP")

    def is_new() -> bool:
        with http_connection(server) as connection:
            connection.request("GET", "/")
            return connection.getresponse().getheader("X-Generation") == "2"

    eventually(is_new, what="the server has its new configuration")


@contextlib.contextmanager
def http_connection(server: Running) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        yield connection


def expect(
    connection: http.client.HTTPConnection,
    verb: str,
    path: str,
    headers: Optional[Mapping[str, str]] = None,
    status: int = 200,
    *,
    body: Optional[bytes] = None,
    answer: Optional[bytes] = None,
) -> bytes:
    """
    Make a request, expect this status and answer; return the answer.
    """
    connection.request(verb, path, body, dict(headers or {}))
    response = connection.getresponse()
    got = response.read()
    assert response.status == status, (verb, path, response.status, got[:200])
    assert answer is None or got == answer, (verb, path, len(got))
    return got


def drive_redis(server: Running) -> None:
    """
    Reads, writes, a transaction, a message, a snapshot, a rewritten log, a configuration changed.
    """
    with redis_client(server) as ask, redis_client(server) as listen:
        assert ask("SET", "key", "v" * 100_000) == "OK"
        assert ask("GET", "key") == "v" * 100_000
        assert [ask("RPUSH", "list", str(number)) for number in range(500)][-1] == 500
        assert ask("PEXPIRE", "list", "1") == 1
        eventually(lambda: ask("EXISTS", "list") == 0, what="the key has expired")
        assert [ask("MULTI"), ask("INCR", "number"), ask("EXEC")] == ["OK", "QUEUED", [1]]
        assert listen("SUBSCRIBE", "news") == ["subscribe", "news", 1]
        assert ask("PUBLISH", "news", "hello") == 1
        assert listen() == ["message", "news", "hello"]
        assert ask("BGSAVE") == "Background saving started"
        wait_for_redis(ask, "rdb_bgsave_in_progress:0")
        assert "started" in str(ask("BGREWRITEAOF"))
        wait_for_redis(ask, "aof_rewrite_in_progress:0")
        assert ask("CONFIG", "SET", "maxmemory", "200mb") == "OK"
        assert ask("CONFIG", "REWRITE") == "OK"
        assert ask("UNLINK", "key") == 1
    assert (server.data / "dump.rdb").read_bytes().startswith(b"REDIS")
    assert "maxmemory 200mb" in (server.data / "redis.conf").read_text()


def wait_for_redis(ask: "Redis", state: str) -> None:
    eventually(lambda: state in str(ask("INFO", "persistence")), what=state)


class Redis:
    """
    A client of redis: call it with a command for its answer, with nothing for the next message.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __call__(self, *words: str) -> object:
        if words:
            parts = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
            self._stream.write("".join(parts).encode())
            self._stream.flush()
        return self._answer()

    def _answer(self) -> object:
        line = self._stream.readline().decode().rstrip("\r\n")
        kind, rest = line[:1], line[1:]
        if kind == "*":
            return [self._answer() for _ in range(int(rest))]
        if kind == "$":
            return self._stream.read(int(rest) + 2).decode()[:-2] if int(rest) >= 0 else None
        return int(rest) if kind == ":" else rest


@contextlib.contextmanager
def redis_client(server: Running) -> Iterator[Redis]:
    with stream_to(server) as stream:
        yield Redis(stream)


def drive_memcached(server: Running) -> None:
    """
    Every kind of write, values small and large, several clients at once, a password changed.
    """
    with memcached_client(server, "secret1") as ask, memcached_client(server, "secret1") as other:
        large = "v" * 500_000
        assert ask(f"set large 0 0 {len(large)}", large) == "STORED"
        assert other("get large", lines=3) == f"VALUE large 0 {len(large)}\r\n{large}\r\nEND"
        assert [ask("set number 0 0 1", "1"), other("incr number 41")] == ["STORED", "42"]
        assert [ask("append number 0 0 1", "0"), other("decr number 1")] == ["STORED", "419"]
        assert [ask("touch number 60"), ask("delete number")] == ["TOUCHED", "DELETED"]
        assert [ask("flush_all"), other("get large")] == ["OK", "END"]
    server.configure(generation=2)
    server.signal("HUP")

    def is_new() -> bool:
        with memcached_client(server, "secret2") as ask:
            return ask("get large") == "END"

    eventually(is_new, what="the server has its new password")


class Memcached:
    """
    A client of memcached: call it with a command, and its data, for a number of lines in answer.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __call__(self, *request: str, lines: int = 1) -> str:
        self._stream.write("".join(f"{line}\r\n" for line in request).encode())
        self._stream.flush()
        return b"".join(self._stream.readline() for _ in range(lines)).decode().rstrip("\r\n")


@contextlib.contextmanager
def memcached_client(server: Running, password: str) -> Iterator[Memcached]:
    with stream_to(server) as stream:
        client = Memcached(stream)
        credentials = f"driver {password}"
        answer = client(f"set auth 0 0 {len(credentials)}", credentials)
        assert answer == "STORED", answer
        yield client


@contextlib.contextmanager
def stream_to(server: Running) -> Iterator[BinaryIO]:
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        with connection.makefile("rwb") as stream:
            yield cast(BinaryIO, stream)  # a BufferedRWPair, which mypy takes for something else
