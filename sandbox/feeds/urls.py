from django.urls import path

from sandbox.feeds import caiso, ercot, views, watttime

app_name = "feeds"
urlpatterns = [
    path("", views.show_feeds, name="index"),
    path("switch-on", views.switch_on, name="switch-on"),
    path("switch-off/<int:pk>", views.switch_off, name="switch-off"),
    path("control/faults", views.control_faults, name="control-faults"),
    path("control/faults/<int:pk>", views.control_fault, name="control-fault"),
    path("ercot/np4-190-cd/dam_stlmnt_pnt_prices", ercot.day_ahead_prices, name="ercot-prices"),
    path("ercot/<path:rest>", ercot.unknown),
    path("caiso/SingleZip", caiso.single_zip, name="caiso-single-zip"),
    path("watttime/login", watttime.login, name="watttime-login"),
    path("watttime/v3/forecast", watttime.forecast, name="watttime-forecast"),
    path("watttime/v3/historical", watttime.historical, name="watttime-historical"),
    path("watttime/<path:rest>", watttime.unknown),
]
