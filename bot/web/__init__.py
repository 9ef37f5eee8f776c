"""What this program serves over HTTP."""
