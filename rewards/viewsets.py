"""The money under /api/v1/: balances, statement, payouts, payout accounts."""

from typing import Any, ClassVar, cast

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.models import User
from foundation import clock
from rewards.flows import onboarding, payouts
from rewards.flows.pauses import PAUSED, current_pause
from rewards.flows.statements import all_totals, owner_transfers, statement_lines
from rewards.flows.taxes import tax_meters
from rewards.models import Earning, Payout, PayoutAccount, Transfer
from rewards.serializers import (
    BalanceSerializer,
    EarningDetailSerializer,
    EarningSerializer,
    OnboardingLinkSerializer,
    PauseSerializer,
    PayNowSerializer,
    PayoutAccountSerializer,
    PayoutSerializer,
    PayoutSettingsSerializer,
    StatementLineSerializer,
    TaxMeterSerializer,
)
from rewards.stamps import BALANCES


class BalanceViewSet(viewsets.ViewSet):
    """The signed-in owner's money, one entry a currency."""

    stamps: ClassVar = {"list": BALANCES}

    @extend_schema(responses=BalanceSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Return available, pending, paid and earned money."""
        owner = cast(User, request.user)
        return Response(BalanceSerializer(all_totals(owner), many=True).data)


class StatementViewSet(viewsets.GenericViewSet[Transfer]):
    """The signed-in owner's lines, newest first."""

    serializer_class = StatementLineSerializer
    queryset = Transfer.objects.none()
    filter_backends = ()

    def get_queryset(self) -> QuerySet[Transfer]:
        return owner_transfers(cast(User, self.request.user))

    @extend_schema(responses=StatementLineSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Return what came in and what left, each with the balance after it."""
        page = self.paginate_queryset(self.get_queryset()) or []
        lines = statement_lines(cast(User, request.user), page)
        return self.get_paginated_response(StatementLineSerializer(lines, many=True).data)


class EarningViewSet(viewsets.ReadOnlyModelViewSet[Earning]):
    """What the signed-in owner earned besides the rate per kWh, newest first; one opens to its whole sum."""

    serializer_class = EarningSerializer
    lookup_field = "public_id"
    queryset = Earning.objects.none()

    def get_queryset(self) -> QuerySet[Earning]:
        return Earning.objects.filter(owner=cast(User, self.request.user)).select_related("terms")

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return EarningDetailSerializer if self.action == "retrieve" else EarningSerializer


class TaxViewSet(viewsets.ViewSet):
    """What the signed-in owner was paid this calendar year."""

    @extend_schema(responses=TaxMeterSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Return the year's total and threshold, one entry a currency. Information, not tax advice."""
        meters = tax_meters(cast(User, request.user), now=clock.now())
        return Response(TaxMeterSerializer(meters, many=True).data)


class PayoutViewSet(viewsets.ReadOnlyModelViewSet[Payout]):
    """The signed-in owner's payouts, newest first."""

    serializer_class = PayoutSerializer
    lookup_field = "public_id"
    queryset = Payout.objects.none()

    def get_queryset(self) -> QuerySet[Payout]:
        return Payout.objects.filter(account__owner=cast(User, self.request.user)).select_related("account")

    @extend_schema(responses=PauseSerializer, filters=False)
    @action(detail=False, pagination_class=None)
    def pause(self, request: Request) -> Response:
        """Say whether all payouts are paused, why, and what happens next."""
        found = current_pause()
        body = {"is_paused": found is not None, "since": found and found.paused_at, "detail": PAUSED if found else ""}
        return Response(PauseSerializer(body).data)

    @extend_schema(request=PayNowSerializer, responses={201: PayoutSerializer})
    @action(detail=False, methods=["post"], url_path="pay-now")
    def pay_now(self, request: Request) -> Response:
        """Pay out everything available now, without waiting for threshold or payday."""
        owner = cast(User, request.user)
        body = PayNowSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        currency = body.validated_data.get("currency", owner.currency)
        payout = payouts.pay_now(owner=owner, currency=currency, now=clock.now())
        return Response(PayoutSerializer(payout).data, status=status.HTTP_201_CREATED)


class PayoutAccountViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[PayoutAccount]):
    """Where the signed-in owner is paid."""

    serializer_class = PayoutAccountSerializer
    lookup_field = "public_id"
    queryset = PayoutAccount.objects.none()

    def get_queryset(self) -> QuerySet[PayoutAccount]:
        return PayoutAccount.objects.filter(owner=cast(User, self.request.user))

    def lock_for_write(self) -> None:
        """Lock the account, for a write that may only follow what was read."""
        PayoutAccount.objects.filter(pk=self.get_object().pk).select_for_update().first()

    @extend_schema(request=PayoutSettingsSerializer, responses=PayoutAccountSerializer)
    def partial_update(self, request: Request, public_id: str) -> Response:
        """Choose threshold and rhythm, or pause and resume scheduled payouts."""
        body = PayoutSettingsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        account = onboarding.save_payout_settings(account=self.get_object(), now=clock.now(), **body.validated_data)
        return Response(PayoutAccountSerializer(account).data)

    @extend_schema(request=None, responses={201: OnboardingLinkSerializer})
    @action(detail=False, methods=["post"], url_path="onboarding-link")
    def onboarding_link(self, request: Request) -> Response:
        """Make a single-use page of the payment processor where the owner says who they are and which bank they use."""
        url = onboarding.begin_onboarding(
            owner=cast(User, request.user),
            return_url=f"{settings.PUBLIC_URL}/payouts/return/",
            refresh_url=f"{settings.PUBLIC_URL}/payouts/",
            now=clock.now(),
        )
        return Response({"url": url}, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=PayoutAccountSerializer)
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, public_id: str) -> Response:
        """Ask the payment processor how the account stands."""
        account = onboarding.refresh_account(account=self.get_object(), now=clock.now())
        return Response(PayoutAccountSerializer(account).data)


ROUTES: list[tuple[str, type, str]] = [
    ("balances", BalanceViewSet, "balance"),
    ("statement", StatementViewSet, "statement"),
    ("earnings", EarningViewSet, "earning"),
    ("taxes", TaxViewSet, "tax"),
    ("payouts", PayoutViewSet, "payout"),
    ("payout-accounts", PayoutAccountViewSet, "payout-account"),
]
