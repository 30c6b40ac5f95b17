from django.apps import AppConfig


class CarsConfig(AppConfig):
    name = "sandbox.cars"
    label = "cars"
