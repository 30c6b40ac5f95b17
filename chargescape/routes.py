"""The one API router: every room's routes under /api/v1/."""

from rest_framework.routers import DefaultRouter

from accounts import viewsets as accounts
from chargescape import viewsets
from grid import viewsets as grid
from rewards import viewsets as rewards
from vehicles import viewsets as vehicles

router = DefaultRouter()
for prefix, viewset, basename in [
    *accounts.ROUTES,
    *vehicles.ROUTES,
    *grid.ROUTES,
    *rewards.ROUTES,
    *viewsets.ROUTES,
]:
    router.register(prefix, viewset, basename)
