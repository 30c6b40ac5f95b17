"""One receipt of an agreement: what was agreed to, in which words, from when until when."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts import agreements
from accounts.flows.consents import text_of
from accounts.models import Consent, User
from foundation import clock
from foundation.pages import owner_read, signed_in


@owner_read
def receipt(request: HttpRequest, receipt: UUID) -> HttpResponse:
    """Show a receipt with the very words that were agreed to, as far as they are still the words in force."""
    found = get_object_or_404(Consent, public_id=receipt, user=signed_in(request, User))
    texts = [text_of(found.purpose, language) for language in agreements.TEXTS]
    context = {
        "receipt": found,
        "text": next((text for text in texts if text.sha256 == found.text_sha256), None),
        "now": clock.now(),
    }
    return render(request, "accounts/receipt.html", context)
