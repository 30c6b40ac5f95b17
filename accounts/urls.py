"""Addresses of the owner's own pages."""

from django.urls import path

from accounts import views
from accounts.languages import choose_language

urlpatterns = [
    path("account/", views.account, name="account"),
    path("language/", choose_language, name="choose_language"),
    path("consents/", views.consents, name="consents"),
    path("notices/", views.notices, name="notices"),
    path("notices/read/", views.notices_read, name="notices_read"),
]
