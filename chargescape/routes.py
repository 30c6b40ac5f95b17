"""The one API router: every room's routes under /api/v1/, each kept to the same contract."""

from rest_framework.routers import DefaultRouter

from accounts import viewsets as accounts
from chargescape import viewsets
from chargescape.api.contract import kept_to
from grid import viewsets as grid
from rewards import viewsets as rewards
from vehicles import viewsets as vehicles

router = DefaultRouter()
router.include_format_suffixes = False  # one address a thing
for prefix, viewset, basename in [
    *accounts.ROUTES,
    *vehicles.ROUTES,
    *grid.ROUTES,
    *rewards.ROUTES,
    *viewsets.ROUTES,
]:
    router.register(prefix, kept_to(viewset), basename)
