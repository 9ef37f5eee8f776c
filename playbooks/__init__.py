"""KNOW: what can go wrong, how to tell, what to propose. Pure: no clock, no network, no files but its own."""
