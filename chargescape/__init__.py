"""The composition root: settings, urls, the Celery app, pages and use-cases that span rooms. Nobody imports it."""
