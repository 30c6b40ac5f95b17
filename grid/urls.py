"""Addresses of home, car pages, events and earnings."""

from django.urls import path

from grid.views import carbon, cars, earnings, events, homes

urlpatterns = [
    path("home/", homes.site, name="site"),
    path("cars/<uuid:vehicle>/", cars.car, name="car"),
    path("cars/<uuid:vehicle>/record/", cars.record, name="car_record"),
    path("cars/<uuid:vehicle>/program/", cars.program, name="car_program"),
    path("cars/<uuid:vehicle>/enroll/", cars.enroll, name="enroll"),
    path("cars/<uuid:vehicle>/withdraw/", cars.withdraw, name="withdraw"),
    path("events/", events.events, name="events"),
    path("events/<uuid:participation>/", events.event, name="event"),
    path("events/<uuid:participation>/opt-out/", events.leave_out, name="opt_out"),
    path("events/<uuid:participation>/opt-in/", events.come_back, name="opt_in"),
    path("carbon/", carbon.carbon, name="carbon"),
    path("earnings/", earnings.earnings, name="earnings"),
    path("earnings/<uuid:settlement>/", earnings.earning, name="earning"),
]
