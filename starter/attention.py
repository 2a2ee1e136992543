"""Attention for training on a CPU, one picture after the other: scores stay in the cache. PyTorch's own takes twice as long."""

from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

_by_score = torch.ops.aten._softmax_backward_data  # noqa: SLF001 - PyTorch has no other name for it


class PictureByPicture:
    """Processor of SD3's joint attention, with the same result as `JointAttnProcessor2_0`."""

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor, **_masks: None
    ) -> tuple[Tensor, Tensor]:
        """Returns (batch, places, width) and (batch, tokens, width), each after attending to both."""
        places = hidden_states.shape[1]
        picture = _heads(attn, hidden_states, (attn.to_q, attn.to_k, attn.to_v), (attn.norm_q, attn.norm_k))
        text = _heads(
            attn,
            encoder_hidden_states,
            (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj),
            (attn.norm_added_q, attn.norm_added_k),
        )
        query, key, value = (torch.cat(parts, dim=2) for parts in zip(picture, text, strict=True))
        joined = attend(query.to(value), key.to(value), value).transpose(1, 2).flatten(2)
        seen, read = joined[:, :places], joined[:, places:]
        return attn.to_out[0](seen), read if attn.context_pre_only else attn.to_add_out(read)


@torch.library.custom_op("starter::attend", mutates_args=())
def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Computes softmax attention of (batch, heads, tokens, width) each."""
    batch, heads, tokens, width = query.shape
    made = query.new_empty(batch, tokens, heads, width).transpose(1, 2)
    shares = query.new_empty(heads, tokens, tokens)
    with torch.autocast("cpu", enabled=False):
        for number in range(batch):
            made[number] = _shares(query[number], key[number], shares) @ value[number]
    return made


@torch.library.custom_op("starter::attend_backward", mutates_args=())
def _attend_backward(change: Tensor, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Computes the gradients of query, key and value; recomputes the shares, which is cheaper than to keep them."""
    batch, heads, tokens, width = query.shape
    by_query, by_key, by_value = (
        torch.empty_like(one, memory_format=torch.contiguous_format) for one in (query, key, value)
    )
    shares, by_share = query.new_empty(2, heads, tokens, tokens)
    for number in range(batch):
        given = change[number]
        _shares(query[number], key[number], shares)
        torch.matmul(shares.transpose(1, 2), given, out=by_value[number])
        torch.matmul(given, value[number].transpose(1, 2), out=by_share)
        by_score = _by_score(by_share, shares, -1, shares.dtype).mul_(width**-0.5)
        torch.matmul(by_score, key[number], out=by_query[number])
        torch.matmul(by_score.transpose(1, 2), query[number], out=by_key[number])
    return by_query, by_key, by_value


def _shares(query: Tensor, key: Tensor, out: Tensor) -> Tensor:
    """Computes the shares, (heads, tokens, tokens), each row of sum 1."""
    return torch.softmax((query * query.shape[-1] ** -0.5) @ key.transpose(1, 2), -1, out=out)


def _heads(
    attn: Attention, hidden: Tensor, projections: tuple[nn.Linear, ...], norms: tuple[nn.Module, nn.Module]
) -> tuple[Tensor, Tensor, Tensor]:
    """Projects to query, key and value, (batch, heads, tokens, width) each."""
    query, key, value = (one(hidden).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for one in projections)
    return norms[0](query), norms[1](key), value


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001 - PyTorch names and gives both
    ctx.save_for_backward(*inputs)


def _gradients(ctx: Any, change: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _attend_backward(change, *ctx.saved_tensors)


attend.register_autograd(_gradients, setup_context=_keep)
