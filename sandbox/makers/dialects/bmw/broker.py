"""A Mosquitto of our own on loopback, over TLS, whose password file says who may listen to which account.

Knows no Django: the tests start one, too. One name has one password, so a newer one replaces the older; on SIGHUP the
broker reads the file again and drops every connection whose password is no longer in it.
"""

import base64
import ctypes
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from sandbox.makers.dialects.bmw.certificates import make_certificates

PUBLISHER = "maker"
ITERATIONS = 101  # Mosquitto's own default; these passwords are long random tokens
START_SECONDS = 30.0
READ_SECONDS = 10.0
STOP_SECONDS = 5.0
SIGNAL_SECONDS = 0.5  # a signal that comes while Mosquitto still reads for an earlier one is lost
# Mosquitto's own words: after the first it takes signals, and between the second and the next packet it has read anew.
_RUNNING, _READING = b" running\n", b"Reloading config."


class BrokerMissing(RuntimeError):
    """Mosquitto is not on this machine; the message says what to install."""


def hash_password(password: str) -> str:
    """Return the password as Mosquitto's password file keeps it (PBKDF2 with SHA-512)."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def find_mosquitto() -> str:
    """Return the broker's binary, which Debian keeps out of ordinary users' path; raises BrokerMissing."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
    if found is None:
        raise BrokerMissing("Mosquitto is missing: apt-get install mosquitto")
    return found


class Broker:
    """One broker in `folder` on a loopback port. The publisher may write every topic, a user read `<user>/+` alone."""

    def __init__(self, folder: Path, *, port: int) -> None:
        self.folder = folder
        self.port = port
        self.publisher_password = secrets.token_hex(16)
        self._publisher_hash = hash_password(self.publisher_password)
        self._process: subprocess.Popen[bytes] | None = None
        self._written = ""

    @property
    def ca_file(self) -> Path:
        """The authority that signed the broker's certificate."""
        return self.folder / "ca.pem"

    def start(self) -> None:
        """Start it and wait until it listens; raises BrokerMissing, or RuntimeError where it does not come up."""
        binary = find_mosquitto()
        make_certificates(self.folder)
        self._write_settings()
        self._write_passwords({})
        begun = self._logged()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the broker's binary with a file of our own
                [binary, "-c", str(self.folder / "broker.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - nothing else runs yet when a broker is started
            )
        self._wait_until_up(begun)

    def let_in(self, hashes: Mapping[str, str]) -> None:
        """Let just these users in, by name and password hash, and drop everybody else, before it returns.

        Raises RuntimeError where the broker reads nothing.
        """
        if self._write_passwords(hashes) and self._process is not None:
            before, deadline = self._logged(), time.monotonic() + READ_SECONDS
            while self.is_running():
                self._process.send_signal(signal.SIGHUP)
                if self._wait_for_word(_READING, before, seconds=SIGNAL_SECONDS):
                    return
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the broker did not read who may come in: see {self._log}")

    def is_running(self) -> bool:
        """Return whether the broker lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write_settings(self) -> None:
        folder = self.folder.resolve()
        user = pwd.getpwuid(os.getuid()).pw_name  # a broker of root's would become another user, who reads no files
        settings = [
            f"listener {self.port} 127.0.0.1",
            f"certfile {folder / 'broker.pem'}",
            f"keyfile {folder / 'broker.key'}",
            f"user {user}",
            "allow_anonymous false",
            f"password_file {folder / 'passwords'}",
            f"acl_file {folder / 'rights'}",
            "persistence false",
            "max_packet_size 262144",
            "log_dest stderr",
        ]
        (self.folder / "broker.conf").write_text("\n".join(settings) + "\n")
        rights = [f"user {PUBLISHER}", "topic readwrite #", "pattern read %u/+"]
        (self.folder / "rights").write_text("\n".join(rights) + "\n")
        (self.folder / "rights").chmod(0o600)

    def _write_passwords(self, hashes: Mapping[str, str]) -> bool:
        """Write the password file and return whether it changed."""
        users = {PUBLISHER: self._publisher_hash, **hashes}
        content = "".join(f"{name}:{value}\n" for name, value in sorted(users.items()))
        if content == self._written:
            return False
        draft = self.folder / "passwords.tmp"
        draft.touch(mode=0o600)
        draft.write_text(content)
        draft.replace(self.folder / "passwords")
        self._written = content
        return True

    def _wait_until_up(self, begun: int) -> None:
        if not self._wait_for_word(_RUNNING, begun, seconds=START_SECONDS):
            self.stop()
            raise RuntimeError(f"the broker did not start: see {self._log}")

    @property
    def _log(self) -> Path:
        return self.folder / "broker.log"

    def _logged(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def _wait_for_word(self, word: bytes, begun: int, *, seconds: float) -> bool:
        """Return whether the broker said so, after the first `begun` bytes of its log, before it ends or time is up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.is_running():
            with self._log.open("rb") as log:
                log.seek(begun)
                if word in log.read():
                    return True
            time.sleep(0.02)
        return False


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
