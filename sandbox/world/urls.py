"""The sandbox's addresses."""

from django.urls import URLPattern, URLResolver, include, path

from sandbox.stripe.views import bank
from sandbox.world import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.show_index, name="index"),
    path("healthz", views.show_health, name="health"),
    path("control/clock", views.control_clock, name="control-clock"),
    path("control/bank", bank, name="control-bank"),
    path("", include("sandbox.cars.urls")),
    path("", include("sandbox.makers.urls")),
    path("feeds/", include("sandbox.feeds.urls")),
    path("mailbox/", include("sandbox.mailbox.urls")),
    path("stripe/", include("sandbox.stripe.urls")),
    path("vtn/", include("sandbox.vtn.urls")),
]
