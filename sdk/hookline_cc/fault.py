"""What the user can do something about."""

import subprocess
import sys


class Fault(Exception):
    """Ends hookline-cc with its text and status 1."""


def warn(text):
    print(f"hookline-cc: warning: {text}", file=sys.stderr)


def run(command, verbose=False):
    """Runs a compiler or linker; its own words have explained a failure."""
    if verbose:
        print(" ".join(command), file=sys.stderr)
    try:
        status = subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        raise Fault(f"{command[0]} is not installed") from None
    if status != 0:
        raise Fault(f"{command[0]} failed")


def output_of(command, text=None):
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Fault(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        raise Fault(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout + done.stderr
