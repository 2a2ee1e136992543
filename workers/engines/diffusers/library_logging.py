"""Logging of diffusers and transformers: into our logs alone, without progress bars and quoted prompts."""

import logging

_ERRORS_ONLY = (
    "diffusers.pipelines",  # quotes cut-off prompts, and tells that a tiny autoencoder is no AutoencoderKL
    "diffusers.loaders",  # tells which parts a LoRA leaves alone; what cannot be used is an error of ours
    "transformers",  # advice for people who write with it
)
_HARMLESS = {
    # AutoencoderTiny writes this key itself and then wonders at it.
    "diffusers.configuration_utils": "The config attributes {'block_out_channels'",
    # An empty list of modules to look after, on every move to a device.
    "diffusers.models.modeling_utils": "should be kept in float32: []",
}
"""Part of each harmless message, by logger."""


def configure_library_logging() -> None:
    """Sets up both libraries for a worker; may be repeated. Their errors go to the root logger."""
    import transformers
    from diffusers.utils import logging as diffusers_logging

    for library in (diffusers_logging, transformers.utils.logging):
        library.disable_default_handler()
        library.enable_propagation()
        library.disable_progress_bar()
    for name in _ERRORS_ONLY:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in _HARMLESS:
        logging.getLogger(name).addFilter(_tells_something)


def _tells_something(record: logging.LogRecord) -> bool:
    return _HARMLESS[record.name] not in record.getMessage()
