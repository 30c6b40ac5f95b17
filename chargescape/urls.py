"""Every address of the platform."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from chargescape import acting, views, views_privacy, views_tonight, views_welcome
from chargescape.routes import router
from grid.views.bells import operator_bell
from rewards.webhooks import stripe_webhook
from vehicles.webhooks import maker_webhook

handler400 = "chargescape.api.problems.bad_request"
handler404 = "chargescape.api.problems.not_found"
handler500 = "chargescape.api.problems.server_error"

urlpatterns = [
    path("", views.home_page, name="home_page"),
    path("tonight/", views_tonight.dashboard, name="dashboard"),
    path("welcome/", views_welcome.onboarding, name="onboarding"),
    path("welcome/<slug:key>/", views_welcome.step, name="welcome_step"),
    path("welcome/<slug:key>/later/", views_welcome.put_off, name="welcome_put_off"),
    path("privacy/", views_privacy.privacy, name="privacy"),
    path("privacy/export/", views_privacy.export_request, name="export_request"),
    path("privacy/export/<str:token>/", views_privacy.export_download, name="export_download"),
    path("account/close/", views_privacy.close, name="close_account"),
    path("account/keep/", views_privacy.keep, name="keep_account"),
    path("earnings/proof.zip", views.proof, name="proof"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("notices/act/<str:token>/", acting.notice_act, name="notice_act"),
    path("notices/<uuid:notice>/act/", acting.notice_do, name="notice_do"),
    path("", include("accounts.urls")),
    path("", include("vehicles.urls")),
    path("", include("grid.urls")),
    path("", include("rewards.urls")),
    path("webhooks/stripe/", stripe_webhook, name="stripe_webhook"),
    path("webhooks/makers/<slug:maker>/", maker_webhook, name="maker_webhook"),
    path("webhooks/openadr/<uuid:link>/", operator_bell, name="operator_bell"),
    path("webhooks/openadr/<uuid:link>/<slug:echo>", operator_bell),
    path("account/", include("allauth.urls")),
    path("_allauth/<slug:client>/v1/account/phone", views.no_phones, name="no_phones"),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/v1/", include(router.urls)),
    path("api/schema/", SpectacularAPIView.as_view(), name="api_schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="api_schema"), name="api_docs"),
    path("admin/", admin.site.urls),
]
