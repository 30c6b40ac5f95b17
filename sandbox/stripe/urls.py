from django.urls import path, re_path

from sandbox.stripe import api, onboarding, views

app_name = "stripe"
urlpatterns = [
    path("", views.show_stripe, name="index"),
    path("bank/", views.show_bank, name="bank"),
    path("control/", views.show_control, name="control"),
    path("control/switch", views.switch, name="switch"),
    path("control/faults", views.control_faults, name="control-faults"),
    path("control/faults/<int:pk>", views.control_fault, name="control-fault"),
    path("control/knobs", views.control_knobs, name="control-knobs"),
    path("control/payouts/<str:object_id>/fail", views.control_payout, name="control-payout"),
    path("control/accounts/<str:object_id>/capability", views.control_account, name="control-account"),
    path("onboarding/<str:account>", onboarding.onboarding, name="onboarding"),
    re_path(r"^(?P<path>v[12]/.*)$", api.door, name="api"),
]
