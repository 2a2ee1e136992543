"""Names of weights as the first public releases of SD had them (right), by what diffusers calls them (left), for two levels."""

import re

RESNET = [
    (r"(resnets\.\d)\.norm1\.", r"\1.in_layers.0."),
    (r"(resnets\.\d)\.conv1\.", r"\1.in_layers.2."),
    (r"(resnets\.\d)\.time_emb_proj\.", r"\1.emb_layers.1."),
    (r"(resnets\.\d)\.norm2\.", r"\1.out_layers.0."),
    (r"(resnets\.\d)\.conv2\.", r"\1.out_layers.3."),
    (r"(resnets\.\d)\.conv_shortcut\.", r"\1.skip_connection."),
]
UNET = [
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^down_blocks\.0\.resnets\.0\.", "input_blocks.1.0."),
    (r"^down_blocks\.0\.downsamplers\.0\.conv\.", "input_blocks.2.0.op."),
    (r"^down_blocks\.1\.resnets\.0\.", "input_blocks.3.0."),
    (r"^down_blocks\.1\.attentions\.0\.", "input_blocks.3.1."),
    (r"^mid_block\.resnets\.0\.", "middle_block.0."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
    (r"^mid_block\.resnets\.1\.", "middle_block.2."),
    (r"^up_blocks\.0\.resnets\.(\d)\.", r"output_blocks.\1.0."),
    (r"^up_blocks\.0\.attentions\.(\d)\.", r"output_blocks.\1.1."),
    (r"^up_blocks\.0\.upsamplers\.0\.", "output_blocks.1.2."),
    (r"^up_blocks\.1\.resnets\.0\.", "output_blocks.2.0."),
    (r"^up_blocks\.1\.resnets\.1\.", "output_blocks.3.0."),
]
VAE = [
    (r"\.down_blocks\.(\d)\.resnets\.(\d)\.", r".down.\1.block.\2."),
    (r"\.down_blocks\.(\d)\.downsamplers\.0\.", r".down.\1.downsample."),
    (r"\.up_blocks\.0\.", ".up.3."),
    (r"\.up_blocks\.1\.", ".up.2."),
    (r"\.up_blocks\.2\.", ".up.1."),
    (r"\.up_blocks\.3\.", ".up.0."),
    (r"(\.up\.\d)\.resnets\.", r"\1.block."),
    (r"\.upsamplers\.0\.", ".upsample."),
    (r"\.mid_block\.resnets\.0\.", ".mid.block_1."),
    (r"\.mid_block\.resnets\.1\.", ".mid.block_2."),
    (r"\.mid_block\.attentions\.0\.group_norm\.", ".mid.attn_1.norm."),
    (r"\.mid_block\.attentions\.0\.to_([qkv])\.", r".mid.attn_1.\1."),
    (r"\.mid_block\.attentions\.0\.to_out\.0\.", ".mid.attn_1.proj_out."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
    (r"\.conv_norm_out\.", ".norm_out."),
]
LAYOUT = {
    "unet/diffusion_pytorch_model": ("model.diffusion_model.", RESNET + UNET),
    "vae/diffusion_pytorch_model": ("first_stage_model.", VAE),
    "text_encoder/model": ("cond_stage_model.transformer.", [(r"^(?!text_model\.)", "text_model.")]),
}
"""Begin of the names of a component's weights in a single file, and their patterns, by the component's own file."""


def renamed(tensors, names, prefix=""):
    """Renames tensors; a VAE's attention had convolutions of one pixel where diffusers has matrices."""
    found = {}
    for name, tensor in tensors.items():
        for pattern, replacement in names:
            name = re.sub(pattern, replacement, name)
        if re.search(r"mid\.attn_1\.(q|k|v|proj_out)\.weight", name):
            tensor = tensor[:, :, None, None]
        found[prefix + name] = tensor
    return found
