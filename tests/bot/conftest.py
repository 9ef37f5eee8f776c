from __future__ import annotations

import os

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # as bot.checkpoints does: langgraph reads it once
