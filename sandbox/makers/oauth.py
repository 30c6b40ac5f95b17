"""The automaker's OAuth2 endpoints on allauth's server: authorization code with PKCE S256, rotation, revocation.

allauth and oauthlib decide what is valid; here stand the maker's own ways: the consent for single cars, the faults,
and that a revoked token takes its whole grant along.
"""

from typing import Any

from allauth.core.internal.httpkit import add_query_params
from allauth.idp.oidc import views as idp
from allauth.idp.oidc.models import Client, Token
from django.contrib.auth import logout
from django.contrib.auth.views import LoginView, redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from sandbox.makers.forms import ConsentForm
from sandbox.makers.grants import accounts_at, grant_behind, make_grant, revoke_grant, shareable
from sandbox.makers.makers import MAKERS
from sandbox.makers.models import Maker
from sandbox.makers.tokens import dress

TOKEN_TYPES = (Token.Type.ACCESS_TOKEN, Token.Type.REFRESH_TOKEN)


class SignInView(LoginView):
    """The maker's own sign-in page."""

    template_name = "makers/sign_in.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Name the maker."""
        maker = Maker.objects.get(slug=self.kwargs["maker"])
        accounts = accounts_at(maker.slug)
        return super().get_context_data(**kwargs) | {"maker": maker, "accounts": accounts}


@require_POST
def sign_out(request: HttpRequest, maker: str) -> HttpResponse:
    """Sign the maker account out and go on to `next`, which asks for another one."""
    target = request.POST.get("next", "")
    logout(request)
    if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        return HttpResponseRedirect(target)
    return redirect("maker", maker=maker)


class AuthorizeView(idp.AuthorizationView):
    """The consent page: Allow for the checked cars, or Deny."""

    form_class = ConsentForm
    template_name = "makers/consent.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Have the owner sign in with an account of this maker; one of another maker will not do."""
        if not shareable(request.user.pk, kwargs["maker"]).exists():
            logout(request)
            return redirect_to_login(request.get_full_path(), reverse("maker-sign-in", args=[kwargs["maker"]]))
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the consent page, after sign-in; a request without PKCE S256 goes back refused."""
        answer: HttpResponse = super().get(request, *args, **kwargs)
        wanted = getattr(self, "_request_info", None)  # set once allauth found client and redirect_uri valid
        if wanted is None or wanted.get("code_challenge_method") == "S256":
            return answer
        refusal = {"error": "invalid_request", "error_description": "PKCE with S256 is required."}
        if wanted.get("state"):
            refusal["state"] = wanted["state"]
        answer = HttpResponse(status=302)
        answer["Location"] = add_query_params(wanted["redirect_uri"], refusal)
        return answer

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Take the decision; allauth's word for Allow is `grant`."""
        if "request" not in request.POST:
            return HttpResponse("Start at the page that sent you here.", status=400, content_type="text/plain")
        if request.POST.get("action") == "allow":
            decision: QueryDict = request.POST.copy()
            decision["action"] = "grant"
            request.POST = decision  # type: ignore[assignment]  # read-only by type alone
        answer: HttpResponse = super().post(request, *args, **kwargs)
        return answer

    def get_form_kwargs(self) -> dict[str, Any]:
        """Tell the form whose cars to offer."""
        kwargs: dict[str, Any] = super().get_form_kwargs()
        return kwargs | {"maker": self.kwargs["maker"]}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Name client and maker."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"maker": Maker.objects.get(slug=self.kwargs["maker"])}

    def form_valid(self, form: ConsentForm) -> HttpResponse:
        """Note the grant and hand out a code whose tokens will carry it."""
        grant = make_grant(
            maker=Maker.objects.get(slug=self.kwargs["maker"]),
            owner=self.request.user,
            client_id=self._request_info["client_id"],
            cars=list(form.cleaned_data["vehicles"]),
        )
        self._request_info["resources"] = [grant.uri]
        answer: HttpResponse = super().form_valid(form)
        return answer


class TokenView(idp.TokenView):
    """The token endpoint; one exchange at a time, so that a code or refresh token never counts twice."""

    def post(self, request: HttpRequest, maker: str) -> HttpResponse:
        """Answer one token request, unless the endpoint is down."""
        if Maker.objects.get(slug=maker).is_token_endpoint_down:
            return JsonResponse({"error": "temporarily_unavailable"}, status=503)
        with transaction.atomic():
            return dress(super().post(request), MAKERS[maker], grant_type=request.POST.get("grant_type", ""))


class RevokeView(idp.RevokeView):
    """The revocation endpoint: a revoked token ends the grant it came from."""

    def post(self, request: HttpRequest, maker: str) -> HttpResponse:
        """Revoke as RFC 7009 says; unknown tokens are answered alike."""
        grant = grant_behind(request.POST.get("token", ""), types=TOKEN_TYPES)
        answer: HttpResponse = super().post(request)
        if answer.status_code == 200 and grant is not None and grant.maker.slug == maker:
            revoke_grant(grant)
        return answer


def client_name(client_id: str) -> str:
    """Return the name the owner knows the client by."""
    client = Client.objects.filter(id=client_id).first()
    return client_id if client is None else str(client.name)
