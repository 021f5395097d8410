"""Actors with a bug each, of the kind that the simulator is there to find."""

from streams.core.fold import Shard
from streams.execution.gate import Admitted, CommandGate
from streams.simulation.actors import Ingest
from streams.simulation.partners import Executor
from streams.simulation.worker import Worker
from streams.simulation.world import Cast


class ForgetfulShard(Shard):
    """Takes every record for a new one: positions and ids seen do not count, they are only kept."""

    def step(self, records):
        outputs = []
        for pair in records:
            before = {name: (dict(p.seen), list(p.requests)) for name, p in self.portfolios.items()}
            for portfolio in self.portfolios.values():
                portfolio.seen.clear()
                portfolio.requests.clear()
            outputs += super().step([pair])
            for name, (seen, requests) in before.items():
                now = self.portfolios[name].seen
                now.update({key: max(mark, now.get(key, 0)) for key, mark in seen.items()})
                told = self.portfolios[name].requests
                told[:] = dict.fromkeys([*requests, *told])
        return outputs


class ForgetfulWorker(Worker):
    fold_type = ForgetfulShard


class PositionFirst(Worker):
    def _order(self, records):
        is_position = [key.endswith(b"/position") for key, _ in records]
        position = records[is_position.index(True)]
        super()._order([position, *(record for record in records if record is not position)])


class Hasty(Worker):
    """Writes its checkpoint before the outputs that are in it."""

    def _order(self, records):
        super()._order(records)
        self._barrier = 0


class Fenceless(CommandGate):
    def admit(self, command, now_ns):
        super().admit(command, now_ns)
        return Admitted(ordinal=1, resumed=False)


class FencelessExecutor(Executor):
    gate_type = Fenceless


class DeafExecutor(Executor):
    """Does not hear that its partition was given to another."""

    def revoke(self):
        pass


class CommitsFirst(Ingest):
    def _plan(self, effects, commit):
        self._todo.extend([commit, *effects])


BUGS = {
    "dedupe_forgotten": Cast(worker=ForgetfulWorker),
    "position_before_chunks": Cast(worker=PositionFirst),
    "outputs_after_checkpoint": Cast(worker=Hasty),
    "executor_without_fence": Cast(executor=FencelessExecutor),
    "executor_deaf_to_its_replacement": Cast(executor=DeafExecutor),
    "commit_before_append": Cast(ingest=CommitsFirst),
}
