"""BMW's device code flow with PKCE: the code, the page on which an owner types it, the tokens with an id_token.

The statuses are BMW's: 403 while the owner has not decided or when they denied, 401 for a code that ran out.
"""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import jwt
from allauth.idp.oidc import app_settings
from allauth.idp.oidc.adapter import get_adapter
from allauth.idp.oidc.internal.oauthlib import device_codes
from allauth.idp.oidc.internal.oauthlib.request_validator import OAuthLibRequestValidator
from allauth.idp.oidc.internal.oauthlib.utils import extract_params
from allauth.idp.oidc.models import Client, Token
from django import forms
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST
from oauthlib.oauth2.rfc6749.errors import OAuth2Error  # type: ignore[import-untyped]
from oauthlib.oauth2.rfc8628.endpoints import DeviceApplicationServer  # type: ignore[import-untyped]

from sandbox.cars.models import Car
from sandbox.makers.dialects.bmw import pairing, stream
from sandbox.makers.dialects.bmw.broker import hash_password
from sandbox.makers.dialects.bmw.models import StreamKey, gcid_of
from sandbox.makers.grants import make_grant
from sandbox.makers.makers import MAKERS
from sandbox.makers.models import Maker
from sandbox.makers.oauth import TokenView, client_name
from sandbox.world import clock, config

STREAM_SCOPE = "cardata:streaming:read"
ID_TOKEN_LIFE = timedelta(hours=1)
STATUSES = {"authorization_pending": 403, "access_denied": 403, "expired_token": 401, "slow_down": 400}


@csrf_exempt
@require_POST
def give_device_code(request: HttpRequest, maker: str) -> HttpResponse:
    """Answer a client with a device code and the user code that belongs to it."""
    challenge, method = request.POST.get("code_challenge", ""), request.POST.get("code_challenge_method")
    if not 43 <= len(challenge) <= 128 or method != "S256" or request.POST.get("response_type") != "device_code":
        return _refuse("invalid_request", "response_type=device_code and PKCE with S256 are required", status=400)
    known = MAKERS[maker].scopes
    scopes = tuple(request.POST.get("scope", "").split()) or known
    if not set(scopes) <= set(known):
        return _refuse("invalid_scope", "unknown scope", status=400)
    page = f"{config.PUBLIC_URL}{reverse('bmw-device')}"
    server = DeviceApplicationServer(
        OAuthLibRequestValidator(),
        verification_uri=page,
        interval=app_settings.DEVICE_CODE_INTERVAL,
        user_code_generator=lambda: get_adapter().generate_user_code(),
    )
    server._expires_in = app_settings.DEVICE_CODE_EXPIRES_IN  # noqa: SLF001 - the constructor takes it not, as allauth found
    try:
        _, data, _ = server.create_device_authorization_response(*extract_params(request))
    except OAuth2Error as error:
        return _refuse(error.error, error.description or "", status=error.status_code)
    client_id = request.POST["client_id"]
    device_codes.create(client_id, list(scopes), data)
    pairing.begin(
        pairing.Pairing(
            device_code=data["device_code"],
            client_id=client_id,
            challenge=challenge,
            scopes=scopes,
            expires_at=clock.wall() + timedelta(seconds=data["expires_in"]),
        ),
        user_code=data["user_code"],
    )
    return JsonResponse(data)


def _refuse(word: str, why: str, *, status: int) -> JsonResponse:
    return JsonResponse({"error": word, "error_description": why}, status=status)


class CarsForm(forms.Form):
    """One checkbox a car of the account."""

    vehicles = forms.ModelMultipleChoiceField(
        queryset=Car.objects.none(),
        to_field_name="vehicle_id",
        widget=forms.CheckboxSelectMultiple,
        label="Cars",
        error_messages={"required": "Choose at least one car, or deny."},
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        """Offer the owner's cars."""
        super().__init__(*args, **kwargs)
        vehicles = self.fields["vehicles"]
        assert isinstance(vehicles, forms.ModelMultipleChoiceField)
        vehicles.queryset = Car.objects.filter(owner=owner, maker="bmw")


@require_http_methods(["GET", "POST"])
def show_device_page(request: HttpRequest, maker: str) -> HttpResponse:
    """Have the owner sign in, type the code, tick cars, and allow or deny."""
    owner: Any = request.user
    if not Car.objects.filter(owner_id=owner.pk, maker=maker).exists():
        logout(request)
        return redirect_to_login(request.get_full_path(), reverse("maker-sign-in", args=[maker]))
    user_code = request.GET.get("user_code", "").strip()
    found = pairing.find_open(user_code) if user_code else None
    context: dict[str, Any] = {"maker": Maker.objects.get(slug=maker), "user_code": user_code}
    if found is None:
        return render(request, "bmw/code.html", context)
    context["client"] = client_name(found.client_id)
    form = CarsForm(request.POST if request.POST.get("action") == "allow" else None, owner=owner)
    if request.POST.get("action") == "deny":
        pairing.decide(found, owner=owner, grant=None)
        return render(request, "bmw/decided.html", context)
    if form.is_valid():
        cars = list(form.cleaned_data["vehicles"])
        grant = make_grant(maker=context["maker"], owner=owner, client_id=found.client_id, cars=cars)
        unticked = set(MAKERS[maker].choices) - set(request.POST.getlist("scopes"))
        scopes = tuple(scope for scope in found.scopes if scope not in unticked)
        pairing.decide(found, owner=owner, grant=grant, scopes=scopes)
        return render(request, "bmw/decided.html", context | {"is_allowed": True})
    choices = [(scope, label) for scope, label in MAKERS[maker].choices.items() if scope in found.scopes]
    return render(request, "bmw/consent.html", context | {"form": form, "choices": choices})


class BmwTokenView(TokenView):
    """The token endpoint: PKCE for device codes, BMW's statuses, and an id_token with which the stream is opened."""

    def post(self, request: HttpRequest, maker: str) -> HttpResponse:
        """Answer one token request."""
        is_device = request.POST.get("grant_type") == Client.GrantType.DEVICE_CODE
        if is_device and (refusal := _check_pairing(request)) is not None:
            return refusal
        with transaction.atomic():
            answer = super().post(request, maker)
            body: dict[str, Any] = json.loads(answer.content or b"{}")
            if answer.status_code == 200:
                answer = JsonResponse(_with_identity(body), headers={"Cache-Control": "no-store"})
            elif is_device:
                answer = JsonResponse(body, status=STATUSES.get(str(body.get("error")), answer.status_code))
        return answer


def _check_pairing(request: HttpRequest) -> JsonResponse | None:
    """Return why a device code cannot be redeemed; None hands it on to allauth."""
    found = pairing.find(request.POST.get("device_code", ""))
    if found is None or found.client_id != request.POST.get("client_id"):
        return _refuse("invalid_request", "unknown device code", status=400)
    if found.is_expired():
        return _refuse("expired_token", "The code is expired", status=401)
    if not found.is_answered_by(request.POST.get("code_verifier", "")):
        return _refuse("invalid_request", "code_verifier does not fit", status=400)
    pairing.hand_over(found)
    return None


def _with_identity(body: dict[str, Any]) -> dict[str, Any]:
    """Return the token answer with the account's number and an id_token, which opens the stream if that was granted."""
    row = Token.objects.lookup(Token.Type.ACCESS_TOKEN, body["access_token"])
    assert row is not None
    assert row.user is not None
    owner, scopes = row.user, row.get_scopes()
    body |= {"gcid": gcid_of(owner), "scope": " ".join(scopes)}
    body.pop("id_token", None)  # allauth's own lives by another maker's clock
    if "openid" in scopes:
        expires_at = clock.wall() + ID_TOKEN_LIFE
        body["id_token"] = _write_id_token(owner, client_id=row.client_id, expires_at=expires_at)
        if STREAM_SCOPE in scopes:
            keep_stream_key(owner, client_id=row.client_id, id_token=body["id_token"], expires_at=expires_at)
    return body


def keep_stream_key(owner: User, *, client_id: str, id_token: str, expires_at: datetime) -> None:
    """Let the id_token open the account's stream from now on, instead of any earlier one."""
    StreamKey.objects.update_or_create(
        owner=owner,
        defaults={"client_id": client_id, "password_hash": hash_password(id_token), "expires_at": expires_at},
    )
    transaction.on_commit(stream.note_keys)


def _write_id_token(owner: User, *, client_id: str | None, expires_at: datetime) -> str:
    claims = {
        "iss": f"{config.PUBLIC_URL}/bmw",
        "sub": owner.username,
        "gcid": gcid_of(owner),
        "aud": client_id,
        "azp": client_id,
        "iat": clock.wall(),
        "exp": expires_at,
        "jti": uuid.uuid4().hex,
        "tokenName": "id_token",
    }
    return jwt.encode(claims, get_adapter().get_signing_key().pem, algorithm="RS256")
