from django.apps import AppConfig
from django.core import checks

from rewards.checks import check_processor


class RewardsConfig(AppConfig):
    name = "rewards"

    def ready(self) -> None:
        """Register the checks that guard the money."""
        checks.register(check_processor)
