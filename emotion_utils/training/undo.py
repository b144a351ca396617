"""A model as it was: what an error in training leaves behind."""

import torch
from torch import nn

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
        for module, mode in self.modes:
            module.training = mode

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
