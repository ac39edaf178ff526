"""The commands of `lafunc data`."""

import argparse

from . import mixture, synthesis


def add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="ACTION")
    for name, module, about in (
        ("build", mixture, "public sets to one mixture of training rows, with its card"),
        ("synthesize", synthesis, "training rows from tools alone, by templates or by a teacher model"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
