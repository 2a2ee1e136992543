"""The prompt, the key and the times of all tests of the enhancer."""

from pathlib import Path

from imgen.domain.prompt import Parsed

CONFIG = Path(__file__).parents[3] / "config"
INSTRUCTIONS = (CONFIG / "prompts" / "enhance.md").read_text("utf-8")
KEY = "sk-0123456789abcdefCANARY"
TIMEOUT_S = 0.5
ALLOWED_S = 1.5 * TIMEOUT_S
"""Both tries together."""
PROMPT = Parsed(character="quillon", positive=("red coat", "on a bench"), negative=("zeppelin",))
