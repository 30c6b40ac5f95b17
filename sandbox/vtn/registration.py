"""The pretend utility's clients and program, as the environment names them."""

from sandbox.vtn import store
from sandbox.vtn.models import VtnClient, VtnObject
from sandbox.world import config

UTILITY_CLIENT = "utility-desk"
PROGRAM_NAME = "evening-help"


def set_up() -> None:
    """Register the utility's desk, the platform as a VEN, and one program."""
    desk, _ = VtnClient.objects.get_or_create(
        client_id=UTILITY_CLIENT, defaults={"client_secret": config.VTN_UTILITY_SECRET, "is_utility": True}
    )
    VtnClient.objects.update_or_create(
        client_id=config.VTN_CLIENT_ID, defaults={"client_secret": config.VTN_CLIENT_SECRET, "is_utility": False}
    )
    if not VtnObject.objects.filter(kind=VtnObject.Kind.PROGRAM).exists():
        body = {
            "programName": PROGRAM_NAME,
            "programDescriptions": None,
            "payloadDescriptors": [
                {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "DISPATCH_SETPOINT", "units": "KW"}
            ],
            "targets": None,
        }
        store.create(VtnObject.Kind.PROGRAM, body, desk)


def utility_desk() -> VtnClient:
    """Return the utility's own client."""
    return VtnClient.objects.get(client_id=UTILITY_CLIENT)
