"""The commands of `lafunc eval`."""

import argparse

from . import accuracy


def add_commands(parser: argparse.ArgumentParser) -> None:
    """One command per question."""
    commands = parser.add_subparsers(required=True, metavar="QUESTION")
    for name, module, about in (
        ("bfcl", accuracy, "accuracy on the Berkeley Function-Calling Leaderboard, and what went wrong"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
