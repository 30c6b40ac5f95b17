"""Make the function that writes a row in one statement, and open the parts of the busy accounts that exist."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from rewards.functions import PARTS, install_sql, lift_sql


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in install_sql(schema_editor.connection.vendor):
        schema_editor.execute(statement)
    if schema_editor.connection.vendor != "postgresql":
        return
    accounts = apps.get_model("rewards", "LedgerAccount").objects
    for whole in list(accounts.filter(kind__in=["utility_receivable", "paid_out"], part=0)):
        accounts.bulk_create(
            [
                accounts.model(kind=whole.kind, key=whole.key, currency=whole.currency, part_of=whole, part=part)
                for part in range(1, PARTS + 1)
            ]
        )


def lift(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in lift_sql(schema_editor.connection.vendor):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("rewards", "0003_account_parts")]
    operations = [migrations.RunPython(install, lift)]
