"""The machine's nodes: read the state, make one call, return the update. No `try`, no arithmetic.

A node that is killed runs again from its start, so everything a node does may be done twice.
"""

from __future__ import annotations

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from graph import decisions, planning
from graph.asking import ask_all
from graph.context import Context
from graph.record import Seal, readings_of
from graph.state import State, Task, Update


def scope(state: State, runtime: Runtime[Context]) -> Update:
    """Plan the first sweep: which questions, over which window, to which sources."""
    context = runtime.context
    context.enter("scope")
    questions = planning.sweep(state["incident"], context.sources.available())
    return _planned(planning.within(questions, context.options.queries), context)


def gather(state: Task, runtime: Runtime[Context]) -> Update:
    """Ask one source its part of the sweep."""
    return ask_all(runtime.context, state, _attempt(runtime))


def weigh(state: State, runtime: Runtime[Context]) -> Update:
    """Turn the readings into a ranking, and see which questions are still worth asking."""
    context, record = runtime.context, runtime.context.record
    context.enter("weigh")
    readings = readings_of(record, context.thread, state["readings"])
    weighing = context.weigh(state["incident"], readings, state["ruled_out"])
    asked = {*state["readings"], *state["unavailable"]}
    plan = planning.following(weighing, asked, context.sources.available(), context.budget())
    return {"weighing": record.put_weighing(context.thread, weighing), **_planned(plan, context)}


def ask(state: Task, runtime: Runtime[Context]) -> Update:
    """Ask one source what the weighing wants to know."""
    return ask_all(runtime.context, state, _attempt(runtime))


def propose(state: State, runtime: Runtime[Context]) -> Update:
    """Put the ranking forward."""
    context = runtime.context
    context.enter("propose")
    weighing = context.record.get_weighing(context.thread, state["weighing"])
    return Update(proposals=[proposal.id for proposal in weighing.proposals], spent_seconds=context.spent())


def confirm(state: State, runtime: Runtime[Context]) -> Update:
    """Wait for a person, unless the options decide, and keep what was said."""
    context, record = runtime.context, runtime.context.record
    context.enter("confirm")
    label = (
        decisions.pending(record.labels(context.thread), state["weighing"], state["ruled_out"])
        or context.own_label(state["weighing"])
        or decisions.Label.model_validate_json(interrupt(state["weighing"]))
    )
    record.put_label(context.thread, label)
    return Update(decision=label.decision, ruled_out=[*state["ruled_out"], *label.ruled_out()])


def close(state: State, runtime: Runtime[Context]) -> Update:
    """Seal the record."""
    context, record = runtime.context, runtime.context.record
    context.enter("close")
    seal = Seal(
        closed_at=context.now(),
        weighing=state["weighing"],
        ruled_out=tuple(state["ruled_out"]),
        label=record.labels(context.thread)[-1],
        partial=state["partial"],
        not_asked=tuple(state["not_asked"]),
        spent_seconds=context.spent(),
    )
    return Update(spent_seconds=record.seal(context.thread, seal).spent_seconds)


def _planned(plan: planning.Plan, context: Context) -> Update:
    """The plan as the state holds it: keys, and what the budget left out."""
    return Update(
        plan=[question.key() for question in plan.questions],
        not_asked=sorted({question.source for question in plan.left_out}),
        partial=plan.why,
        spent_seconds=context.spent(),
    )


def _attempt(runtime: Runtime[Context]) -> int:
    """Which run of its node this is, from 1."""
    return runtime.execution_info.node_attempt if runtime.execution_info else 1
