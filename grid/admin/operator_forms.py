"""Forms of utilities' servers in the admin: what each protocol needs, checked; secrets are typed and never shown."""

from typing import Any

from django import forms

from foundation import clock
from grid.admin.bases import AnyModelForm
from grid.models import OperatorLink, OperatorProgram
from grid.operators.openadr2b.certificates import Credentials, faults, is_safe_address

MOST_SHARE_PERCENT = 100
KEPT = ("client_secret", "push_token", "private_key")
ONLY_3 = ("token_url", "oauth_id", "client_secret", "push_token")
ONLY_2 = ("certificate", "private_key", "authorities", "fingerprint", "signs_messages")


def _secret() -> forms.CharField:
    return forms.CharField(
        required=False, widget=forms.PasswordInput(render_value=False), help_text="Empty: as it was."
    )


class OperatorLinkForm(AnyModelForm):
    """Secrets are typed and never shown again; what a protocol does not know must stay empty."""

    api_base = forms.URLField(
        max_length=300,
        assume_scheme="https",
        label="address",
        help_text="OpenADR 3: its API base. OpenADR 2.0b: up to and with /OpenADR2/Simple/2.0b.",
    )
    token_url = forms.URLField(
        max_length=300, required=False, assume_scheme="https", help_text="Empty: the server's own /auth/token."
    )
    client_secret = _secret()
    push_token = _secret()
    private_key = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off"}),
        help_text="OpenADR 2.0b: the certificate's key, PEM, no password. Never shown again; empty: as it was.",
    )

    class Meta:
        model = OperatorLink
        fields = [
            "utility",
            "protocol",
            "api_base",
            "token_url",
            "oauth_id",
            "client_secret",
            "ven_name",
            "push_token",
            *ONLY_2,
            "poll_seconds",
            "is_active",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["private_key"] = ""  # what is shown in a text area would travel to the browser

    def clean_poll_seconds(self) -> int:
        """Refuse what would hammer the server or make us deaf."""
        seconds = int(self.cleaned_data["poll_seconds"])
        if not 10 <= seconds <= 3600:
            raise forms.ValidationError("Ask every 10 seconds to every hour.")
        return seconds

    def clean_fingerprint(self) -> str:
        """Take it in small letters too."""
        return str(self.cleaned_data["fingerprint"]).strip().upper()

    def clean(self) -> dict[str, Any]:
        """Keep old secrets where none is typed, and check what the protocol needs."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name in KEPT:
            data[name] = str(data.get(name) or "") or str(getattr(self.instance, name))
        if data.get("protocol") == OperatorLink.Protocol.OPENADR_2_0B:
            self._check_2(data)
        else:
            self._check_3(data)
        return data

    def _check_2(self, data: dict[str, Any]) -> None:
        for name in ONLY_3:
            if data.get(name):
                self.add_error(name, "OpenADR 2.0b does not use this: leave it empty.")
        if data.get("api_base") and not is_safe_address(data["api_base"]):
            self.add_error("api_base", "Certificates and events travel by HTTPS only.")
        credentials = Credentials(
            **{name: data.get(name) or "" for name in ONLY_2[:-1]}, signs_messages=data["signs_messages"]
        )
        for name, fault in faults(credentials, at=clock.wall()).items():
            self.add_error(name, fault)

    def _check_3(self, data: dict[str, Any]) -> None:
        for name in ONLY_2:
            if data.get(name):
                self.add_error(name, "OpenADR 3 does not use this: leave it empty.")
        if not data.get("oauth_id"):
            self.add_error("oauth_id", "OpenADR 3 needs the client id that the utility gives.")
        if not data.get("client_secret"):
            self.add_error("client_secret", "The utility gives one with the client id.")


class OperatorProgramForm(AnyModelForm):
    """The words agreed with the utility, checked."""

    class Meta:
        model = OperatorProgram
        fields = [
            "remote_id",
            "program",
            "export_is_negative",
            "setpoint_is_relative",
            "simple_shares_percent",
            "state_of_charge_is_ratio",
            "usage_may_be_negative",
            "tells_nominations",
            "targets",
        ]

    def clean_targets(self) -> list[str]:
        """Refuse what is no list of names."""
        targets = self.cleaned_data["targets"] or []
        if not isinstance(targets, list) or not all(isinstance(name, str) and 0 < len(name) <= 128 for name in targets):
            raise forms.ValidationError('Give names as the utility writes them, such as ["evs-austin"].')
        return list(targets)

    def clean_simple_shares_percent(self) -> dict[str, float]:
        """Refuse levels and shares that SIMPLE does not have."""
        shares = self.cleaned_data["simple_shares_percent"] or {}
        is_table = isinstance(shares, dict) and set(shares) <= {"1", "2", "3"}
        if not is_table or not all(
            isinstance(share, int | float) and 0 < share <= MOST_SHARE_PERCENT for share in shares.values()
        ):
            raise forms.ValidationError('Give shares of the levels 1, 2 and 3 in percent, such as {"1": 33}.')
        return dict(shares)
