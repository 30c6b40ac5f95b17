"""Addresses of the owner's own pages."""

from django.urls import path

from accounts import pwa, views, views_notices, views_receipts, views_security
from accounts.languages import choose_language

urlpatterns = [
    path("account/", views.account, name="account"),
    path("language/", choose_language, name="choose_language"),
    path("consents/", views.consents, name="consents"),
    path("consents/<uuid:receipt>/", views_receipts.receipt, name="receipt"),
    path("security/", views_security.security, name="security"),
    path("security/sign-out/", views_security.end_session, name="end_session"),
    path("notices/", views_notices.notices, name="notices"),
    path("notices/read/", views_notices.notices_read, name="notices_read"),
    path("notices/<uuid:notice>/read/", views_notices.notice_read, name="notice_read"),
    path("notices/settings/", views_notices.settings, name="notice_settings"),
    path("notices/devices/", views_notices.push_subscribe, name="push_subscribe"),
    path("notices/devices/stop/", views_notices.push_unsubscribe, name="push_unsubscribe"),
    path("notices/devices/<uuid:device>/forget/", views_notices.push_forget, name="push_forget"),
    path("manifest.webmanifest", pwa.manifest, name="manifest"),
    path("sw.js", pwa.service_worker, name="service_worker"),
    path("offline/", pwa.offline, name="offline"),
]
