"""How faithful a recording is, and what it costs.

    python benchmarks/recording.py [MODEL ...] [--runs N] [--out DIR]

Records each model (by default a light and a middling one) and holds the profile against what was measured
without instruments, in the same process and in turns: the sum of its times against plain CPU time per
inference, and the peak of its allocations against torch.profiler's own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import process_time_ns

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulator.errors import TimeshareError
from workloads.vision.profile import save_profile
from workloads.vision.record import RUNS, record


def main() -> None:
    """Record the models named on the command line and print one line of figures for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="*", default=["mobilenet_v3_small", "resnet18"], metavar="MODEL")
    parser.add_argument("--runs", type=int, default=RUNS, help="measured inferences (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="directory to write the profiles to")
    chosen = parser.parse_args()
    print(
        f"{'model':<30} {'input':>9} {'ops':>5} {'plain ms':>9} {'p10-p90':>15} {'sum/plain':>9} "
        f"{'python':>7} {'peak MiB':>9} {'peak ratio':>10} {'cost, inferences':>17}"
    )
    for model in chosen.models:
        begin = process_time_ns()
        try:
            profile = record(model, runs=chosen.runs)
        except TimeshareError as error:
            sys.exit(str(error))
        cost = (process_time_ns() - begin) / profile.plain_cpu_ns
        kinds = profile.ops.kind
        python_ns = sum(ns for ns, kind in zip(profile.ops.cpu_ns, kinds, strict=True) if kind == "python")
        spread = f"{profile.plain_cpu_p10_ns / 1e6:.2f}-{profile.plain_cpu_p90_ns / 1e6:.2f}"
        peak_ratio = profile.memory.peak_bytes / profile.peak_bytes if profile.peak_bytes else float("nan")
        print(
            f"{profile.model:<30} {'x'.join(map(str, profile.input_shape[2:])):>9} {kinds.count('op'):>5} "
            f"{profile.plain_cpu_ns / 1e6:>9.2f} {spread:>15} {profile.cpu_ns / profile.plain_cpu_ns:>9.3f} "
            f"{python_ns / profile.cpu_ns:>7.1%} {profile.peak_bytes / 2**20:>9.2f} {peak_ratio:>10.4f} "
            f"{cost:>17.0f}",
            flush=True,
        )
        if chosen.out:
            save_profile(profile, chosen.out / f"{profile.model}.json.gz")


if __name__ == "__main__":
    main()
