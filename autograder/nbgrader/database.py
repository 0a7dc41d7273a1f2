"""A new gradebook, made as nbgrader would, in this process and whole.

nbgrader starts the command `alembic` to learn which version its tables have; that imports nbgrader anew and
takes longer than everything else in a first release.
"""

from __future__ import annotations

import os

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from nbgrader.api import Base
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import URL, create_engine, inspect, text


def make_gradebook(address: URL) -> None:
    """Make nbgrader's tables in a file of SQLite that is not there or empty; anything else is nbgrader's to open.

    Raises:
        SQLAlchemyError: the file cannot be made or written.
    """
    if address.get_backend_name() != "sqlite" or not address.database or _size(address.database):
        return
    engine = create_engine(address)
    try:
        with engine.begin() as connection:
            connection.execute(text("BEGIN IMMEDIATE"))  # everything or nothing; another program may be making it
            if not inspect(connection).get_table_names():
                Base.metadata.create_all(connection)
                MigrationContext.configure(connection).stamp(ScriptDirectory(ALEMBIC_DIR), "head")
    finally:
        engine.dispose()


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
