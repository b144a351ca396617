"""A model as it was: what an error in training leaves behind, and how weights lie in memory after any run."""

import torch
from torch import Tensor, nn

from emotion_utils.models.handling import place_of, unwrap


class Before:
    """How a model was before a run: weights, buffers, gradients, modes, device, and what it knew of its data."""

    def __init__(self, model: nn.Module) -> None:
        self.model = unwrap(model)
        self.device = place_of(model)[0]
        self.modes = [(module, module.training) for module in model.modules()]
        # With the tensors themselves their memory, device and layout come back, whatever `to` did.
        self.parameters = [(p, p.data, p.detach().clone(), p.grad) for p in model.parameters()]
        self.buffers = [
            (module, name, buffer, buffer.data, buffer.detach().clone())
            for module in model.modules()
            for name, buffer in module.named_buffers(recurse=False)
        ]
        self.attributes = dict(vars(self.model))

    def restore(self, weights: bool) -> None:
        """Bring the model back to the device and the modes that it had; with `weights`, all of it as it was."""
        if weights:
            self._restore_content()
        else:
            self.model.to(self.device)
            self.bring_layout_back()
        for module, mode in self.modes:
            module.training = mode

    def bring_layout_back(self) -> None:
        """Lay the numbers out in memory as they lay before, in the same memory if the device is the same.

        A run stores filters with the channel innermost, see `layout.py`. A reader who then writes
        `conv.weight.view(len(conv.weight), -1)`, or who kept `conv.weight.detach()`, counts on what was there before.
        """
        with torch.no_grad():
            for parameter, data, *_ in self.parameters:
                parameter.data = _laid_out_as(data, parameter.data)
                if parameter.grad is not None:
                    parameter.grad = _laid_out_as(data, parameter.grad, reuse=False)
            for module, name, _, data, _ in self.buffers:
                now = getattr(module, name, None)
                if isinstance(now, Tensor) and (laid_out := _laid_out_as(data, now)) is not now:
                    setattr(module, name, laid_out)

    def _restore_content(self) -> None:
        vars(self.model).update(self.attributes)
        for name in vars(self.model).keys() - self.attributes.keys():
            delattr(self.model, name)
        with torch.no_grad():
            for parameter, data, content, gradient in self.parameters:
                data.copy_(content)
                parameter.data, parameter.grad = data, gradient
            for module, name, buffer, data, content in self.buffers:
                data.copy_(content)
                buffer.data = data
                setattr(module, name, buffer)


def _laid_out_as(before: Tensor, now: Tensor, reuse: bool = True) -> Tensor:
    """Return the numbers of `now` in the order in memory of `before`, if that was the usual one."""
    if any(each.layout != torch.strided or each.ndim != 4 for each in (before, now)):
        return now  # only four dimensions have another order
    if before.stride() == now.stride() or not before.is_contiguous():
        return now
    same = (before.device, before.dtype, before.shape) == (now.device, now.dtype, now.shape)
    return before.copy_(now) if same and reuse else now.contiguous()
