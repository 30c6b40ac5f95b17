"""What we told the owner, and how they want to be told."""

from hashlib import sha256
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext

from accounts import push_services
from accounts.flows import acting, notice_settings
from accounts.flows.notices import kinds_of_group, mark_all_read, mark_read, read_aloud
from accounts.forms_notices import NoticeSettingsForm
from accounts.models import Notice, PushDevice, User
from accounts.notice_actions import ACTIONS, RELINK
from accounts.notice_kinds import CHANNELS, DESK, GROUPS, IN_APP, KINDS
from foundation import clock
from foundation.pages import AT_DESK, add_refusal, owner_action, owner_page, owner_read, refusals_as_messages, signed_in
from foundation.refusals import Refusal

NOTICES_A_PAGE = 30
LONGEST_NAME = 60


@owner_read
def notices(request: HttpRequest) -> HttpResponse:
    """Show what we told the owner, newest first: all of it, what is new, or one group."""
    user, now = signed_in(request, User), clock.now()
    group, is_unread = request.GET.get("group", ""), request.GET.get("show") == "unread"
    rows = Notice.objects.shown_to(user).select_related("user")
    if is_unread:
        rows = rows.unread()
    if group in GROUPS:
        rows = rows.filter(kind__in=kinds_of_group(group))
    page = Paginator(rows, NOTICES_A_PAGE).get_page(request.GET.get("page"))
    found = list(page.object_list)
    used = acting.used_actions(found)
    context = {
        "notices": [_entry(notice, used, user) for notice in found],
        "page": page,
        "query": f"show=unread&group={group}&" if is_unread else f"group={group}&",
        "filters": _filters(group, is_unread=is_unread),
        "has_filter": is_unread or group in GROUPS,
        "now": now,
    }
    return render(request, "accounts/notices.html", context)


def _entry(notice: Notice, used: set[tuple[str, str]], user: User) -> dict[str, Any]:
    actions = [
        {"name": action, "label": ACTIONS[action].label, "maker": notice.params.get("maker_slug")}
        for action in acting.offered_actions(notice, now=clock.now())
        if (action, str(notice.public_id)) not in used
    ]
    return {
        "row": notice,
        "shown": read_aloud(notice, reader=user),
        "is_urgent": notice.kind in KINDS and KINDS[notice.kind].is_urgent,
        "relink": next((action for action in actions if action["name"] == RELINK), None),
        "actions": [action for action in actions if action["name"] != RELINK],
    }


def _filters(group: str, *, is_unread: bool) -> list[dict[str, Any]]:
    chips = [
        {"label": gettext("All"), "query": "", "is_current": not is_unread and group not in GROUPS},
        {"label": gettext("New"), "query": "?show=unread", "is_current": is_unread},
    ]
    chips += [
        {"label": label, "query": f"?group={slug}", "is_current": group == slug and not is_unread}
        for slug, label in GROUPS.items()
    ]
    return chips


@owner_action
def notices_read(request: HttpRequest) -> HttpResponse:
    """Mark every notice as read."""
    mark_all_read(user=signed_in(request, User), now=clock.now())
    return redirect("notices")


@owner_action
def notice_read(request: HttpRequest, notice: UUID) -> HttpResponse:
    """Mark one notice as read."""
    found = get_object_or_404(Notice, user=signed_in(request, User), public_id=notice)
    mark_read(notice=found, now=clock.now())
    return redirect("notices")


@owner_page
def settings(request: HttpRequest) -> HttpResponse:
    """Show and change what is told by which channel, when it is quiet, and which browsers are told."""
    user = signed_in(request, User)
    form = NoticeSettingsForm(request.POST or None, settings=notice_settings.settings_of(user))
    if request.method == "POST" and form.is_valid():
        try:
            notice_settings.save_notice_settings(user=user, wishes=form.wishes(), switches=_switches_of(request))
        except notice_settings.UnableToSaveNotices as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, gettext("Saved."))
            return redirect("notice_settings")
    devices = list(PushDevice.objects.filter(user=user))
    context = {
        "form": form,
        "groups": _groups(notice_settings.switches_of(user), is_at_desk=AT_DESK in request.session),
        "devices": devices,
        "known_endpoints": " ".join(sha256(device.endpoint.encode()).hexdigest() for device in devices),
        "push_key": push_services.public_key(),
        "now": clock.wall(),
    }
    return render(request, "accounts/notice_settings.html", context)


def _switches_of(request: HttpRequest) -> dict[tuple[str, str], bool]:
    on = set(request.POST.getlist("on"))
    return {
        (slug, channel): f"{slug}:{channel}" in on
        for slug, kind in KINDS.items()
        for channel in CHANNELS
        if not (channel == IN_APP and kind.is_locked) and (kind.group != DESK or AT_DESK in request.session)
    }


def _groups(switches: dict[tuple[str, str], bool], *, is_at_desk: bool) -> list[dict[str, Any]]:
    return [
        {
            "slug": group,
            "label": label,
            "kinds": [_switch_row(slug, switches) for slug in kinds_of_group(group)],
        }
        for group, label in GROUPS.items()
        if group != DESK or is_at_desk
    ]


def _switch_row(slug: str, switches: dict[tuple[str, str], bool]) -> dict[str, Any]:
    kind = KINDS[slug]
    names = {"in_app": gettext("In the app"), "email": gettext("E-mail"), "push": gettext("Push")}
    return {
        "slug": slug,
        "name": kind.name,
        "is_urgent": kind.is_urgent,
        "is_locked": kind.is_locked,
        "cells": [
            {
                "channel": channel,
                "label": names[channel],
                "is_on": switches[slug, channel],
                "is_fixed": channel == IN_APP and kind.is_locked,
            }
            for channel in CHANNELS
        ],
    }


@owner_action
def push_subscribe(request: HttpRequest) -> HttpResponse:
    """Let this browser be told; called by the page's script with what the browser's push service gave it."""
    given = {name: request.POST.get(name, "") for name in ("endpoint", "p256dh", "auth")}
    name = browser_name(request.headers.get("User-Agent", ""))
    try:
        device = notice_settings.subscribe_device(user=signed_in(request, User), name=name, **given)
    except Refusal as refusal:
        return JsonResponse({"code": refusal.reason_code, "detail": refusal.reason}, status=409)
    request.session[notice_settings.SESSION_DEVICE] = str(device.public_id)
    return JsonResponse({"name": name}, status=201)


@owner_action
def push_unsubscribe(request: HttpRequest) -> HttpResponse:
    """Tell this browser nothing any more; called by the page's script."""
    notice_settings.forget_endpoint(user=signed_in(request, User), endpoint=request.POST.get("endpoint", ""))
    return HttpResponse(status=204)


@owner_action
def push_forget(request: HttpRequest, device: UUID) -> HttpResponse:
    """Tell one of the owner's browsers nothing any more, from any other."""
    found = get_object_or_404(PushDevice, user=signed_in(request, User), public_id=device)
    with refusals_as_messages(request, success=gettext("This browser gets no pushes any more.")):
        notice_settings.forget_device(device=found)
    return redirect("notice_settings")


def browser_name(agent: str) -> str:
    """Return a browser as its owner would call it ("Chrome on Android"), as far as it tells."""
    browsers = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS", "Mac"),
        ("Windows", "Windows"),
        ("Linux", "Linux"),
    )
    browser = next((name for mark, name in browsers if mark in agent), "")
    system = next((name for mark, name in systems if mark in agent), "")
    return " · ".join(part for part in (browser, system) if part)[:LONGEST_NAME]
