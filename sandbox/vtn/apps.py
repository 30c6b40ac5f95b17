from django.apps import AppConfig


class VtnConfig(AppConfig):
    name = "sandbox.vtn"
    label = "vtn"
