"""ASK: read-only questions to one kind of source each. Imports nothing from the other packages."""
