"""Kinds of files of weights, told by the names of their tensors: so that a wrong file is named as what it is."""

import re
from collections.abc import Iterable

CHECKPOINT = "a whole model"
DENOISER = "a denoiser without the rest of its model"
LORA = "a LoRA"

_ADAPTERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a Control-LoRA", re.compile(r"^lora_controlnet$")),
    ("a LoRA of the kind DoRA", re.compile(r"dora_scale|lora_magnitude_vector")),
    ("a LoRA of the kind LoHa", re.compile(r"\.hada_[wt]\d")),
    ("a LoRA of the kind LoKr", re.compile(r"\.lokr_[wt]\d")),
    ("a LoRA of the kind OFT", re.compile(r"\.b?oft_(blocks|diag|R|S)\b|\.oft_R\.")),
    ("a LoRA of the kind (IA)³", re.compile(r"\.on_input$|\.ia3_l\b")),
    ("a LoRA of the kind VeRA", re.compile(r"\.vera_lambda_[bd]\b")),
    ("a LoRA of the kind GLoRA", re.compile(r"^lora_\w+\.[ab][12]\.weight$|^lycoris_\w+\.[ab][12]\.weight$")),
    ("a LoRA with Tucker-decomposed layers", re.compile(r"\.lora_(mid|t1|t2)\b")),
    ("a LoRA with whole differences of weights", re.compile(r"\.(diff|diff_b|set_weight)$")),
    ("a LoRA", re.compile(r"lora_[AB]\b|lora_(down|up)\b|lora\.(down|up)\.|_lora\d?\.(down|up)\.|lora_linear_layer")),
    ("a ControlNet", re.compile(r"^control_model\.|^controlnet_|\bcontrolnet_\w+\.|input_hint_block")),
    ("an IP-Adapter", re.compile(r"^(image_proj|ip_adapter)\.")),
    ("a motion module", re.compile(r"\bmotion_modules\.")),
)
"""Kinds that add to a model, the more special ones first; some of their names are also those of models."""

_DENOISER = re.compile(
    r"^(model\.diffusion_model|double_blocks|single_blocks|joint_blocks|transformer_blocks|single_transformer_blocks"
    r"|down_blocks|up_blocks|mid_block|input_blocks|output_blocks|middle_block)\."
)
_PARTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a T2I-Adapter", re.compile(r"^(adapter\.)?body\.\d+\.(block\d|in_conv|resnets)\b")),
    (
        "an upscaler",
        re.compile(
            r"^(module\.|params\.|params_ema\.)?"
            r"(conv_first|conv_last|RRDB_trunk|conv_body|conv_before_upsample|upconv1|HRconv|upsample\.0)\."
            r"|\bresidual_group\.|\.rdb\d\.|^model\.1\.sub\.|^body\.\d+\.weight$",
            re.IGNORECASE,
        ),
    ),
    (
        "a VAE",
        re.compile(
            r"^(first_stage_model\.|vae\.)?(encoder|decoder)\.(conv_in|conv_out|conv1|down|up|mid|middle|down_blocks"
            r"|up_blocks|mid_block|downsamples|upsamples)\b|\bpost_quant_conv\.|^taesd_|^(encoder|decoder)\.layers\.\d+\.conv\."
        ),
    ),
    ("a safety checker", re.compile(r"^(concept_embeds|special_care_embeds)\b")),
    (
        "a text encoder",
        re.compile(
            r"\btext_model\.|^(cond_stage_model|conditioner|text_encoders?)\.|^encoder\.block\.\d+\.layer\.|^shared\.weight$"
            r"|^(transformer\.)?resblocks\.|\btext_projection\b|^encoder\.layers\.\d+\.self_attn\."
            r"|\btoken_embedding\.|^(language_model\.)?(model\.)?(language_model\.)?(layers\.\d+\.self_attn|embed_tokens)\."
        ),
    ),
    ("an image encoder", re.compile(r"^(vision_model|visual|visual_projection|embeddings)\.")),
    (
        "a textual inversion",
        re.compile(r"^(emb_params|clip_[lgh]|t5xxl|string_to_param\W.*|text_encoders_[01]|<.{1,80}>)$"),
    ),
)
"""Kinds of single parts of a model, and of other networks."""


def kind_of(names: Iterable[str]) -> str:
    """Returns the kind of a file by the names of its tensors, with its article; empty: unknown."""
    keys = list(names)
    if found := _first(_ADAPTERS, keys):
        return found
    part = _first(_PARTS, keys)
    if any(map(_DENOISER.search, keys)):
        return CHECKPOINT if part else DENOISER
    return part


def adapter_kind(names: Iterable[str]) -> str:
    """Returns the kind of a file that adds to a model; empty: it does not."""
    return _first(_ADAPTERS, list(names))


def _first(kinds: tuple[tuple[str, re.Pattern[str]], ...], keys: list[str]) -> str:
    return next((kind for kind, pattern in kinds if any(map(pattern.search, keys))), "")
