"""Carbon as the API shows it. Grams of CO2; energy in Wh at the AC side."""

from typing import Any

from rest_framework import serializers

from grid.models import CarbonChoice


class CarbonStopSerializer(serializers.Serializer[Any]):
    """One choice, and what it would make of the plans of now (`/carbon/tonight/` alone; null without plans)."""

    choice = serializers.ChoiceField(choices=CarbonChoice.choices)
    price_micros_per_kg = serializers.IntegerField(
        source="price_micros", help_text="What plans count a kg of CO2, in millionths of the home's currency."
    )
    tonight_cost_minor = serializers.IntegerField(
        source="cost_minor", allow_null=True, help_text="The energy bill of the present plans under this choice."
    )
    tonight_g = serializers.IntegerField(source="carbon_g", allow_null=True)


class CarbonMonthSerializer(serializers.Serializer[Any]):
    """One local month."""

    starts_on_date = serializers.DateField()
    nights = serializers.IntegerField()
    drawn_wh = serializers.IntegerField()
    drawn_g = serializers.IntegerField()
    saved_g = serializers.IntegerField(help_text="Below 0 where steering added some.")


class CarbonNightSerializer(serializers.Serializer[Any]):
    """One stay at the home plug."""

    car = serializers.CharField()
    plugged_in_at = serializers.DateTimeField()
    unplugged_at = serializers.DateTimeField()
    drawn_wh = serializers.IntegerField()
    drawn_g = serializers.IntegerField()
    saved_g = serializers.IntegerField()


class CarbonSerializer(serializers.Serializer[Any]):
    """What steering kept out of the air beside charging at once, and how plans weigh carbon; no money that is paid."""

    saved_g = serializers.IntegerField(source="summary.saved_g")
    drawn_g = serializers.IntegerField(source="summary.drawn_g")
    drawn_wh = serializers.IntegerField(source="summary.drawn_wh")
    unknown = serializers.IntegerField(source="summary.unknown", help_text="Nights of which too little is known.")
    rates_source = serializers.CharField(source="summary.source", help_text="Where the rates come from.")
    is_marginal = serializers.BooleanField(
        source="summary.is_marginal", help_text="Rates of the plant that answers a change; else of the whole grid."
    )
    months = CarbonMonthSerializer(source="summary.months", many=True)
    nights = CarbonNightSerializer(many=True, help_text="The last sixty.")
    choice = serializers.ChoiceField(choices=CarbonChoice.choices, allow_null=True, help_text="Empty without a home.")
    stops = CarbonStopSerializer(many=True)


class CarbonChoiceSerializer(serializers.Serializer[Any]):
    """How plans shall weigh carbon beside money."""

    choice = serializers.ChoiceField(choices=CarbonChoice.choices)
