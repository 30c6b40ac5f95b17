"""What a plan costs to keep on PostgreSQL: one index less, no compression tried, room to change a state where it lies.

`plan_newest` begins with the car, so it finds a car's plans as well as an index of the car alone. A plan is packed
already: what PostgreSQL's compression would save is less than what trying costs. And a state is claimed more often than
its due times change: where its page has room, a claim touches no index.
"""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

SETTINGS = (
    "ALTER TABLE grid_plan SET (toast_tuple_target = 8160)",
    "ALTER TABLE grid_planningstate SET (fillfactor = 50)",
)
RESETS = ("ALTER TABLE grid_plan RESET (toast_tuple_target)", "ALTER TABLE grid_planningstate RESET (fillfactor)")


def settle(_apps: Any, schema_editor: Any) -> None:
    _tell(schema_editor, SETTINGS)


def unsettle(_apps: Any, schema_editor: Any) -> None:
    _tell(schema_editor, RESETS)


def _tell(schema_editor: Any, statements: tuple[str, ...]) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in statements:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("grid", "0010_terms_in_force_were_told"), ("vehicles", "0008_charger_car_asked")]

    operations = [
        migrations.AlterField(
            model_name="plan",
            name="vehicle",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="plans",
                to="vehicles.vehicle",
            ),
        ),
        migrations.RunPython(settle, unsettle),
    ]
