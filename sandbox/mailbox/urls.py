from django.urls import path

from sandbox.mailbox import views

app_name = "mailbox"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("<int:pk>/", views.letter, name="letter"),
    path("api/messages", views.api_messages, name="api_messages"),
]
