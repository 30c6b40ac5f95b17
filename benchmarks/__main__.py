"""`python -m benchmarks [names]`: runs benchmarks and prints their ratios beside the targets.

A benchmark is a module of this package with `run(*, is_short: bool) -> Iterator[Ratio]`; add its name to BENCHMARKS.
"""

import argparse
import importlib
import platform
import sys

BENCHMARKS = (
    "planner",
    "closed_loop",
    "flexmeasures",
    "pipeline",
    "links",
    "event",
    "stop",
    "feeds",
    "ledger",
    "settlement",
    "payouts",
    "web",
)


def main() -> int:
    """Run the benchmarks asked for; returns 1 where a target is missed and --strict is given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Print ratios beside their targets.")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which (default: all)")
    parser.add_argument("--short", action="store_true", help="small instances: minutes become seconds")
    parser.add_argument("--strict", action="store_true", help="fail where a target is missed")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}; ratios of CPU time unless said otherwise")
    missed = 0
    for name in options.names or BENCHMARKS:
        print(f"\n{name}")
        for ratio in importlib.import_module(f"benchmarks.{name}").run(is_short=options.short):
            print(ratio.line(), flush=True)
            missed += ratio.is_met is False
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
