"""Our end of OpenADR 2.0b: what a VEN says to its server, and what it makes of the answers. Pull model, simple HTTP."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lxml import etree

from grid.operators.base import OperatorError, OperatorRefused, OperatorUnreadable
from grid.operators.openadr2b.messages import (
    Distribution,
    children,
    kind_of,
    read_distribution,
    read_length,
    said,
    text_at,
)
from grid.operators.openadr2b.reporting import ReportWanted, read_wanted
from grid.operators.openadr2b.saying import Answer, Registration
from grid.operators.openadr2b.wire import Exchange

REGISTER, EVENT, REPORT, OPT, POLL = "EiRegisterParty", "EiEvent", "EiReport", "EiOpt", "OadrPoll"
NOT_AUTHORISED = {"451", "463"}
LONGEST_POLL_SECONDS = 3600


class RegistrationLost(OperatorError):
    """The server does not know us any more, or asks us to register again. Nothing it asked is called off by that."""

    code = "not registered"


class Ven:
    """We, at one server. Every call raises OperatorError where the server gives nothing that can be used."""

    def __init__(self, exchange: Exchange, *, ven_name: str, ven_id: str, registration_id: str) -> None:
        self._exchange = exchange
        self._ven_name = ven_name
        self._ven_id = ven_id
        self._registration_id = registration_id

    @property
    def is_registered(self) -> bool:
        """Whether the server gave us our ids."""
        return bool(self._ven_id and self._registration_id)

    async def register(self) -> Registration:
        """Register, or register again under the ids we have."""
        asked = await self._ask(REGISTER, "oadrQueryRegistration", request_id=_new_id())
        if kind_of(asked) != "oadrCreatedPartyRegistration":
            raise OperatorUnreadable("it does not say how to register")
        message = await self._ask(
            REGISTER,
            "oadrCreatePartyRegistration",
            request_id=_new_id(),
            registration_id=self._registration_id or None,
            ven_id=self._ven_id or None,
            ven_name=self._ven_name,
            profile_name="2.0b",
            transport_name="simpleHttp",
            transport_address="",
            report_only=False,
            xml_signature=self._exchange.credentials.signs_messages,
            http_pull_model=True,
        )
        if message is None or kind_of(message) != "oadrCreatedPartyRegistration":
            raise OperatorUnreadable("a registration is not answered")
        ven_id, registration_id = text_at(message, "venID"), text_at(message, "registrationID")
        if not _is_name(ven_id) or not _is_name(registration_id):
            raise OperatorRefused("it does not register us")
        self._ven_id, self._registration_id = ven_id, registration_id
        return Registration(ven_id, registration_id, _poll_seconds(message))

    async def offer_reports(self, reports: Sequence[Mapping[str, Any]]) -> list[ReportWanted]:
        """Say which reports we can make, and return those that the server wants at once."""
        message = await self._ask(
            REPORT, "oadrRegisterReport", request_id=_new_id(), ven_id=self._ven_id, reports=list(reports)
        )
        if message is None or kind_of(message) != "oadrRegisteredReport":
            raise OperatorUnreadable("our reports are not registered")
        return self.wanted_in(message)

    def wanted_in(self, message: etree._Element) -> list[ReportWanted]:
        """Return the reports that a message asks for."""
        return [read_wanted(request) for request in children(message, "oadrReportRequest")]

    async def poll(self) -> etree._Element | None:
        """Return the server's next message to us, None where there is none."""
        message = await self._ask(POLL, "oadrPoll", ven_id=self._ven_id)
        return None if kind_of(message) == "oadrResponse" else message

    async def all_events(self) -> Distribution | None:
        """Return the complete list of our events; None where the server answers with anything but a list."""
        message = await self._ask(EVENT, "oadrRequestEvent", request_id=_new_id(), ven_id=self._ven_id)
        if message is None or kind_of(message) != "oadrDistributeEvent":
            return None
        return read_distribution(message)

    async def answer(self, answers: Sequence[Answer], *, request_id: str) -> None:
        """Answer events in one message. A server that no longer knows one of them is no fault of ours."""
        if answers:
            responses = [
                {
                    "response_code": answer.code,
                    "response_description": answer.reason or "OK",
                    "request_id": request_id,
                    "event_id": answer.event_id,
                    "modification_number": answer.revision,
                    "opt_type": answer.opt_type,
                }
                for answer in answers
            ]
            response = {"response_code": 200, "response_description": "OK", "request_id": request_id}
            await self._exchange.ask(
                EVENT, "oadrCreatedEvent", ven_id=self._ven_id, response=response, event_responses=responses
            )

    async def change_answer(self, answer: Answer, *, market_context: str, at: datetime) -> None:
        """Say that we decided otherwise; a server without the opt service is told by a second answer."""
        try:
            message = await self._exchange.ask(
                OPT,
                "oadrCreateOpt",
                request_id=_new_id(),
                opt_id=_new_id(),
                opt_type=answer.opt_type,
                opt_reason=answer.opt_reason,
                market_context=market_context,
                ven_id=self._ven_id,
                created_date_time=at,
                event_id=answer.event_id,
                modification_number=answer.revision,
                targets=[{"ven_id": self._ven_id}],
            )
        except OperatorUnreadable:
            message = None
        if message is None or kind_of(message) != "oadrCreatedOpt" or not said(message).is_ok:
            await self.answer([answer], request_id="")

    async def tell(self, report: Mapping[str, Any]) -> str:
        """Send a report; return the request that the server cancels with its thanks, "" for none."""
        message = await self._ask(
            REPORT, "oadrUpdateReport", request_id=_new_id(), ven_id=self._ven_id, reports=[dict(report)]
        )
        if message is None or kind_of(message) not in {"oadrUpdatedReport", "oadrResponse"}:
            raise OperatorUnreadable("a report is not acknowledged")
        return text_at(message, "oadrCancelReport/reportRequestID")

    async def reply(self, service: str, kind: str, to: etree._Element, *, code: int = 200, **payload: Any) -> None:
        """Acknowledge a message that the server sent us."""
        response = {
            "response_code": code,
            "response_description": "OK" if code == 200 else "ERROR",
            "request_id": text_at(to, "requestID"),
        }
        await self._exchange.ask(service, kind, ven_id=self._ven_id, response=response, **payload)

    async def _ask(self, service: str, kind: str, **payload: Any) -> etree._Element | None:
        message = await self._exchange.ask(service, kind, **payload)
        if message is None:
            return None
        if kind_of(message) == "oadrRequestReregistration" and service != POLL:
            raise RegistrationLost("it asks us to register again")
        verdict = said(message)
        if verdict.code in NOT_AUTHORISED:
            raise OperatorRefused(f"it answers {verdict.code[:8]}")
        if not verdict.is_ok:
            raise OperatorUnreadable(f"it answers {verdict.code[:8]}")
        return message


def _new_id() -> str:
    return str(uuid.uuid4())


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 128 and text.isprintable()


def _poll_seconds(message: etree._Element) -> int:
    text = text_at(message, "oadrRequestedOadrPollFreq/duration")
    return min(round(read_length(text).total_seconds()), LONGEST_POLL_SECONDS) if text else 0
