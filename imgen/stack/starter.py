"""The starter model's place: until trained weights ship in config/, a stand-in with random ones is built into the data folder."""

import subprocess
import sys
from pathlib import Path

from imgen.domain.errors import ConfigurationError
from imgen.settings import Settings, load_catalog

SOURCE = "starter"
ROOT = Path(__file__).resolve().parents[2]


def is_missing(settings: Settings) -> bool:
    """Whether a configured model wants the starter and no folder has it."""
    wanted = any(
        model.source == SOURCE and model.backend == "diffusers" for model in load_catalog(settings).models.values()
    )
    return wanted and not any((folder / SOURCE / "model_index.json").is_file() for folder in settings.model_folders)


def build(settings: Settings) -> None:
    """Builds the stand-in, in a process of its own: this one must not load torch.

    Raises:
        ConfigurationError: it could not be built; the message holds the program's last words.
    """
    command = [sys.executable, "-m", "starter.stand_in", str(settings.data_dir / "models" / SOURCE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - the command is ours
    if done.returncode:
        last_words = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise ConfigurationError(f"The stand-in for the starter model could not be built: {last_words}")
