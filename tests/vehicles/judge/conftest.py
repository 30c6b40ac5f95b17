"""npm's `oidc-provider`, certified by the OpenID Foundation and written by others, as judge of our OAuth client."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from journey.stack import free_port

PACKAGE = "oidc-provider@9.13.3"
SCRIPT = Path(__file__).with_name("provider.mjs")
REDIRECT_URI = "http://localhost:8000/cars/link/callback/honda/"
_FORM = re.compile(r'<form[^>]*action="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
_FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


@dataclass(frozen=True)
class Judge:
    """The running server."""

    url: str

    def counts(self) -> dict[str, int]:
        """Return how often the token endpoint granted by each grant type, and refused by each error."""
        found: dict[str, int] = requests.get(f"{self.url}/judge/counts", timeout=30).json()
        return found

    def accepts(self, access_token: str) -> bool:
        """Say whether the server takes the access token."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return requests.get(f"{self.url}/me", headers=headers, timeout=30).status_code == 200


@pytest.fixture(scope="session")
def package() -> Path:
    """The folder with the server's code, fetched by npm once; skips where that is not possible."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not on this machine")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "chargescape" / PACKAGE.replace("@", "-")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / "oidc-provider" / "package.json").exists():
        fetch = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
        try:
            done = subprocess.run(fetch, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("npm's registry did not answer within 90 seconds")
        if done.returncode:
            pytest.skip(f"npm could not fetch {PACKAGE}: {done.stderr.strip()[-200:]}")
    shutil.copy(SCRIPT, folder / SCRIPT.name)
    return folder


@pytest.fixture(scope="session")
def judge(package: Path) -> Iterator[Judge]:
    """The server on a free loopback port."""
    port = free_port()
    command = ["node", SCRIPT.name, str(port), REDIRECT_URI]
    with (package / "judge.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=package, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_until_up(f"http://localhost:{port}", process)
            yield Judge(f"http://localhost:{port}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{url}/judge/counts", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise RuntimeError("oidc-provider did not start")


class Owner:
    """An owner's browser at the judge: signs in, confirms what it is asked, consents or aborts."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False

    def walk(self, url: str, *, stop_at: str = "", aborts: bool = False) -> str:
        """Follow pages and forms from `url`; returns the address that begins with `stop_at`, or the last page."""
        reply = self.session.get(url, allow_redirects=False, timeout=30)
        has_aborted = False
        for _ in range(20):
            if reply.is_redirect:
                target = urljoin(reply.url, reply.headers["Location"])
                if stop_at and target.startswith(stop_at):
                    return target
                reply = self.session.get(target, allow_redirects=False, timeout=30)
                continue
            if aborts and (link := re.search(r'href="([^"]+/abort)"', reply.text)):
                reply = self.session.get(urljoin(reply.url, link[1]), allow_redirects=False, timeout=30)
                has_aborted = True
                continue
            form = _FORM.search(reply.text)
            if form is None or has_aborted:
                return reply.text
            fields: dict[str, Any] = {name: unescape(value) for name, value in _FIELD.findall(form[2])}
            if 'name="login"' in form[2]:
                fields |= {"login": "alice", "password": "whatever"}
            target = urljoin(reply.url, unescape(form[1]))
            reply = self.session.post(target, data=fields, allow_redirects=False, timeout=30)
        raise AssertionError("the pages never ended")

    def allow(self, url: str, *, aborts: bool = False) -> dict[str, str]:
        """Walk an authorisation to its end; returns what comes back to us."""
        back = self.walk(url, stop_at=REDIRECT_URI, aborts=aborts)
        return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
