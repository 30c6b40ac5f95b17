"""Make ledger rows append-only in the database itself."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from rewards.triggers import install_sql, lift_sql


def install(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in install_sql(schema_editor.connection.vendor):
        schema_editor.execute(statement)


def lift(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in lift_sql(schema_editor.connection.vendor):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("rewards", "0001_initial")]
    operations = [migrations.RunPython(install, lift)]
