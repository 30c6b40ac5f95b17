from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ChargescapeConfig(AppConfig):
    name = "chargescape"


class StaffAdminConfig(AdminConfig):
    """Django's admin with our own door (chargescape/staff/site.py)."""

    default_site = "chargescape.staff.site.StaffSite"
