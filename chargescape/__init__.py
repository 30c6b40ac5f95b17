"""The composition root: settings, urls, the Celery app, pages and use-cases that span rooms. Nobody imports it."""

from chargescape.celery import app as celery_app

__all__ = ["celery_app"]
