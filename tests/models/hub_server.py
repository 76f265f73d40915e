"""A stand-in for the hub's HTTP interface on loopback: what huggingface_hub asks for, served from folders."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"

ASKED_ONCE = "api/agent-harnesses"
"""huggingface_hub asks for this list in its first call of a process; it is about no model."""


@dataclass
class Repository:
    """One commit of a model repository."""

    folder: Path
    commit: str = COMMIT
    gated: bool = False
    sizes: dict[str, int | None] = field(default_factory=dict)
    """What the metadata claim instead of the files' true sizes."""

    def files(self) -> list[dict[str, Any]]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [self._file(str(path.relative_to(self.folder)), path) for path in paths]

    def _file(self, name: str, path: Path) -> dict[str, Any]:
        return {"path": name, "size": self.sizes.get(name, path.stat().st_size), "oid": etag(path), "type": "file"}


def etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


@dataclass
class Hub:
    """The repositories that are served, and the files that were asked for."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    downloads: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    """``Authorization`` of every request about a model."""
    status: int | None = None
    """Answer everything with this status."""

    def add(self, repo_id: str, folder: Path, **options: Any) -> Repository:
        self.repositories[repo_id] = Repository(folder, **options)
        return self.repositories[repo_id]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        if path != ASKED_ONCE:
            self.hub.tokens.add(self.headers.get("Authorization"))
        if self.hub.status is not None:
            return self._answer(self.hub.status, {})
        about = path.removeprefix("api/models/")
        for repo_id, repository in self.hub.repositories.items():
            if about == repo_id or about.startswith(f"{repo_id}/"):
                return self._repository(repo_id, repository, about.removeprefix(repo_id).lstrip("/"))
        return self._answer(401, {}, {"X-Error-Code": "RepoNotFound"})

    def _repository(self, repo_id: str, repository: Repository, rest: str) -> None:
        if repository.gated:
            return self._answer(403, {}, {"X-Error-Code": "GatedRepo"})
        verb, _, tail = rest.partition("/")
        revision, _, name = tail.partition("/")
        if verb and revision not in ("main", repository.commit):
            return self._answer(404, {}, {"X-Error-Code": "RevisionNotFound"})
        if verb == "resolve":
            return self._file(repository, name)
        if verb == "tree":
            return self._answer(200, repository.files())
        siblings = [{"rfilename": file["path"], "size": file["size"]} for file in repository.files()]
        return self._answer(200, {"id": repo_id, "sha": repository.commit, "siblings": siblings})

    def _file(self, repository: Repository, name: str) -> None:
        path = repository.folder / name
        if self.command == "GET":
            self.hub.downloads.append(name)
        headers = {"ETag": f'"{etag(path)}"', "X-Repo-Commit": repository.commit}
        self._send(200, path.read_bytes(), headers | {"Content-Type": "application/octet-stream"})

    def _answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for header, text in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(header, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Hub]:
    """Serve on a free port and point huggingface_hub there, with an empty cache of downloads."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
