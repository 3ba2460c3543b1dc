"""Make the mini checkpoints again: run each step that is not done, or that was made of something else than today's.

python -m recipes              # hours of work; can be interrupted, run again to go on
python -m recipes clap         # this step and those after it; those before it are taken as they are
python -m recipes --dry-run    # only say which trainings would begin anew, and why
"""

import argparse
import subprocess
import sys

from recipes.common.inputs import RECORD, changed
from recipes.steps import STEPS, defaults, inputs_of


def state_of(name: str) -> str:
    """Say in a few words whether a step has to begin anew."""
    if not STEPS[name].checked:
        return "does what is missing"
    options = defaults(name)
    try:
        names = changed(options.work, inputs_of(name, options))
    except FileNotFoundError as error:
        return f"waits for what is not there yet: {error.filename or error}"
    if not names:
        return "is of today's inputs"
    if not (options.work / RECORD).is_file():
        return "is not there yet"
    return f"begins anew: {', '.join(names)}"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m recipes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", nargs="?", choices=STEPS, default="corpus", help="default: corpus")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    options = parser.parse_args()
    names = list(STEPS)[list(STEPS).index(options.first) :]
    for name in names:
        step = STEPS[name]
        print(f"{name}: {state_of(name)}", flush=True)
        if not options.dry_run:
            command = [sys.executable, "-m", f"recipes.{step.module or name}", *step.arguments]
            if code := subprocess.run(command).returncode:
                print(f"{name} failed; what is done stays, run again to go on.", file=sys.stderr)
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
