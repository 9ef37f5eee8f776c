"""Who may do what at the double: accounts by token, rules as a ClusterRole has them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rule:
    """`namespaces` empty: everywhere, as by a ClusterRoleBinding."""

    verbs: tuple[str, ...] = ("*",)
    groups: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ()

    def allows(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        return (
            ("*" in self.verbs or verb in self.verbs)
            and ("*" in self.groups or group in self.groups)
            and ("*" in self.resources or resource in self.resources)
            and (not self.namespaces or namespace in self.namespaces)
        )


@dataclass
class Account:
    name: str
    rules: list[Rule] = field(default_factory=lambda: [Rule()])
    without: list[Rule] = field(default_factory=list)

    def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """`without` takes away again what a test wants refused."""
        asked = (verb, group, resource, namespace)
        return any(rule.allows(*asked) for rule in self.rules) and not any(
            r.allows(*asked) for r in self.without
        )
