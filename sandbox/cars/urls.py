from django.urls import path

from sandbox.cars import control, views

urlpatterns = [
    path("cars/", views.show_cars, name="cars"),
    path("cars/<slug:vehicle_id>/", views.show_car, name="car"),
    path("cars/<slug:vehicle_id>/change", views.change_car, name="car-change"),
    path("control/cars", control.list_cars, name="control-cars"),
    path("control/cars/<slug:vehicle_id>", control.control_car, name="control-car"),
    path("control/cars/<slug:vehicle_id>/served", control.list_served, name="control-served"),
    path("control/cars/<slug:vehicle_id>/commands", control.list_commands, name="control-commands"),
]
