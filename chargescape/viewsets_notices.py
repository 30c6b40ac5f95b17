"""Notices under /api/v1/ with what one call can do from them, which takes flows of every room."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.flows.acting import click_on
from accounts.notice_actions import CHARGE_NOW, OPT_OUT, STOP_EMAIL
from accounts.serializers_notices import NoticeSerializer
from accounts.viewsets_notices import NoticeViewSet
from chargescape.acting import act
from foundation import clock


class ActSerializer(serializers.Serializer[object]):
    """What shall be done. Linking again goes by the cars' own calls."""

    action = serializers.ChoiceField(choices=[(name, name) for name in (OPT_OUT, CHARGE_NOW, STOP_EMAIL)])


class ActingNoticeViewSet(NoticeViewSet):
    """What the signed-in user was told, newest first, and what can be done about it."""

    @extend_schema(request=ActSerializer, responses=NoticeSerializer)
    @action(detail=True, methods=["post"])
    def act(self, request: Request, public_id: str) -> Response:
        """Do what the notice offers, once: leave its event out, charge now, or stop e-mails of its kind."""
        notice = self.get_object()
        body = ActSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        act(click=click_on(notice, body.validated_data["action"]), now=clock.now())
        notice.refresh_from_db()
        return Response(NoticeSerializer(notice).data)


ROUTES: list[tuple[str, type, str]] = [("notices", ActingNoticeViewSet, "notice")]
