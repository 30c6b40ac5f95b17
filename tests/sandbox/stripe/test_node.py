"""Stripe's SDK for Node, written by others for the real thing, drives the stand-in unchanged."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.stripe.conftest import PretendStripe, submit_onboarding
from tests.sandbox_process import STRIPE_KEY

pytestmark = pytest.mark.slow

SDK = "stripe@23.1.0"
CLIENT = Path(__file__).parent / "node_client.mjs"


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SDK in it, fetched by npm; skips where that is not possible."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not on this machine")
    folder = tmp_path_factory.mktemp("node")
    fetch = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", SDK]
    try:
        done = subprocess.run(fetch, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry did not answer within 90 seconds")
    if done.returncode:
        pytest.skip(f"npm could not fetch {SDK}: {done.stderr.strip()[-200:]}")
    shutil.copy(CLIENT, folder / CLIENT.name)
    return folder


def drive(folder: Path, pretend: PretendStripe, *arguments: str) -> Any:
    """Run one step of the client and return what it saw."""
    command = ["node", CLIENT.name, f"{pretend.process.url}/stripe", STRIPE_KEY, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_node_opens_an_account_and_pays_it_once(node_folder: Path, pretend: PretendStripe) -> None:
    opened = drive(node_folder, pretend, "open")
    assert submit_onboarding(opened["url"], action="finish").status_code == 302
    seen = drive(node_folder, pretend, "pay", opened["account"])
    assert seen["first"] == seen["replay"], "the same key is carried out once"
    assert seen["mismatch"] == "StripeIdempotencyError"
    assert seen["missing"] == "StripeInvalidRequestError 404"
    assert seen["found"] == [seen["first"]]
    assert seen["moved"] == [-250]
    assert seen["payouts"] in ([], [250])


def test_node_retries_a_cut_connection_without_paying_twice(node_folder: Path, pretend: PretendStripe) -> None:
    opened = drive(node_folder, pretend, "open")
    submit_onboarding(opened["url"], action="finish")
    pretend.fault("cut", operation="transfers.create", count=1)
    seen = drive(node_folder, pretend, "pay", opened["account"])
    assert seen["found"] == [seen["first"]] == [seen["replay"]]
