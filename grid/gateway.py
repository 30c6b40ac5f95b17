"""Feed rows become adapters here, with the session and the settings' credentials in hand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from django.conf import settings

from foundation.http import open_session
from grid.feeds.base import FeedError, FeedSource
from grid.feeds.openei import OpenEiTariffs
from grid.feeds.registry import SOURCES
from grid.models import Feed, OperatorLink, OperatorProgram
from grid.operators.base import Asked
from grid.operators.openadr2b import asking as openadr2b
from grid.operators.openadr3 import asking as openadr3
from grid.operators.openadr3.client import VtnClient
from grid.operators.openadr3.messages import read_event


class FeedUnknown(FeedError):
    """No adapter or no settings for this source."""

    code = "unknown source"


def open_feed(feed: Feed) -> FeedSource:
    """Return the adapter of the feed's source; raises FeedUnknown."""
    adapter, options = SOURCES.get(feed.source), settings.FEEDS.get(feed.source)
    if adapter is None or options is None:
        raise FeedUnknown(f"no adapter for {feed.source}")
    return cast(FeedSource, adapter(session=open_session(), **options))


def open_tariffs() -> OpenEiTariffs:
    """Return the door to OpenEI's tariffs."""
    return OpenEiTariffs(session=open_session(), **settings.FEEDS["openei"])


def open_operator(link: OperatorLink) -> VtnClient:
    """Return the client of a utility's server."""
    return VtnClient(
        session=open_session(),
        api_base=link.api_base,
        version=link.version,
        client_id=link.oauth_id,
        client_secret=link.client_secret,
        token_url=link.token_url,
    )


def read_record(record: Mapping[str, Any], *, program: OperatorProgram, enrolled_w: int, now: datetime) -> Asked:
    """Return what one event asks, read as the program's server speaks; raises OperatorUnreadable."""
    if program.link.protocol == OperatorLink.Protocol.OPENADR_2_0B:
        return openadr2b.read_asked(record, words=program.words, enrolled_w=enrolled_w, now=now)
    return openadr3.read_asked(read_event(record, now=now), words=program.words, enrolled_w=enrolled_w)
