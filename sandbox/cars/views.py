"""The cars' pages: what is true, what the automaker's cloud serves, and the switches."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from sandbox.cars import actions, garage
from sandbox.cars.control import describe
from sandbox.cars.models import Car
from sandbox.cars.schedules import DailyWindow, read_minute
from sandbox.world import clock

FAULT_LABELS = {
    "asleep": "Asleep (until woken or asked for its status)",
    "stale": "Stale values (the cloud serves what it knew)",
    "commandsLost": "Commands lost (accepted, no effect)",
    "commandsRefused": "Commands refused (by the car itself)",
    "answersLost": "Answers lost (commands are obeyed, answered 504)",
    "limitIgnored": "Limit ignored (charges to 100 %)",
    "foreignSchedule": "Own charging window (charges within it alone)",
    "sold": "Sold (no longer in the account)",
    "apiDown": "API down for this car (503)",
    "rateLimited": "Too many requests for this car (429)",
}
ACTION_LABELS = {
    "plug_in": "Plug in",
    "unplug": "Unplug",
    "leave": "Go away now",
    "come_home": "Come home now",
}


@require_safe
def show_cars(request: HttpRequest) -> HttpResponse:
    """List every car with its true state."""
    cars = [describe(car) for car in garage.look_at_all(now=clock.now())]
    return render(request, "cars/list.html", {"cars": cars})


@require_safe
def show_car(request: HttpRequest, vehicle_id: str) -> HttpResponse:
    """Show one car: the truth, the served values, faults, actions and the commands received."""
    try:
        car = garage.look_at(vehicle_id, now=clock.now())
    except Car.DoesNotExist as error:
        raise Http404 from error
    faults = actions.read_faults(car)
    context = {
        "car": car,
        "truth": describe(car),
        "served_at": garage.served_state(car).as_of,
        "faults": [(name, label, faults[name]) for name, label in FAULT_LABELS.items()],
        "actions": ACTION_LABELS.items(),
        "commands": car.commands.order_by("-id")[:25],
        "command_count": car.commands.count(),
    }
    return render(request, "cars/car.html", context)


@require_POST
def change_car(request: HttpRequest, vehicle_id: str) -> HttpResponse:
    """Do what one of the page's forms asks."""
    now = clock.now()
    try:
        if "action" in request.POST:
            actions.act(vehicle_id, request.POST["action"], now=now)
            messages.success(request, f"Done: {ACTION_LABELS[request.POST['action']].lower()}.")
        elif "soc_percent" in request.POST:
            actions.set_soc(vehicle_id, float(request.POST["soc_percent"]), now=now)
            messages.success(request, "The battery is set.")
        elif "window_start" in request.POST:
            window = DailyWindow(read_minute(request.POST["window_start"]), read_minute(request.POST["window_stop"]))
            actions.set_window(vehicle_id, window, now=now)
            messages.success(request, "The window is set.")
        elif "limit_percent" in request.POST:
            actions.set_limit(vehicle_id, min(100.0, max(50.0, float(request.POST["limit_percent"]))), now=now)
            messages.success(request, "The limit is set.")
        else:
            faults: dict[str, object] = {name: name in request.POST for name in FAULT_LABELS}
            faults["commandDelaySeconds"] = max(0.0, float(request.POST.get("commandDelaySeconds") or 0))
            actions.set_faults(vehicle_id, faults, now=now)
            messages.success(request, "The faults are set.")
    except Car.DoesNotExist as error:
        raise Http404 from error
    except (actions.ImpossibleNow, KeyError, ValueError) as error:
        messages.error(request, f"Not possible: {error}.")
    return redirect("car", vehicle_id=vehicle_id)
