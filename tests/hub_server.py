"""A small Hub on this machine: what `huggingface_hub` asks of the real one to push and to load models, in memory.

```python
>>> with Hub() as hub:
...     environment = {"HF_ENDPOINT": hub.url, "HF_TOKEN": WRITER, "HF_HUB_DISABLE_XET": "1"}
```
"""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

WRITER, READER = "hf_writer", "hf_reader"
USER = "user"


@dataclass
class Repo:
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # id -> files
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes], message: str) -> str:
        text = repr(
            (message, len(self.commits), sorted((name, hashlib.sha1(data).digest()) for name, data in files.items()))
        )
        oid = hashlib.sha1(text.encode()).hexdigest()
        self.commits[oid], self.branches[branch] = files, oid
        self.messages.append(message)
        return oid


class Hub(ThreadingHTTPServer):
    """The server, running within `with`.

    Attributes:
        repos: by id.
        blobs: large files by SHA-256, be they committed or not.
        log: method and path of each request.
        refuse: (method, pattern of the path) -> status, for requests that shall fail.
        hold: a pattern; a request that matches is held until the server ends, and `held` is set.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.log: list[str] = []
        self.refuse: dict[tuple[str, str], int] = {}
        self.hold, self.held, self._over = "", threading.Event(), threading.Event()

    def __enter__(self) -> "Hub":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self.shutdown()
        self.server_close()

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        repo = self.repos[repo_id]
        return repo.commits[repo.branches.get(revision, revision)]

    def make(self, repo_id: str, private: bool = False) -> Repo:
        repo = self.repos[repo_id] = Repo(private)
        repo.commit(
            "main", {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}, "initial commit"
        )
        return repo

    def handle_error(self, request, client_address) -> None:
        """A client that went away in the middle is what some tests are about."""


class _Failure(Exception):
    def __init__(self, status: int, message: str, code: str = "", **more: str):
        super().__init__(message)
        self.status, self.code, self.more = status, code, more


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_POST(self) -> None:
        self._answer()

    do_GET = do_HEAD = do_PUT = do_POST

    def _answer(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        length = int(self.headers.get("Content-Length") or 0)
        if self.server.hold and re.search(self.server.hold, path):
            self.server.held.set()
            self.server._over.wait()
        body = self.rfile.read(length)
        self.server.log.append(f"{self.command} {path}")
        try:
            for (method, pattern), status in self.server.refuse.items():
                if method == self.command and re.search(pattern, path):
                    raise _Failure(status, "refused by the test")
            found = self._route(path, parse_qs(url.query), body)
        except _Failure as failure:
            headers = {"X-Error-Message": str(failure)} | ({"X-Error-Code": failure.code} if failure.code else {})
            self._send(failure.status, json.dumps({"error": str(failure), **failure.more}).encode(), headers)
            return
        data, headers = found if isinstance(found, tuple) else (json.dumps(found).encode(), {})
        self._send(200, data, headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # -------------------------------------------------------------------------------------------------- who and what

    def _may_write(self, repo_id: str) -> None:
        token = self._token()
        if token is None:
            raise _Failure(401, "Invalid username or password.")
        if token != WRITER or not repo_id.startswith(f"{USER}/"):
            raise _Failure(403, f"You don't have the rights to write to {repo_id}")

    def _token(self) -> str | None:
        token = self.headers.get("authorization", "").removeprefix("Bearer ") or None
        if token not in (None, WRITER, READER):
            raise _Failure(401, "Invalid credentials in Authorization header")
        return token

    def _repo(self, repo_id: str) -> Repo:
        repo = self.server.repos.get(repo_id)
        if repo is None or repo.private and self._token() is None:
            raise _Failure(404 if self._token() else 401, "Repository not found", "RepoNotFound")
        return repo

    def _files(self, repo: Repo, revision: str) -> tuple[str, dict[str, bytes]]:
        oid = repo.branches.get(revision, revision)
        if oid not in repo.commits:
            raise _Failure(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid, repo.commits[oid]

    # -------------------------------------------------------------------------------------------------------- routes

    def _route(self, path: str, query: dict[str, list[str]], body: bytes):
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if match := re.fullmatch(r"/lfs/(\w{64})", path):
            if hashlib.sha256(body).hexdigest() != match[1]:
                raise _Failure(400, "the content is not what its SHA-256 says")
            self.server.blobs[match[1]] = body
            return {}
        if match := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            self._may_write(match[1])
            return {"transfer": "basic", "objects": [self._batch(one) for one in json.loads(body)["objects"]]}
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._resolve(*match.groups())
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(\w+)/([^/]+)(?:/(.+))?)?", path)
        if match is None:
            raise _Failure(404, f"this Hub knows no {self.command} {path}")
        repo_id, what, revision, inside = match.groups()
        if what in ("preupload", "commit", "branch"):
            self._may_write(repo_id)
        repo = self._repo(repo_id)
        if what == "branch":
            if revision in repo.branches:
                raise _Failure(409, f"Reference already exists: {revision}")
            repo.branches[revision] = repo.branches["main"]
            return {}
        oid, files = self._files(repo, revision or "main")
        if what in (None, "revision"):
            siblings = [{"rfilename": name} for name in files]
            return {"id": repo_id, "modelId": repo_id, "sha": oid, "private": repo.private, "siblings": siblings}
        if what == "tree":
            return self._tree(files, inside, "recursive" in query and query["recursive"][0].lower() in ("true", "1"))
        if what == "preupload":
            return {"files": [self._preupload(files, one) for one in json.loads(body)["files"]]}
        if what == "commit":
            return self._commit(repo_id, repo, revision, files, [json.loads(line) for line in body.splitlines()])
        raise _Failure(404, f"this Hub knows no {what}")

    def _create(self, asked: dict):
        repo_id = f"{asked.get('organization') or USER}/{asked['name']}"
        self._may_write(repo_id)
        url = f"{self.server.url}/{repo_id}"
        if repo_id in self.server.repos:
            raise _Failure(409, "You already created this model repo", url=url)
        self.server.make(repo_id, asked.get("private") is True or asked.get("visibility") == "private")
        return {"url": url, "name": repo_id}

    def _validate(self, content: str):
        match = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
        found = yaml.safe_load(match[1]) if match else None
        for name in ("license", "base_model", "pipeline_tag", "library_name"):
            if found and not isinstance(found.get(name, ""), str):
                raise _Failure(400, f'"{name}" must be a string')
        return {
            "errors": [],
            "warnings": [] if found else [{"message": "empty or missing yaml metadata in repo card"}],
        }

    def _preupload(self, files: dict[str, bytes], asked: dict):
        name = asked["path"]
        large = name.endswith((".safetensors", ".png")) or asked["size"] > 10_000_000
        oid = _oid(files[name], large) if name in files else None
        return {"path": name, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}

    def _batch(self, asked: dict):
        if asked["oid"] in self.server.blobs:
            return asked
        return {**asked, "actions": {"upload": {"href": f"{self.server.url}/lfs/{asked['oid']}", "header": {}}}}

    def _commit(self, repo_id: str, repo: Repo, branch: str, before: dict[str, bytes], lines: list[dict]):
        files = dict(before)
        for key, value in ((line["key"], line["value"]) for line in lines[1:]):
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if value["oid"] not in self.server.blobs:
                    raise _Failure(400, f"{value['path']} was not uploaded")
                files[value["path"]] = self.server.blobs[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        oid = repo.commit(branch, files, lines[0]["value"]["summary"])
        return {"commitUrl": f"{self.server.url}/{repo_id}/commit/{oid}", "commitOid": oid, "pullRequestUrl": None}

    def _tree(self, files: dict[str, bytes], inside: str | None, recursive: bool):
        prefix = f"{inside}/" if inside else ""
        below = {name: data for name, data in files.items() if name.startswith(prefix)}
        if inside and not below:
            raise _Failure(404, f"{inside} does not exist", "EntryNotFound")
        found: dict[str, dict] = {}
        for name, data in below.items():
            folder, slash, _ = name.removeprefix(prefix).partition("/")
            if slash:
                found[prefix + folder] = {"type": "directory", "path": prefix + folder, "oid": "0" * 40, "size": 0}
            if recursive or not slash:
                found[name] = {"type": "file", "path": name, "oid": _oid(data, False), "size": len(data)}
        return list(found.values())

    def _resolve(self, repo_id: str, revision: str, name: str):
        oid, files = self._files(self._repo(repo_id), revision)
        if name not in files:
            raise _Failure(404, f"{name} does not exist", "EntryNotFound")
        data = files[name]
        tag = _oid(data, hashlib.sha256(data).hexdigest() in self.server.blobs)
        return data, {"X-Repo-Commit": oid, "ETag": f'"{tag}"', "X-Linked-Size": str(len(data))}


def _oid(data: bytes, large: bool) -> str:
    """Git's id of a blob; of a large file its SHA-256."""
    if large:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
