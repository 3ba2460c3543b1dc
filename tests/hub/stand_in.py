"""A stand-in of the Hugging Face hub on the loopback address, which can also fail in the ways in which the hub does.

It answers what huggingface_hub asks when it downloads: HEAD and GET of ``resolve``, with ranges, a redirect for large
files and ETags, and the API of revision and tree. ``HF_ENDPOINT`` points the libraries to it.
"""

import hashlib
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = 1_000_000  # bytes from which on the hub sends a file from another address
OPEN_FILES = ("README.md", ".gitattributes")  # that a gated repository gives to all


@dataclass
class Faults:
    """How a repository fails.

    Attributes
    ----------
    gated : status of the refusal, 401 (no token) or 403 (a token without access); 0 for an open repository
    no_revision : the pinned revision is gone
    silent : seconds that pass before an answer
    status : of every answer, such as 429 or 503
    cut : name of a file whose transfer ends after ``cut_after`` bytes
    cuts : how many transfers are cut; later ones go through
    missing : names of files that are not there
    """

    gated: int = 0
    no_revision: bool = False
    silent: float = 0.0
    status: int = 0
    cut: str = ""
    cut_after: int = 1000
    cuts: int = 1_000_000
    missing: tuple[str, ...] = ()


@dataclass
class StandIn:
    """What a hub serves and what it was asked.

    Attributes
    ----------
    folder : of repositories, ``folder/owner/name/files``
    revisions : commit of each repository; others have a made-up one
    faults : by repository, or ``"*"`` for all
    asked : (status, method, path) of each request, in order
    """

    folder: Path
    revisions: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Faults] = field(default_factory=dict)
    asked: list[tuple[int, str, str]] = field(default_factory=list)
    address: str = ""
    lock: Lock = field(default_factory=Lock)

    def revision(self, repository: str) -> str:
        return self.revisions.get(repository, hashlib.sha1(repository.encode()).hexdigest())

    def faults_of(self, repository: str) -> Faults:
        return self.faults.get(repository) or self.faults.get("*") or Faults()

    def downloads(self, name: str = "") -> list[str]:
        """Return the paths of the files that were given, those that end with ``name``."""
        return [
            path
            for status, method, path in self.asked
            if method == "GET" and status in (200, 206) and "/resolve/" in path and path.endswith(name)
        ]


@cache
def sha256(path: Path, modified_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    hub: StandIn

    def log_message(self, *arguments) -> None:
        """Say nothing: ``StandIn.asked`` has the requests."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send an answer whose headers are named with underscores."""
        with self.hub.lock:
            self.hub.asked.append((status, self.command, self.path))
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        self.answer(status, body, X_Error_Code=code, X_Error_Message=message, Content_Type="application/json")

    def give_json(self, content: object) -> None:
        self.answer(200, json.dumps(content).encode(), Content_Type="application/json")

    def do_HEAD(self) -> None:
        self.respond()

    def do_GET(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.refuse(404, "NotFound", "this hub only gives")

    def respond(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        rest = parts[2:] if api else parts
        repository, tail = "/".join(rest[:2]), rest[2:]
        folder = self.hub.folder / repository
        if len(rest) < 2 or not folder.is_dir():
            return self.refuse(401, "RepoNotFound", "Invalid username or password.")
        faults = self.hub.faults_of(repository)
        time.sleep(faults.silent)
        if faults.status:
            return self.refuse(faults.status, "", "the hub is busy")
        revision = tail[1] if len(tail) > 1 else "main"
        known = () if faults.no_revision else (self.hub.revision(repository),)
        if revision not in ("main", *known):
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if api:
            return self.describe(repository, folder, faults, tail)
        if tail[:1] != ["resolve"]:
            return self.refuse(404, "NotFound", "no such page")
        return self.give(repository, folder, faults, "/".join(tail[2:]))

    def describe(self, repository: str, folder: Path, faults: Faults, tail: list[str]) -> None:
        """Answer the API: what a revision is, or what files it has."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        names = {path.relative_to(folder).as_posix(): path for path in files}
        names = {name: path for name, path in names.items() if name not in faults.missing}
        if tail[:1] == ["tree"]:
            return self.give_json([self.entry(name, path) for name, path in names.items()])
        siblings = [{"rfilename": name} for name in names]
        gated = "auto" if faults.gated else False
        return self.give_json(
            {
                "id": repository,
                "sha": self.hub.revision(repository),
                "gated": gated,
                "siblings": siblings,
                "tags": [],
                "private": False,
            }
        )

    def entry(self, name: str, path: Path) -> dict:
        size, digest = path.stat().st_size, sha256(path, path.stat().st_mtime_ns)
        found = {"type": "file", "oid": digest[:40], "size": size, "path": name}
        return found | ({"lfs": {"oid": digest, "size": size, "pointerSize": 135}} if size >= LARGE else {})

    def give(self, repository: str, folder: Path, faults: Faults, name: str) -> None:
        """Answer ``resolve``: a file, or a part of it."""
        path = folder / name
        commit = self.hub.revision(repository)
        if faults.gated and name not in OPEN_FILES:
            return self.refuse(faults.gated, "GatedRepo", f"Access to model {repository} is restricted.")
        if not path.is_file() or name in faults.missing:
            return self.answer(
                404,
                b"Entry not found",
                X_Error_Code="EntryNotFound",
                X_Error_Message="Entry not found",
                X_Repo_Commit=commit,
            )
        content, etag = path.read_bytes(), f'"{sha256(path, path.stat().st_mtime_ns)}"'
        if len(content) >= LARGE and "storage" not in parse_qs(urlsplit(self.path).query):
            return self.answer(
                302,
                Location=f"{self.path}?storage=1",
                X_Repo_Commit=commit,
                X_Linked_ETag=etag,
                X_Linked_Size=str(len(content)),
            )
        headers = {"X_Repo_Commit": commit, "ETag": etag, "Accept_Ranges": "bytes"}
        start = 0
        if self.command == "GET" and (asked := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))):
            start = int(asked[1])
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if self.command == "GET" and name == faults.cut and faults.cuts > 0:
            with self.hub.lock:
                faults.cuts -= 1
            return self.cut_off(body, faults.cut_after, 206 if start else 200, headers)
        return self.answer(206 if start else 200, body, **headers)

    def cut_off(self, body: bytes, after: int, status: int, headers: dict[str, str]) -> None:
        """Promise all of ``body``, send ``after`` bytes of it, and close the connection."""
        self.answer(status, body[:after], **headers, Content_Length=str(len(body)))
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def stand_in(folder: Path, revisions: dict[str, str]) -> Iterator[StandIn]:
    """Serve the repositories of ``folder`` inside the ``with`` block."""
    hub = StandIn(folder, revisions)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
