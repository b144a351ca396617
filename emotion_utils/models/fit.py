"""Do a network and data fit together? Judged before any training, by what the network gives for two images."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from emotion_utils.data.dataset import FaceDataset
from emotion_utils.data.variants import as_face_dataset
from emotion_utils.errors import ShapeError, brief, listed
from emotion_utils.models.classes import match_classes
from emotion_utils.models.handling import as_input, can_train, check_model, undisturbed, unwrap, warn
from emotion_utils.models.inference import as_rows, check_finite, normalised_for, spoilt_weights, warn_if_probabilities
from emotion_utils.models.shapes import Trace, explained, trace_shapes
from emotion_utils.models.views import FlipAverage

# Operations that end a network in something else than logits, by autograd's name, and those that may follow them.
ENDS = {"Sigmoid": "a sigmoid", "Relu": "a ReLU", "Softmax": "a softmax"}
HANDS_ON = ("View", "Squeeze", "Unsqueeze", "Reshape", "ToCopy", "Clone", "Alias", "Permute", "Transpose", "TBackward")


def check_fit(model: nn.Module, *datasets: FaceDataset | None, training: bool = False) -> Trace:
    """See, before any training, whether model and data fit together: one logit per class and image comes out.

    The model is asked for its output for two images of each data set, as it is; mode, buffers and random numbers stay.

    Args:
        model: any network from images `(N, 1, H, W)` to logits `(N, C)`.
        datasets: what it is to learn from and to be measured on; None is passed over.
        training: look also at what the model gives in training mode, where some return more than logits, and warn if
            it ends in a softmax or the like.

    Returns:
        What `trace_shapes` says of one image of the first data set (of two, if the model takes no single image).

    Raises:
        TypeError: no network, or no FaceDataset.
        ShapeError: a layer does not fit the one before, or the last one does not fit the classes; the message names
            the layer, the shapes and the likely fix.
        ValueError: the data sets have one class alone, or different ones, or the model knows others. (The same ones in
            another order are no error; `with_classes_of` brings them together.)
    """
    check_model(model, values=True)
    first, *others = [as_face_dataset(dataset) for dataset in datasets if dataset is not None]
    for other in others:
        match_classes(first.classes, other.classes)
    match_classes(model, first.classes)
    _check_choice(first, training)
    of_each_shape = {tuple(dataset.images.shape[1:]): dataset for dataset in (*reversed(others), first)}
    traces = {shape: _judge(model, dataset, training) for shape, dataset in of_each_shape.items()}
    return traces[tuple(first.images.shape[1:])]


def _check_choice(dataset: FaceDataset, training: bool) -> None:
    """See that there is something to tell apart; to learn from images of one class alone is allowed, and said."""
    if len(dataset.classes) < 2:
        raise ValueError(
            f"The data have one class, {brief(dataset.classes[0])}: a classifier chooses between at least two. Give "
            "the data set the names of all classes, also of those without an image."
        )
    seen = dataset.labels.unique()
    if training and len(dataset) > 1 and len(seen) == 1:
        warn(
            f"All {len(dataset):,} images to learn from are {brief(dataset.classes[int(seen)])}: a network will say "
            "that of every image. Give it images of other classes as well."
        )


def _judge(model: nn.Module, dataset: FaceDataset, training: bool) -> Trace:
    """Raise ShapeError unless the model gives `(N, C)` for images of this data set; return the trace of one of them."""
    trace = _trace_one_or_two(model, tuple(dataset.images.shape[1:]))
    images = normalised_for(model, dataset).with_augment(None).batch([0, len(dataset) - 1])[0]  # (2, 1, H, W)
    logits = _run(model, images, training=False)
    _check_logits(logits, dataset.classes, trace)
    _check_weights(model, logits)
    for views in (module for module in model.modules() if isinstance(module, FlipAverage)):
        warn_if_probabilities(_run(views.model, images, training=False))  # its own output hides what is inside
    if training:
        if not can_train(model):
            raise TypeError(f"model={type(model).__name__}: it was exported, and cannot be trained; give the network.")
        if any(parameter.is_inference() for parameter in model.parameters()):
            raise ValueError(
                f"model={type(model).__name__}: its weights were made under torch.inference_mode(), where nothing "
                "learns. Build or load it outside of that, or take copy.deepcopy(model)."
            )
        logits = _run(model, images, training=True)
        _check_logits(logits, dataset.classes, trace, " in training mode")
        _check_gradient(model, logits)
        _warn_of_hidden_weights(model, logits)
        if not warn_if_probabilities(logits):
            _warn_of_last_operation(logits)
    return trace


def _trace_one_or_two(model: nn.Module, image_shape: tuple[int, ...]) -> Trace:
    try:
        return trace_shapes(model, (1, *image_shape))
    except ShapeError as error:
        try:
            return trace_shapes(model, (2, *image_shape))  # some compare the images of a batch
        except ShapeError:
            raise error from error.__cause__


def _run(model: nn.Module, images: Tensor, training: bool) -> Any:
    """Give the model's output; in training with the record that gradients need."""
    model = unwrap(model)
    try:
        with explained(model), undisturbed(model, training), torch.set_grad_enabled(training):
            return model(as_input(images, model).clone())  # it may work in place, and is asked again
    except NotImplementedError as error:
        raise TypeError(f"model={type(model).__name__}: it cannot be trained ({error}); it was exported.") from error


def _check_logits(output: Any, classes: tuple[str, ...], trace: Trace, when: str = "") -> None:
    """Raise ShapeError unless the output for two images is float `(2, C)`."""
    count = len(classes)
    if not isinstance(output, Tensor):
        raise ShapeError(
            f"The model returned {_tell(output)}{when}: return the logits alone, one tensor (N, {count})."
            f"{_advise_on_several(output)}"
        )
    shape = tuple(output.shape)
    if output.layout != torch.strided or output.is_meta:
        as_rows(output, 2)  # says what it is
    if not output.is_floating_point():
        raise ShapeError(
            f"The model returned {output.dtype} of shape {shape}{when}: return logits, one float for each of the "
            f"{count} classes, without argmax."
        )
    if len(shape) != 2:
        ends_in_layer = bool(trace.rows) and trace.rows[-1].output_shape[1:] == shape[1:]
        end = f"ends in layer '{trace.rows[-1].name}', {trace.rows[-1].kind}, and gives" if ends_in_layer else "gives"
        raise ShapeError(
            f"The model {end} shape {shape} for two images{when}; a classifier gives (2, {count}). Put nn.Flatten() or "
            "a mean over height and width between the last map and the logits."
        )
    if shape[0] != 2:
        raise ShapeError(
            f"The model gives shape {shape} for two images{when}; a classifier gives (2, {count}), a row for each. "
            "Keep the first dimension as it is all the way through."
        )
    if shape[1] != count:
        last = next((f"Layer '{row.name}', {row.kind}," for row in reversed(trace.rows) if row.parameters), "The model")
        last = last if any(row.output_shape[1:] == shape[1:] for row in trace.rows) else "The model"
        raise ShapeError(
            f"{last} gives {shape[1]} logits per image{when}, and the data have {count} classes "
            f"({listed(classes, 7, 90)}): output shape {(1, *shape[1:])}. Build the model with classes={count} (its "
            f"last layer with out_features={count}), or keep {shape[1]} classes in the data as well: "
            "keep_classes(data, …)."
        )


def _check_gradient(model: nn.Module, logits: Tensor) -> None:
    """Raise ValueError if no gradient comes from the output to the weights, of which some are to learn."""
    learns = any(parameter.requires_grad for parameter in model.parameters())
    if learns and not logits.requires_grad:
        raise ValueError(
            f"The output of {type(unwrap(model)).__name__} has no gradient, so nothing could be learnt: compute it "
            "from the weights, without detach(), .data, .item(), NumPy or no_grad()."
        )


def _warn_of_hidden_weights(model: nn.Module, logits: Tensor) -> None:
    """Warn if the output comes from weights that PyTorch does not know to be the network's, as autograd's record tells.

    Layers in a plain list are such: they are used, and neither learn nor go into a file.
    """
    known, seen, steps = {id(parameter) for parameter in model.parameters()}, set(), [logits.grad_fn]
    hidden: dict[int, Tensor] = {}
    while steps:
        step = steps.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        steps += [before for before, _ in step.next_functions]
        leaf = getattr(step, "variable", None)  # of a step that would add up a gradient
        if isinstance(leaf, Tensor) and id(leaf) not in known:
            hidden[id(leaf)] = leaf
    if hidden:
        shapes = listed([str(tuple(leaf.shape)) for leaf in hidden.values()], 3)
        warn(
            f"{type(unwrap(model)).__name__} computes with weights that are no parameters of it, of shape {shapes}: "
            "they will not learn, and no file will hold them. Put layers of a list into nn.ModuleList, a tensor into "
            "nn.Parameter."
        )


def _check_weights(model: nn.Module, logits: Tensor) -> None:
    """Raise ValueError for a network that is spoilt; for other reasons two images may have no logits, and others do."""
    if not logits.float().isfinite().all() and spoilt_weights(model):
        check_finite(logits.float(), model)


def _advise_on_several(output: Any) -> str:
    """Say how to get at the logits of a model that returns more, as those of Hugging Face and GoogLeNet do."""
    named = isinstance(output, Mapping) and "logits" in output
    if isinstance(getattr(output, "logits", output["logits"] if named else None), Tensor):
        name = "output['logits']" if named and not hasattr(output, "logits") else "output.logits"
        if any(field.startswith("aux_logits") for field in getattr(output, "_fields", ())):
            return " Build it with aux_logits=False."
        return f" They are in {name}: give a small nn.Module whose forward returns that."
    return ""


def _tell(output: Any) -> str:
    """Say what a model returned that is no tensor."""
    kind = type(output).__name__
    if isinstance(output, Mapping):
        return f"a {kind} with {listed([str(key) for key in output], 4, 80)}"
    if isinstance(output, tuple | list):
        inside = [f"{tuple(each.shape)}" if isinstance(each, Tensor) else type(each).__name__ for each in output]
        return f"a {kind} of {len(output)} ({listed(inside, 4, 80)})"
    return f"a {kind}"


def _warn_of_last_operation(logits: Tensor) -> None:
    """Warn if the network ends in an operation after which cross-entropy learns badly, as autograd's record tells."""
    step = logits.grad_fn
    while step is not None and step.name().startswith(HANDS_ON) and step.next_functions:
        step = step.next_functions[0][0]
    name = "" if step is None else step.name().removesuffix("Backward0")
    if name in ENDS:
        warn(
            f"The network ends in {ENDS[name]}. Cross-entropy takes logits of any size and sign and applies a softmax "
            f"itself; after {ENDS[name]} it learns badly. Leave it out and end in a linear layer."
        )
