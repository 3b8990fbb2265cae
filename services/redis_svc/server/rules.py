"""All rules."""

from __future__ import annotations

from services.redis_svc.server import rules_memory, rules_safety, rules_use

RULES = (*rules_safety.RULES, *rules_memory.RULES, *rules_use.RULES)
