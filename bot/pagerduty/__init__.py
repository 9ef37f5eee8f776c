"""PagerDuty's REST API: details of an incident are read, and what was found is written back as a note."""
