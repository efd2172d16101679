"""The machine: CPUs, memory, a scheduler, and the processes on it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import simpy

from simulator import books
from simulator.bank import Bank
from simulator.calls import CallError, Calls
from simulator.currencies import BASE, TicketError
from simulator.dispatcher import Dispatcher
from simulator.errors import TimeshareError
from simulator.groups import ROOT, GroupError, parents_first, terms_of, unknown_group
from simulator.killing import Reaper
from simulator.kills import KillRecord, case_for
from simulator.memory.base_and_bounds import BaseAndBoundsMechanism
from simulator.memory.control import MemoryControl
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import MemoryFault, OutOfMemory, ProcessAbort
from simulator.memory.format import format_bytes
from simulator.memory.heap_config import FIRST_FIT
from simulator.memory_calls import MemoryCalls
from simulator.memory_samples import keep_figures, sample_controls, sample_memory
from simulator.memory_work import MemoryWork
from simulator.oom import KILL_ASKING
from simulator.process import ExitRecord, Process, ProcessExit, ProcessState
from simulator.process_memory import ProcessMemory, Repetition
from simulator.recordings import KernelEvent, MemoryErrorRecord, Recordings
from simulator.streams import Streams
from simulator.syscalls import SystemCalls
from simulator.tables import NOBODY
from simulator.tickets import Economy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from simulator.burst import Burst
    from simulator.dispatcher import Engine
    from simulator.groups import Group
    from simulator.hardware import Hardware
    from simulator.kills import Case
    from simulator.memory.address_space import Layout
    from simulator.memory.heap_config import HeapConfig
    from simulator.memory.mechanism import Mechanism
    from simulator.memory.memcheck.diagnosis import Diagnosis
    from simulator.memory.memcheck.memcheck import Mode
    from simulator.process import Program
    from simulator.schedulers.base import Scheduler
    from simulator.sources import Source

KILLED = 128 + signal.SIGKILL
SEGMENTATION_FAULT = 128 + signal.SIGSEGV
ABORTED = 128 + signal.SIGABRT


class ProgramError(TimeshareError):
    """A program raised an error of its own, which no simulated hardware would have."""


class Machine:
    """A simulated computer.

    Build it, `spawn` processes, `run` it once, then read `processes`, `final_states`, `dispatcher.state` and
    `recordings`.

    Args:
        scheduler: the policy, freshly made.
        hardware: CPUs, their timer and their costs.
        memory_bytes: physical memory, under base and bounds.
        mechanism: how addresses are translated, freshly made; None for base and bounds.
        seed: of all random streams.
        replication: which independent repetition.
        engine: how spans are run: "auto", "interpreted" or "compiled".
        slices: how many finished slices are kept on record; None for all.
        economy: currencies for the processes' tickets; None where there is only the base.
        recordings: where what happens is written; None keeps it in memory.
        groups: by name, the groups that processes may be in.
        killer: the rule by which a process is killed when memory runs out, one of `simulator.oom.KILLERS`.

    Raises:
        PolicyError: groups, and a policy that does not look at them.
        GroupError: groups that cannot be.

    Attributes:
        groups: the names of all groups by number, `ROOT` first.
        group_terms: by name, the terms of all but the root.
        watched: the claims on memory that are sampled.
        reaper: kills processes for others' need of memory.
    """

    def __init__(  # noqa: PLR0913 - the parts of a computer
        self,
        scheduler: Scheduler,
        hardware: Hardware,
        *,
        memory_bytes: int = 0,
        mechanism: Mechanism | None = None,
        seed: int = 0,
        replication: int = 0,
        engine: Engine = "auto",
        slices: int | None = 0,
        economy: Economy | None = None,
        recordings: Recordings | None = None,
        groups: Mapping[str, Group] | None = None,
        killer: str = KILL_ASKING,
    ) -> None:
        economy = economy or Economy()
        self.group_terms = dict(groups or {})
        self.groups = parents_first(self.group_terms)
        self.streams = Streams(seed, replication)
        self.recordings = recordings or Recordings()
        self.dispatcher = Dispatcher(
            scheduler,
            hardware,
            draws=self.streams.named("scheduler"),
            recordings=self.recordings,
            engine=engine,
            slices=slices,
            groups=terms_of(groups or {}, hardware.cpus, economy.scale),
        )
        self.clock = self.dispatcher.clock
        self.mechanism = mechanism or BaseAndBoundsMechanism(memory_bytes, MemoryCosts())
        self.mechanism.now_ns = lambda: int(self.dispatcher.state.totals.now_ns[0])
        self.memory = self.mechanism.memory
        self.processes: list[Process] = []
        self.reaper = Reaper(
            self.dispatcher, self.mechanism, self.processes, killer, self._end_killed, self.tell
        )
        self.shortages, self.throttle = self.reaper.shortages, self.reaper.throttle
        self.memory_calls = MemoryCalls(self.mechanism, self.dispatcher, self.tell, self._diagnose)
        reference_ns = self.mechanism.costs.reference_ns
        self.memory_work = MemoryWork(self.memory_calls, self.dispatcher, self.reaper, reference_ns)
        self.bank = Bank(economy, self.dispatcher, self._tell_tickets)
        self.calls = Calls(self.bank)
        self.final_states: list[ProcessState] = []
        self._sampled_ns = 0
        self._progress: Callable[[int], None] = lambda _now: None
        self.watched: Sequence[MemoryControl] = ()

    def spawn(  # noqa: PLR0913 - all that is particular to a process
        self,
        name: str,
        program: Program,
        *,
        tickets: int,
        layout: Layout,
        start_ns: int = 0,
        affinity: int | None = None,
        currency: str = BASE,
        threads: int = 1,
        heap: HeapConfig = FIRST_FIT,
        group: str = ROOT,
        control: MemoryControl | None = None,
        memcheck: Mode = "off",
    ) -> Process:
        """Create a process that starts at `start_ns`; `affinity` has a bit for each CPU it may run on.

        Its address space is allocated when it starts; if memory has no room for it then, it is refused,
        which its exit record tells. Its tickets are tickets of `currency`. Its heap is run as `heap` says.
        With several threads it executes bursts as a team (`simulator.teams`); each of them has that many
        tickets, as each thread of a Linux process has the weight of its nice value. In a group, tickets claim
        a part of what the group gets. Its memory is charged to `control`; left out, to a claim of its own.
        `memcheck` says whether what it does with memory is looked at.

        Raises:
            TicketError: a negative amount, an unknown currency, or more tickets than can be.
            PolicyError: affinity, and a policy that does not look at it.
            GroupError: an unknown group.
        """
        if group not in self.groups:
            raise GroupError(unknown_group(group, self.groups[1:]))
        number = self.groups.index(group)
        pids = [self.bank.open(tickets, currency, affinity, number) for _ in range(threads)]
        claim = MemoryControl(name) if control is None else control
        process = Process(pids[0], name, start_ns, threads, group=group, control=claim)
        process.heap_room_bytes = layout.heap_bytes
        self._admit(process)
        for pid in pids[1:]:
            self._admit(Process(pid, name, start_ns, leader=process, group=group, control=claim))
        if threads > 1:
            self.dispatcher.state.new_team(process.pid, threads)

        def make_memory() -> ProcessMemory:
            log = process.heap_log
            return ProcessMemory.create(
                self.mechanism,
                layout,
                process.name,
                heap=heap,
                log=log,
                control=claim,
                memcheck=memcheck,
            )

        self._begin(process, program, make_memory)
        return process

    def fork(self, parent: Process, program: Program, tickets: int | None) -> int:
        """Create a child that begins now with a copy of its parent's memory; return its pid.

        It has one thread, as a child has of a process that calls fork on Linux.

        Raises:
            OutOfMemory, ForkError: as `Mechanism.fork`.
            TicketError: an amount of tickets that cannot be.
        """
        memory = self.memory_calls.fork(parent)
        economy, affinity = self.bank.economy, int(self.dispatcher.state.processes.affinity[parent.pid])
        amount = economy.owned(parent.pid) if tickets is None else tickets
        currency = economy.currency_of(parent.pid)
        group = self.groups.index(parent.group)
        pid = self.bank.open(amount, currency, None if affinity < 0 else affinity, group)
        child = Process(pid, parent.name, self.clock.now_ns, group=parent.group, control=parent.control)
        child.heap_room_bytes = parent.heap_room_bytes
        self._admit(child)
        self.tell(parent, "fork", f"process {pid}")
        self._begin(child, program, lambda: memory)
        return pid

    def wait_for(self, pid: int) -> simpy.Event:
        """Return an event that happens when a process has ended, at once if it has.

        Raises:
            CallError: there is no process of that pid.
        """
        if not 0 <= pid < len(self.processes):
            raise CallError(f"cannot wait for process {pid}: there is none")
        process, event = self.processes[pid], self.clock.event()
        if process.ended is not None:
            return event.succeed(process.ended)
        (process.leader or process).waiting.append(event)
        return event

    def set_tickets(self, process: Process, tickets: int) -> None:
        """Change a process's own tickets, in its currency, from now on.

        Raises:
            TicketError: a negative number, or fewer than others hold of them.
        """
        for pid in process.pids:
            self.bank.set_tickets(pid, tickets)

    def set_memory_tickets(self, process: Process, tickets: int) -> None:
        """Change the memory tickets of a process's job from now on; raises TicketError below 1."""
        if tickets < 1:
            raise TicketError(f"{process.name} would have {tickets} memory tickets; the least is 1")
        before, process.control.tickets = process.control.tickets, tickets
        self.tell(process, "tickets", f"memory tickets {before} -> {tickets}")

    def watch_controls(self, controls: Sequence[MemoryControl]) -> None:
        """Have claims on memory sampled at the end of every window."""
        self.watched = controls

    def serve(self, process: Process, source: Source, burst: Burst, rounds: int) -> simpy.Event:
        """Let the kernel answer so many requests for a process whose heap the burst leaves as it found it."""
        pid, number, state = process.pid, source.number, self.dispatcher.state
        event = self.dispatcher.awaited.serve(pid, number, burst, rounds)
        if process.memory is not None:
            repetition = Repetition(
                served=lambda: int(state.sources.served[number]),
                busy=lambda: bool(state.sources.current[number] != NOBODY),
                began_ns=self.received_ns(process),
                interrupt=lambda: self.dispatcher.awaited.end_service(pid),
            )
            event.callbacks.append(process.memory.end_repetition)
            process.memory.repeat(burst, repetition)
        return event

    def served(self, source: Source) -> int:
        """Return how many requests the kernel has answered since `serve` was last called for a source."""
        return int(self.dispatcher.state.sources.served[source.number])

    def received_ns(self, process: Process) -> int:
        """Return the CPU time that a process's threads have received and that has been booked."""
        received = self.dispatcher.state.processes.cpu_ns
        return int(received[process.pid : process.pid + process.threads].sum())

    def run(self, until_ns: int, *, window_ns: int, progress: Callable[[int], None] | None = None) -> None:
        """Simulate up to `until_ns`, sampling at the end of every window; then close the books.

        Args:
            until_ns: the end, in nanoseconds.
            window_ns: width of the windows.
            progress: called with the time at the end of every window.

        Raises:
            ProgramError: a program raised an error of its own.
            PolicyError: the scheduler broke its contract.
            InvariantError: the books do not balance.
        """
        self._progress = progress or self._progress
        self.dispatcher.watch_windows(window_ns, self._sample)
        self.clock.run(until=until_ns)
        if self._sampled_ns < until_ns:
            self._sample(until_ns)
        self.final_states = [self.state_of(process) for process in self.processes]
        self.dispatcher.close()
        for process in self.processes:
            keep_figures(self.recordings, process, self.received_ns(process))
        self.dispatcher.write_out()
        self.mechanism.check()

    def state_of(self, process: Process) -> ProcessState:
        """Return what a process is doing now."""
        if process.ended is not None:
            return ProcessState.ZOMBIE
        if (process.leader or process).memory is None:
            return ProcessState.EMBRYO
        if self.dispatcher.is_running(process.pid):
            return ProcessState.RUNNING
        return ProcessState.READY if self.dispatcher.is_ready(process.pid) else ProcessState.BLOCKED

    def _begin(self, process: Process, program: Program, make_memory: Callable[[], ProcessMemory]) -> None:
        self.reaper.know(process, self.clock.process(self._life(process, program, make_memory)))

    def _life(
        self, process: Process, program: Program, make_memory: Callable[[], ProcessMemory]
    ) -> Generator[simpy.Event, Any, None]:
        if process.arrived_ns > self.clock.now_ns:
            yield self.clock.timeout(process.arrived_ns - self.clock.now_ns)
        try:
            space = self.memory_calls.give(process, make_memory())
        except OutOfMemory as error:
            self._end(process, KILLED, "refused", str(error), case_for(process, error, self.shortages.killer))
            return
        self.tell(process, "spawn", f"address space of {format_bytes(space.virtual_bytes)}")
        code, kind, reason = 0, "exited", ""
        case: Case | None = None
        try:
            yield from self.memory_work.pay(process)
            process.running = program(SystemCalls(self, process))
            yield from process.running
            yield from self.memory_work.pay(process)
        except simpy.Interrupt:
            return  # the reaper has seen to everything
        except ProcessExit as end:
            code = end.code
        except OutOfMemory as error:
            code, kind, reason = KILLED, "killed", f"out of memory: {error}"
            case = case_for(process, error, self.shortages.killer)
        except MemoryFault as error:
            code, kind, reason = SEGMENTATION_FAULT, "killed", str(error)
        except ProcessAbort as error:
            code, kind, reason = ABORTED, "killed", f"abort: {error}"
        except Exception as error:
            what = f"{type(error).__name__} at {self.clock.now_ns} ns: {error}"
            raise ProgramError(f"job '{process.name}': its program raised {what}") from error
        self._end(process, code, kind, reason, case)

    def _end_killed(self, process: Process, reason: str, case: Case) -> None:
        self._end(process, KILLED, "killed", reason, case)

    def _admit(self, process: Process) -> None:
        self.processes.append(process)
        self.recordings.jobs.append(process.name)

    def _end(self, process: Process, code: int, kind: str, reason: str, case: Case | None = None) -> None:
        process.ended = ExitRecord(self.clock.now_ns, code, f"{kind}: {reason}" if reason else kind)
        if case is not None:
            self.recordings.kills.append(KillRecord(self.clock.now_ns, process.pid, kind, reason, case))
            for one in process.control.lineage() if kind == "killed" else ():
                one.oom_kills += 1
        keep_figures(self.recordings, process, self.received_ns(process))
        for pid in process.pids:
            self.processes[pid].ended = process.ended
            self.bank.close(pid)
        self.calls.end(process)
        self.memory_calls.take(process)
        for event in process.waiting:
            event.succeed(process.ended)
        process.waiting.clear()
        words = {"exited": "exit", "killed": "kill", "refused": "refuse"}
        self.tell(process, words[kind], reason or f"exit code {code}")
        self.mechanism.check()

    def tell(self, process: Process, kind: str, detail: str) -> None:
        """Put on record that something happened to a process."""
        self.recordings.events.append(KernelEvent(self.clock.now_ns, process.pid, kind, detail))

    def _diagnose(self, process: Process, diagnosis: Diagnosis) -> None:
        record = MemoryErrorRecord(self.clock.now_ns, process.pid, diagnosis)
        self.recordings.memory_errors.append(record)

    def _tell_tickets(self, pid: int, detail: str) -> None:
        self.recordings.events.append(KernelEvent(self.clock.now_ns, pid, "tickets", detail))

    def _sample(self, now: int) -> None:
        state, count = self.dispatcher.state, len(self.processes)
        received, entitled = books.cpu_ns_by_now(state), books.entitled_ns_by_now(state)
        for pid in state.cpus.last_pid.tolist():
            if pid != NOBODY:
                self.memory_calls.note_on_cpu(self.processes[pid].leader or self.processes[pid])
        samples = sample_memory(now, self.processes, received, self.mechanism)
        if self.watched:
            samples = samples._replace(controls=sample_controls(now, self.watched, self.shortages.entitled()))
        self.memory.charges.check(self.memory.used_bytes)
        self.recordings.add_window(now, received[:count], entitled[:count], samples)
        self._sampled_ns = now
        self._progress(now)
