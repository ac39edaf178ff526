"""The commands of `lafunc eval`, one a question."""

import argparse

from . import ablations, accuracy, calibration, heldout, latency, overlap, report, retention, schemas


def add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="QUESTION")
    for name, module, about in (
        ("bfcl", accuracy, "accuracy on the Berkeley Function-Calling Leaderboard, and what went wrong"),
        ("rows", heldout, "held-out rows of the training data's form: modes, calls, values, missing values"),
        ("latency", latency, "time by mode; --growth: how it grows; --peers: other libraries on the same weights"),
        ("retention", retention, "chat and think mode against the bare base, bit for bit"),
        ("overlap", overlap, "training rows that meet an evaluation row"),
        (
            "calibration",
            calibration,
            "when a value counts as missing, and what a confidence is worth, on held-out rows",
        ),
        ("ablations", ablations, "what each part of the head and its training is good for, by small controlled runs"),
        ("schemas", schemas, "schemas that people write: accepted, invalid fillings, valid values that none makes"),
        ("report", report, "all result files as one page with plots"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
