"""Keep account of the groups of trials that run: begin them, record their events, refill them.

Study, scheduler and display see ordinary trials: each is proposed, reports and ends by itself.
"""

from collections.abc import Iterable, Sequence

from tune.config.shapes import TrialShapes
from tune.execution.controller import SearchController
from tune.execution.groups.events import TrialEvent
from tune.study.records import Proposal, State


class GroupRecorder:
    """The running groups of a search.

    A group begins with a trial that the search proposes and others of its shape. Where trials end
    at a rung, the group goes on without them; it ends with its last trial, and the search begins
    another.

    On a card, where a step takes as long for few trials as for many, a group is refilled with new
    trials of its shape when at least half of its places are empty and all that are left have come
    equally far: these wait until the new ones have caught up
    (`tune.execution.groups.member_training`), so nobody waits twice between two rungs. On a CPU it
    would only put off what the others reach (docs/fusion.md has the figures).

    Args:
        controller: The search.
        shapes: Tells which trials are of one shape.
        size: Trials in a group, at most.
        last_rung: The rung at which a trial is complete.
        refilled: Whether half-empty groups are refilled.
    """

    def __init__(
        self,
        controller: SearchController,
        shapes: TrialShapes,
        size: int,
        last_rung: int,
        *,
        refilled: bool = True,
    ) -> None:
        self._controller = controller
        self._shapes = shapes
        self._size = size
        self._last_rung = last_rung
        self._refilled = refilled
        self._members: dict[int, dict[int, Proposal]] = {}
        self._reached: dict[int, int] = {}

    @property
    def given_up(self) -> str | None:
        """Reason why the search cannot go on: the message of trials that all failed alike."""
        return self._controller.given_up

    def begin(self) -> int | None:
        """Begin a group; return the number of its first trial, by which it is known.

        Returns:
            None where the search proposes no more trials.
        """
        first = self._controller.propose()
        if first is None:
            return None
        self._members[first.number] = {}
        self._admit(first.number, [first])
        self._fill(first.number, first)
        return first.number

    def members(self, group: int) -> list[Proposal]:
        """Return the trials that a group trains now, by number.

        Args:
            group: The group's number.
        """
        return [proposal for _, proposal in sorted(self._members[group].items())]

    def record(self, group: int, events: Iterable[TrialEvent]) -> list[Proposal]:
        """Record what a group's trials have reached and how some have ended; refill it if need be.

        Args:
            group: The group.
            events: In the order in which they are to be recorded. Those of a trial that has ended
                are left out: a worker that was started again may tell of one that it had not yet
                heard of.

        Returns:
            The trials that the group trains on, new ones among them; none ends the group.
        """
        members = self._members[group]
        for event in events:
            if event["number"] in members:
                self._record_one(group, event)
        if self._refilled and members and self._has_room(members):
            self._fill(group, next(iter(members.values())))
        return self.members(group)

    def fail(self, group: int, message: str) -> None:
        """Record that all trials of a group failed: its worker was lost once too often.

        Args:
            group: The group's number.
            message: What the records say of it.
        """
        for number in sorted(self._members.pop(group)):
            self._controller.end(number, State.FAILED, message)
            del self._reached[number]

    def fail_those_behind(self, group: int, message: str) -> list[Proposal]:
        """Record that the trials of a group that were being trained failed, and no others.

        Those that are furthest behind are trained while the others wait
        (`tune.execution.groups.member_training`), so a training that hangs is theirs.

        Args:
            group: The group's number.
            message: What the records say of it.

        Returns:
            The trials that waited, which can go on without them; none ends the group.
        """
        members = sorted(self._members[group])
        least = min((self._reached[number] for number in members), default=0)
        for number in members:
            if self._reached[number] == least:
                self._end(group, number, State.FAILED, message)
        return self.members(group)

    def _record_one(self, group: int, event: TrialEvent) -> None:
        number = event["number"]
        if "outcome" in event:
            self._end(group, number, State(event["outcome"]), event["message"])
            return
        rung = event["rung"]
        goes_on = self._controller.report(number, rung, event["metrics"])
        self._reached[number] = max(self._reached[number], rung + 1)
        if not goes_on:
            self._end(group, number, State.PRUNED, "")
        elif rung == self._last_rung:
            self._end(group, number, State.COMPLETE, "")

    def _end(self, group: int, number: int, state: State, message: str) -> None:
        self._controller.end(number, state, message)
        del self._members[group][number], self._reached[number]

    def _has_room(self, members: Iterable[int]) -> bool:
        reached = [self._reached[number] for number in members]
        return len(reached) <= self._size / 2 and len(set(reached)) == 1

    def _fill(self, group: int, like: Proposal) -> None:
        room = self._size - len(self._members[group])
        self._admit(group, self._controller.propose_alike(self._shapes, like.params, room))

    def _admit(self, group: int, proposals: Sequence[Proposal]) -> None:
        for proposal in proposals:
            self._members[group][proposal.number] = proposal
            self._reached[proposal.number] = 0
