"""What is kept: investigations, told changes, and the desk of the serving processes; SQLite or PostgreSQL."""

from bot.store.engine import Database, Where, connect
from bot.store.opening import database_of
from bot.store.record import Store
from bot.store.tables import VERSION

__all__ = ["VERSION", "Database", "Store", "Where", "connect", "database_of"]
