"""Linux's fair schedulers: what `Cfs` and `Eevdf` share (kernel/sched/fair.c).

- `scheduler`: the state, and the walk from the root of a CPU's queues to a process and back.
- `steps`: in what the two differ, one queue at a time.
- `entities`: how entities and queues are numbered; a queue's order; virtual time.
- `hierarchy`: groups join and leave their parent's queues; a group's weight on each CPU.
- `bandwidth`: a group's quota, its pool, and each CPU's part of it; `refill`: the timers that fill the pools.
- `balance`: on which CPU a process wakes, and which one moves to another.
- `weights`: tickets and weights; options and times.
"""
