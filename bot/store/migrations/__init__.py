"""How an older store becomes a newer one: one file a step, none of them ever changed again."""
