from django.apps import AppConfig


class BmwConfig(AppConfig):
    name = "sandbox.makers.dialects.bmw"
    label = "bmw"
