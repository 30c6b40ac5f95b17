"""Addresses of payouts."""

from django.urls import path

from rewards import views

urlpatterns = [
    path("earnings/statement.csv", views.statement_csv, name="statement_csv"),
    path("payouts/", views.payouts, name="payouts"),
    path("payouts/set-up/", views.set_up, name="payouts_set_up"),
    path("payouts/return/", views.come_back, name="payouts_return"),
    path("payouts/pay-now/", views.pay_me_now, name="pay_now"),
    path("payouts/settings/", views.save_settings, name="payouts_settings"),
]
