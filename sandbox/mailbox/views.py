from datetime import UTC, datetime

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET

from sandbox.mailbox.models import Message

PAGE_SIZE = 100


@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """Show the newest mail, of one address where `?to=` names it."""
    address = request.GET.get("to", "").strip()
    messages = Message.objects.filter(to__iexact=address) if address else Message.objects.all()
    addresses = Message.objects.order_by("to").values_list("to", flat=True).distinct()[:PAGE_SIZE]
    context = {"mails": messages[:PAGE_SIZE], "address": address, "addresses": addresses}
    return render(request, "mailbox/inbox.html", context)


@require_GET
def letter(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one mail: its text with clickable links, its HTML in a frame that may run nothing."""
    return render(request, "mailbox/letter.html", {"mail": get_object_or_404(Message, pk=pk)})


@require_GET
def api_messages(request: HttpRequest) -> HttpResponseBase:
    """Answer the newest messages first: `?to=` an address, `?since=` an ISO instant (wall time), `?limit=`."""
    messages: QuerySet[Message] = Message.objects.all()
    if request.GET.get("to"):
        messages = messages.filter(to__iexact=request.GET["to"].strip())
    if request.GET.get("since"):
        try:
            since = parse_datetime(request.GET["since"].replace(" ", "+"))
        except ValueError:
            since = None
        if since is None:
            return JsonResponse({"error": "since is not an ISO instant"}, status=400)
        messages = messages.filter(received_at__gte=since if since.tzinfo else since.replace(tzinfo=UTC))
    limit = request.GET.get("limit", str(PAGE_SIZE))
    if not limit.isdecimal() or not 1 <= int(limit) <= PAGE_SIZE:
        return JsonResponse({"error": f"limit is a number from 1 to {PAGE_SIZE}"}, status=400)
    return JsonResponse([_wire(message) for message in messages[: int(limit)]], safe=False)


def _wire(message: Message) -> dict[str, object]:
    return {
        "id": message.pk,
        "to": message.to,
        "from": message.sender,
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        "received_at": _instant(message.received_at),
        "simulated_at": _instant(message.simulated_at),
    }


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
