"""Addresses of cars and their links."""

from django.urls import path

from vehicles import views, views_chargers, views_links, views_wishes

urlpatterns = [
    path("cars/", views.cars, name="cars"),
    path("cars/link/", views_links.link_begin, name="link_begin"),
    path("cars/link/open/", views_links.link_open, name="link_open"),
    path("cars/link/wait/<uuid:attempt>/", views_links.link_wait, name="link_wait"),
    path("cars/link/callback/<slug:maker>/", views_links.link_callback, name="link_callback"),
    path("cars/choose/<uuid:link>/", views_links.choose, name="choose_vehicles"),
    path("cars/links/<uuid:link>/unlink/", views_links.unlink, name="unlink"),
    path("cars/<uuid:vehicle>/preferences/", views.preferences, name="car_preferences"),
    path("cars/<uuid:vehicle>/specs/", views.specs, name="car_specs"),
    path("cars/<uuid:vehicle>/control/", views.control, name="take_control"),
    path("cars/<uuid:vehicle>/charge-now/", views.start_charging, name="charge_now"),
    path("cars/<uuid:vehicle>/skip/", views.skip, name="skip_tonight"),
    path("cars/<uuid:vehicle>/pause/", views_wishes.pause, name="pause"),
    path("cars/<uuid:vehicle>/dates/", views_wishes.dates, name="car_dates"),
    path("cars/dates/<uuid:dated>/remove/", views_wishes.remove_date, name="remove_date"),
    path("cars/<uuid:vehicle>/charger/", views_chargers.assign, name="car_charger"),
    path("cars/<uuid:vehicle>/home-here/", views.home_here, name="home_here"),
    path("overrides/<uuid:override>/cancel/", views.cancel, name="cancel_override"),
]
