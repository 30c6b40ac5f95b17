from django.apps import AppConfig


class MakersConfig(AppConfig):
    name = "sandbox.makers"
    label = "makers"
