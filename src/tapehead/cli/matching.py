"""`tapehead train --match-parameters`: as large as another machine."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from tapehead.cli.base import given
from tapehead.cli.command import print_json
from tapehead.cli.options import UsageError
from tapehead.runs.config import TrainConfig


@runtime_checkable
class Options(Protocol):
    """Of `train`."""

    @property
    def match_parameters(self) -> str | None: ...
    @property
    def setting(self) -> str: ...
    @property
    def quiet(self) -> bool: ...
    @property
    def json(self) -> bool: ...


def matched(command: Options, config: TrainConfig, argv: Sequence[str]) -> TrainConfig:
    """The settings with the width that --match-parameters asks for; says what it came to.

    Raises:
        UsageError: the width is among the words too.
        ValueError: there is no such machine, or no width; one line names the option.
    """
    other = command.match_parameters
    if other is None:
        return config
    from tapehead.recipes.matching import match_parameters, width_of

    flag = f"--{width_of(config.machine).replace('_', '-')}"
    if given([token.replace("_", "-") for token in argv], flag) is not None:
        raise UsageError(f"--match-parameters chooses {flag}: leave one of them out")
    found = match_parameters(config, other, command.setting)
    size = found.config.machine_options[found.width]
    if command.json:
        counts = {"parameters": found.parameters, "wanted": found.wanted}
        print_json({"event": "matched", "option": found.width, "value": size, **counts})
    elif not command.quiet:
        print(
            f"{flag} {size}: {config.machine} has {found.parameters:,} parameters, "
            f"{other} has {found.wanted:,}"
        )
    return found.config
