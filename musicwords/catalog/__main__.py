"""Embed a catalog of audio, and search it by words: ``musicwords-catalog --help``."""

import argparse
import sys

from musicwords.catalog import embed_command, info_command, search_command

COMMANDS = {"embed": embed_command, "search": search_command, "info": info_command}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    for stream in (sys.stdout, sys.stderr):  # names of any script, also where the system's encoding has none
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="musicwords-catalog", description=__doc__.split(":")[0] + ".")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        command.add_arguments(
            commands.add_parser(
                name,
                help=command.__doc__.split("\n")[0],
                description=command.__doc__,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    options = parser.parse_args(arguments)
    return COMMANDS[options.command].main(options)


if __name__ == "__main__":
    sys.exit(main())
