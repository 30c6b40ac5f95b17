from django.apps import AppConfig


class ChargescapeConfig(AppConfig):
    name = "chargescape"
