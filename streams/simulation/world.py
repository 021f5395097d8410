"""One world of one seed: a scheduler that lets somebody do one thing, or strikes."""

import traceback
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from schemas.topics import CHECKPOINTS, JOURNAL
from streams.simulation.actors import Actor, Ingest, Publisher, Site
from streams.simulation.judge import Judge, ViolationError, broken
from streams.simulation.log import Dice, Log
from streams.simulation.partners import Executor, Optimizer
from streams.simulation.reference import Reference, of_journals, of_rows, walked_image
from streams.simulation.scenario import SHARDS, Tally, draw
from streams.simulation.worker import Worker

STEPS_MAX: Final = 20_000  # twenty times what a world takes
STRIKES_MAX: Final = 8  # crashes and zombies: each costs a resumption
ZOMBIE_MOVES: Final = 60
STORM_AFTER_STEPS: Final = 200  # faults go on so long after the last row is published


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays: the real ones, or in a test of the simulator one with a planted bug."""

    ingest: type[Ingest] = Ingest
    worker: type[Worker] = Worker
    executor: type[Executor] = Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A broken law: where the run stood, and the first divergence."""

    seed: int
    step: int
    actor: str
    law: str
    expected: str
    found: str

    def words(self) -> str:
        """Return what a person needs to see, and to see it again."""
        return (
            f"seed {self.seed}, step {self.step}, {self.actor}: {self.law}\n"
            f"  expected: {self.expected}\n"
            f"  found:    {self.found}\n"
            f"  again:    python -m streams.simulation --seed {self.seed}"
        )


@dataclass(slots=True)
class Zombie:
    """An instance that was replaced, and does not know it yet."""

    actor: Ingest | Worker | Executor
    left: int = ZOMBIE_MOVES


@dataclass(slots=True, eq=False)
class World:
    """The actors of one seed, living and undead.

    Parameters
    ----------
    seed
        Decides everything.
    cast
        Who plays.
    """

    seed: int
    cast: Cast = field(default_factory=Cast)
    site: Site = field(init=False)
    actors: list[Actor] = field(init=False)
    zombies: list[Zombie] = field(init=False, default_factory=list)
    acting: str = "nobody"
    _strikes: int = 0
    _published_at: int | None = None
    _expected: Reference | None = None

    def __post_init__(self) -> None:
        dice = Dice(np.random.default_rng(self.seed))
        scenario = draw(self.seed, dice)
        self._expected = of_rows(scenario) if scenario.calm else None
        judge = Judge(scenario, self._expected)
        log = Log(judge.see)
        judge.log = log
        self.site = Site(scenario, dice, judge, log, Tally(calm=int(scenario.calm)))
        shards = sorted({portfolio.shard for portfolio in scenario.portfolios})
        self.actors = [
            Publisher(self.site),
            self.cast.ingest(self.site),
            Optimizer(self.site),
            self.cast.executor(self.site),
            *(self.cast.worker(self.site, shard) for shard in shards),
        ]

    def run(self) -> Failure | None:
        """Run to rest and judge; return what went wrong."""
        try:
            while self._step():
                if self.site.step > STEPS_MAX:
                    broken("the world comes to rest", f"{STEPS_MAX} steps", "more")
            self.acting = "the end"
            self._judge()
        except ViolationError as found:
            return self._failure(found.law, found.expected, found.found)
        except Exception as error:  # noqa: BLE001  # whatever it is, the seed is the finding
            where = traceback.format_exc(limit=-3)
            return self._failure("no exception", "a step", f"{error!r}\n{where}")
        return None

    def _failure(self, law: str, expected: object, found: object) -> Failure:
        return Failure(
            seed=self.seed,
            step=self.site.step,
            actor=self.acting,
            law=law,
            expected=str(expected),
            found=str(found),
        )

    # ------------------------------------------------------------------ one step

    def _step(self) -> bool:
        """Let somebody do one thing; False when the world is at rest."""
        site = self.site
        site.step += 1
        site.tally.steps += 1
        self._clear_up()
        if not site.quiet:
            self._strike()
        if self.zombies and site.dice.chance(0.3):
            return self._let_zombie_move(site.dice.pick(self.zombies))
        first = site.dice.below(len(self.actors))
        if not first and site.chance(site.scenario.weather.pause):
            first = 1
        for actor in (*self.actors[first:], *self.actors[:first]):
            moves = actor.moves()
            if moves:
                self.acting = actor.name
                site.dice.pick(moves)()
                return True
        return self._wait()

    def _let_zombie_move(self, zombie: Zombie) -> bool:
        moves = zombie.actor.moves()
        zombie.left -= 1
        if not moves or not zombie.left:
            self._bury(zombie)
            return True
        self.acting = f"zombie {zombie.actor.name}"
        self.site.dice.pick(moves)()
        return True

    def _wait(self) -> bool:
        """Let time pass until something is due; when nothing is, end the storm, then the run."""
        site = self.site
        due = [
            at
            for actor in self.actors
            if isinstance(actor, Worker) and (at := actor.nudge_at()) is not None
        ]
        due += [
            at
            for actor in self.actors
            if isinstance(actor, Optimizer) and (at := actor.due_at()) is not None
        ]
        if due:
            site.step = max(site.step, min(due))
            return True
        if not site.quiet:
            site.quiet = self._published_at is not None
            return True
        if self.zombies:
            self._bury(self.zombies[0])
            return True
        return False

    def _clear_up(self) -> None:
        """End the storm some time after the last row."""
        site = self.site
        if self._published_at is None:
            if not self.actors[0].moves():
                self._published_at = site.step
        elif site.step > self._published_at + STORM_AFTER_STEPS:
            site.quiet = True

    # ------------------------------------------------------------------ faults

    def _strike(self) -> None:
        site, weather = self.site, self.site.scenario.weather
        if site.dice.chance(weather.compact):
            site.log.compact(CHECKPOINTS.name, site.dice.below(SHARDS))
        if self._strikes >= STRIKES_MAX:
            return
        if site.dice.chance(weather.crash):
            self._crash(self._victim())
        elif site.dice.chance(weather.zombie):
            self._freeze(self._victim())
        else:
            self._strike_where_it_hurts()

    def _strike_where_it_hurts(self) -> None:
        """Strike between an effect and the record of it."""
        dice, weather = self.site.dice, self.site.scenario.weather
        for place, actor in enumerate(self.actors):
            if isinstance(actor, Ingest) and actor.would_repeat_requests:
                if dice.chance(weather.repeat_requests):
                    self._crash(place)
            elif isinstance(actor, Executor) and actor.has_in_hand:  # noqa: SIM102  # as above
                if dice.chance(weather.freeze_executor):
                    self._freeze(place)

    def _crash(self, place: int) -> None:
        """Replace an instance by one that has nothing but what is durable."""
        self._strikes += 1
        self.site.tally.crashes += 1
        self.acting = f"successor of a crashed {self.actors[place].name}"
        self.actors[place] = self._successor(self.actors[place])

    def _freeze(self, place: int) -> None:
        """Replace an instance that does not answer; it wakes later and goes on where it was."""
        site, actor = self.site, self.actors[place]
        if isinstance(actor, Ingest | Worker | Executor):
            self._strikes += 1
            site.tally.zombies += 1
            if not isinstance(actor, Worker):
                actor.revoke()
            self.zombies.append(Zombie(actor))
            self.acting = f"successor of a frozen {actor.name}"
            self.actors[place] = self._successor(actor)

    def _victim(self) -> int:
        """Return whom a fault strikes: anybody but the world outside, the workers most often."""
        dice = self.site.dice
        workers = [i for i, actor in enumerate(self.actors) if isinstance(actor, Worker)]
        if dice.chance(0.5):
            return dice.pick(workers)
        return dice.between(1, len(self.actors) - 1)

    def _successor(self, actor: Actor) -> Actor:
        """Return a new instance, with nothing but what is durable."""
        if isinstance(actor, Worker):
            return self.cast.worker(self.site, actor.number)
        if isinstance(actor, Ingest):
            return self.cast.ingest(self.site)
        if isinstance(actor, Executor):
            return self.cast.executor(self.site)
        assert isinstance(actor, Optimizer)
        return Optimizer(self.site)

    def _bury(self, zombie: Zombie) -> None:
        """End a zombie; the group changes once more, and who has the shard keeps it."""
        self.zombies.remove(zombie)
        if isinstance(zombie.actor, Worker):
            for actor in self.actors:
                if isinstance(actor, Worker) and actor.number == zombie.actor.number:
                    actor.reassign()

    # ------------------------------------------------------------------ the end

    def _judge(self) -> None:
        site = self.site
        workers = [actor for actor in self.actors if isinstance(actor, Worker)]
        for worker in workers:
            for name, portfolio in worker.shard.portfolios.items():
                if not portfolio.idle:
                    broken(f"portfolio {name} is at rest", "idle", "at work")
        expected = self._expected
        if expected is not None:
            found = {n: walked_image(w.shard, n) for w in workers for n in w.shard.portfolios}
        else:
            expected = of_journals(
                {
                    shard: [entry.value or b"" for entry in site.log.all(JOURNAL.name, shard)]
                    for shard in range(SHARDS)
                }
            )
            found = {n: w.shard.image_of(n) for w in workers for n in w.shard.portfolios}
        site.tally.decisions = len(site.judge.decisions)
        site.tally.commands = len(site.judge.commands)
        site.judge.finish(expected, found)
