"""Trained machines as folders, in the package (the zoo), on a disk or on the Hugging Face hub:

    config.json         the machine's name and options; size and SHA-256 of the weights
    model.safetensors   its weights, by parameter name
    README.md           its card

Nothing in them is code, and loading runs none: a machine is one of ours, of an installed package
that declares it, or of the very class that is asked.
"""

import json
import math
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor

from tapehead.checks import did_you_mean, listed, shown
from tapehead.errors import TapeheadError
from tapehead.files import fingerprint
from tapehead.machines.fitting import misfit
from tapehead.machines.options import Configured
from tapehead.registry import MACHINES
from tapehead.zoo import ZOO, names

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
KIND, FORMAT = "tapehead machine", 1
Own = TypeVar("Own", bound="Pretrained")


class Pretrained(Configured):
    """A machine that is saved as a folder, and made from one.

    >>> import tempfile
    >>> import torch
    >>> from tapehead import LSTM
    >>> machine, x = LSTM(3, 2, hidden_size=4), torch.rand(1, 5, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     machine.save_pretrained(folder)
    ...     again = LSTM.from_pretrained(folder)
    >>> torch.equal(again(x)[0], machine(x)[0])
    True
    """

    _card: tuple[Mapping[str, Any], Mapping[str, Any], str] | None = None
    """Of a machine that was made from a folder: its options and the digest of its weights then, and
    what its card says of it."""

    def save_pretrained(self, folder: Path | str, *, card: str | None = None) -> None:
        """Write the machine's options, its weights and a card into a folder, which may be new.

        Args:
            folder: for `from_pretrained`, here or elsewhere.
            card: text of its README.md; None keeps the one that came with the machine while its
                options and weights are those it speaks of, and else writes how it is loaded.

        Raises:
            TypeError: an option is a function, which no file can hold.
            TapeheadError: the folder cannot be written.
        """
        weights = {
            name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()
        }
        data = safetensors.torch.save(weights, metadata={"kind": KIND})
        name = MACHINES.name_of(type(self))
        config = {
            "kind": KIND,
            "format": FORMAT,
            "machine": name,
            "options": _plain(self.options),
            "weights": fingerprint(data),
        }
        folder = Path(folder)
        if card is None and self._card is not None:
            *of, kept = self._card
            card = kept if of == [config["options"], config["weights"]] else None
        text = card if card is not None else _short_card(name, type(self).__name__)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / WEIGHTS).write_bytes(data)
            (folder / CARD).write_text(text, encoding="utf-8")
            (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise TapeheadError(f"cannot write to {folder}: {error.strerror}") from error

    @classmethod
    def from_pretrained(
        cls: type[Own],
        name: Path | str,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> Own:
        """A trained machine, ready to evaluate.

        Args:
            name: a folder of `save_pretrained`, a machine of the zoo ("ntm/copy", see
                `tapehead zoo`), or one of the Hugging Face hub ("user/name"), which needs
                `pip install torch-tapehead[hub]` and is kept in that library's cache.
            revision: of the hub, a branch, tag or commit.
            token: for the hub, as huggingface-hub takes it.

        Raises:
            TapeheadError: there is none, it is another class's machine, or its files are damaged.

        >>> import torch
        >>> from tapehead import NTM
        >>> machine = NTM.from_pretrained("ntm/copy")
        >>> vectors = (torch.rand(1, 5, 8) < 0.5).float()
        >>> x = torch.zeros(1, 11, 9)  # five vectors, the delimiter, and five empty steps
        >>> x[:, :5, :8], x[:, 5, 8] = vectors, 1
        >>> y, state = machine(x)
        >>> bool(((y[:, 6:] > 0) == (vectors > 0)).all())
        True
        """
        folder = _folder_of(name, revision, token)
        config = read_machine(folder)
        kind = _class_of(cls, config["machine"], folder)
        weights = read_weights(folder, config)
        try:
            with torch.random.fork_rng(devices=[]), torch.device("cpu"):
                machine = kind(**config["options"])
        except (TypeError, ValueError) as error:
            raise TapeheadError(f"{folder} does not fit this tapehead: {error}") from error
        dtypes = {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()}
        if len(dtypes) == 1:
            machine.to(dtypes.pop())
        problem = misfit(machine.state_dict(), weights)
        if problem is not None:
            raise TapeheadError(f"{folder / WEIGHTS} belongs to another machine: {problem}")
        machine.load_state_dict(weights)
        with suppress(OSError, UnicodeDecodeError):  # none came with it
            text = (folder / CARD).read_text(encoding="utf-8")
            machine._card = machine.options, config["weights"], text
        return machine.eval()

    def push_to_hub(
        self,
        name: str,
        *,
        card: str | None = None,
        private: bool = False,
        token: str | bool | None = None,
        message: str = "Machine of tapehead",
    ) -> str:
        """Put the machine on the Hugging Face hub; needs `pip install torch-tapehead[hub]`.

        Args:
            name: "user/name", made if it is not there yet.
            card: as for `save_pretrained`.
            private: whether only its owner sees it, if it is new.
            token: as huggingface-hub takes it.
            message: of the commit.

        Returns:
            The address of the commit.

        Raises:
            TapeheadError: huggingface-hub is not installed, or the hub refuses.
        """
        hub = _hub("push_to_hub")
        with tempfile.TemporaryDirectory() as folder, _hub_errors(f"push {name} to the hub"):
            self.save_pretrained(folder, card=card)
            api = hub.HfApi(token=token, library_name="tapehead")
            api.create_repo(name, private=private, exist_ok=True)
            done = api.upload_folder(repo_id=name, folder_path=folder, commit_message=message)
        return str(done.commit_url)


def read_machine(folder: Path) -> dict[str, Any]:
    """What config.json of a saved machine holds.

    Raises:
        TapeheadError: it is missing, damaged, something else, or of a newer tapehead.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise TapeheadError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise TapeheadError(f"{path} is damaged: not JSON ({error})") from error
    if not isinstance(config, dict) or config.get("kind") != KIND:
        raise TapeheadError(f"{path} is not of a machine that tapehead saved")
    if not isinstance(config.get("format"), int) or config["format"] > FORMAT:
        raise TapeheadError(
            f"{folder} was written by a newer tapehead (format {shown(config.get('format'))}; this "
            f"one reads up to {FORMAT}): update tapehead"
        )
    kinds = {"machine": str, "options": dict, "weights": dict}
    for name, kind in kinds.items():
        if not isinstance(config.get(name), kind):
            raise TapeheadError(f"{path} is damaged: {name} is {shown(config.get(name))}")
    return config


def read_weights(folder: Path, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a saved machine, by parameter name.

    Raises:
        TapeheadError: they are missing, or not those that config.json knows.
    """
    path = folder / WEIGHTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TapeheadError(f"cannot read {path}: {error.strerror}") from error
    if fingerprint(data) != config["weights"]:
        raise TapeheadError(f"{path} is damaged: its contents are not those that {CONFIG} knows")
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # whatever that library makes of bytes of another kind
        raise TapeheadError(f"{path} is damaged: it holds no tensors ({error})") from error


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that a file can hold."""
    for name, value in options.items():
        finite = not isinstance(value, float) or math.isfinite(value)
        if not (value is None or (isinstance(value, bool | int | float | str) and finite)):
            raise TypeError(f"{name} must be a plain value for a file to hold it, got {value!r}")
    return dict(options)


def _class_of(cls: type, name: str, folder: Path) -> type:
    """The class of a machine by its name in a file, which may be none that asks for an import."""
    if name == MACHINES.name_of(cls):
        return cls
    if name not in MACHINES.addresses:
        raise TapeheadError(
            f"{folder} holds a machine {shown(name)}, which is none of {listed(MACHINES.addresses)}"
            ": load it by its own class"
        )
    kind = MACHINES[name]
    if not issubclass(kind, cls):
        raise TapeheadError(
            f"{folder} holds {kind.__name__}, not {cls.__name__}: "
            f"use {kind.__name__}.from_pretrained, or Machine.from_pretrained for any"
        )
    return kind


def _folder_of(name: Path | str, revision: str | None, token: str | bool | None) -> Path:
    """The folder of a name: one on the disk, in the zoo, or fetched from the hub."""
    folder, text = Path(name), str(name)
    if (folder / CONFIG).is_file():
        return folder
    known = names()
    if text in known:
        return ZOO / text
    parts = text.split("/")
    if folder.exists() or len(parts) != 2 or not all(parts) or parts[0] in MACHINES.addresses:
        raise TapeheadError(
            f"there is no trained machine {shown(text)}: neither a folder with a {CONFIG} nor in "
            f"the zoo, which has {listed(known)}{did_you_mean(text, known)}"
        )
    hub = _hub("a machine of the hub")
    with _hub_errors(f"fetch {text} from the hub"):
        wanted = [CONFIG, WEIGHTS, CARD]
        return Path(
            hub.snapshot_download(text, revision=revision, token=token, allow_patterns=wanted)
        )


def _hub(what: str) -> Any:
    try:
        return import_module("huggingface_hub")
    except ImportError:
        raise TapeheadError(
            f"{what} needs huggingface-hub: pip install torch-tapehead[hub]"
        ) from None


class _hub_errors:
    """Whatever the hub says, as one line."""

    def __init__(self, doing: str):
        self._doing = doing

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, TapeheadError | TypeError):
            # "404 Client Error.", and below it what is not there.
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = " ".join(lines[:2]) or type(error).__name__
            raise TapeheadError(f"cannot {self._doing}: {reason}") from error


def _short_card(name: str, kind: str) -> str:
    return (
        f"---\nlibrary_name: tapehead\ntags: [{json.dumps(name)}]\n---\n\n"
        f"# A trained {kind}\n\n"
        f"```python\nfrom tapehead import Machine\n\n"
        'machine = Machine.from_pretrained("...")  # this folder, or its name on the hub\n```\n'
    )
