"""Checks of notebook 04: the solution and an equivalent pass, typical wrong answers do not, a stub is *not yet*."""

import copy
import math
from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional
from verdicts import require_correct, require_not_yet, require_wrong

from emotion_utils.checks import nb04 as check
from emotion_utils.checks.range_tests import range_tests

CHECKS = (
    check.tanh_gradients,
    check.count_updates,
    check.epoch_mean,
    check.smoothed_cross_entropy,
    check.adam_step,
    check.early_stop,
    check.pick_rate,
)


# --- count_updates -----------------------------------------------------------------------------------------------


def updates(faces, batch_size, epochs, drop_last):
    return epochs * (faces // batch_size if drop_last else math.ceil(faces / batch_size))


def updates_by_counting(faces, batch_size, epochs, drop_last):
    full, rest = divmod(faces, batch_size)
    return sum(full + (rest > 0 and not drop_last) for _ in range(epochs))


def updates_rounds_down(faces, batch_size, epochs, drop_last):
    return epochs * (faces // batch_size)


def updates_rounds_up(faces, batch_size, epochs, drop_last):
    return epochs * math.ceil(faces / batch_size)


def updates_across_epochs(faces, batch_size, epochs, drop_last):
    return faces * epochs // batch_size if drop_last else math.ceil(faces * epochs / batch_size)


def updates_one_epoch(faces, batch_size, epochs, drop_last):
    return faces // batch_size if drop_last else math.ceil(faces / batch_size)


def updates_fraction(faces, batch_size, epochs, drop_last):
    return epochs * faces / batch_size


def updates_always_one_more(faces, batch_size, epochs, drop_last):
    return epochs * (faces // batch_size + (not drop_last))


def updates_at_least_one(faces, batch_size, epochs, drop_last):
    return epochs * max(1, faces // batch_size) if drop_last else updates(faces, batch_size, epochs, drop_last)


# --- epoch_mean --------------------------------------------------------------------------------------------------


def mean(means, sizes):
    return sum(m * n for m, n in zip(means, sizes, strict=True)) / sum(sizes)


def mean_by_tensors(means, sizes):
    sizes = torch.tensor(sizes, dtype=torch.float64)
    return (torch.tensor(means, dtype=torch.float64) * sizes / sizes.sum()).sum()


def mean_of_means(means, sizes):
    return sum(means) / len(means)


def mean_first_size(means, sizes):
    return sum(m * n for m, n in zip(means, sizes, strict=True)) / (sizes[0] * len(sizes))


def mean_without_last(means, sizes):
    return mean(means[:-1], sizes[:-1]) if len(means) > 1 else means[0]


def mean_sum(means, sizes):
    return sum(means)


# --- smoothed_cross_entropy --------------------------------------------------------------------------------------


def smoothed(logits, labels, smoothing):
    log_p = logits - logits.logsumexp(1, keepdim=True)
    target = functional.one_hot(labels, logits.shape[1]) * (1 - smoothing) + smoothing / logits.shape[1]
    return -(target * log_p).sum(1).mean()


def smoothed_as_a_mixture(logits, labels, smoothing):
    log_p = torch.log_softmax(logits, dim=1)
    hard = -log_p[torch.arange(len(labels)), labels]
    return ((1 - smoothing) * hard - smoothing * log_p.mean(1)).mean()


def smoothed_in_double_precision(logits, labels, smoothing):
    return smoothed(logits.double(), labels, smoothing)


def smoothed_by_pytorch(logits, labels, smoothing):
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing)


def smoothed_by_a_layer(logits, labels, smoothing):
    return torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, labels)


def smoothed_partly_by_pytorch(logits, labels, smoothing):
    log_p = logits.log_softmax(1)
    return (1 - smoothing) * functional.nll_loss(log_p, labels) - smoothing * log_p.mean()


def smoothed_not_at_all(logits, labels, smoothing):
    return -logits.log_softmax(1)[torch.arange(len(labels)), labels].mean()


def smoothed_over_the_others(logits, labels, smoothing):
    log_p = torch.log_softmax(logits, dim=1)
    one_hot = functional.one_hot(labels, logits.shape[1])
    target = one_hot * (1 - smoothing) + (1 - one_hot) * smoothing / (logits.shape[1] - 1)
    return -(target * log_p).sum(1).mean()


def smoothed_unstable(logits, labels, smoothing):
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    target = functional.one_hot(labels, logits.shape[1]) * (1 - smoothing) + smoothing / logits.shape[1]
    return -(target * p.log()).sum(1).mean()


def smoothed_sum(logits, labels, smoothing):
    return smoothed(logits, labels, smoothing) * len(labels)


def smoothed_every_face(logits, labels, smoothing):
    return smoothed(logits, labels, smoothing).expand(len(labels))


def smoothed_detached(logits, labels, smoothing):
    return torch.tensor(smoothed(logits, labels, smoothing).item())


def smoothed_softmax_twice(logits, labels, smoothing):
    return smoothed(logits.softmax(1), labels, smoothing)


# --- tanh_gradients ----------------------------------------------------------------------------------------------


def gradients(images, labels, first, bias, second, slope=lambda h: 1 - h**2):
    hidden = torch.tanh(images @ first + bias)
    blame = (hidden @ second).softmax(1)
    blame[torch.arange(len(labels)), labels] -= 1
    blame = blame / len(labels)
    below = blame @ second.T * slope(hidden)
    return images.T @ below, below.sum(0), hidden.T @ blame


def gradients_by_einsum(images, labels, first, bias, second):
    hidden = torch.einsum("nd,dm->nm", images, first).add(bias).tanh()
    blame = ((hidden @ second).softmax(1) - functional.one_hot(labels, second.shape[1])) / len(labels)
    below = torch.einsum("nc,mc->nm", blame, second) / torch.cosh(images @ first + bias) ** 2
    return [
        torch.einsum("nd,nm->dm", images, below),
        torch.einsum("nm->m", below),
        torch.einsum("nm,nc->mc", hidden, blame),
    ]


def gradients_in_double_precision(images, labels, first, bias, second):
    return gradients(images.double(), labels, first.double(), bias.double(), second.double())


def gradients_of_relu(images, labels, first, bias, second):
    return gradients(images, labels, first, bias, second, slope=lambda h: (h > 0).float())


def gradients_without_slope(images, labels, first, bias, second):
    return gradients(images, labels, first, bias, second, slope=torch.ones_like)


def gradients_of_the_sum(images, labels, first, bias, second):
    return [len(images) * one for one in gradients(images, labels, first, bias, second)]


def gradients_divided_twice(images, labels, first, bias, second):
    return [one / len(images) for one in gradients(images, labels, first, bias, second)]


def gradients_downhill(images, labels, first, bias, second):
    return [-one for one in gradients(images, labels, first, bias, second)]


def gradients_with_a_bias_per_face(images, labels, first, bias, second):
    first, bias, second = gradients(images, labels, first, bias, second)
    return first, bias.expand(len(images), -1), second


def gradients_transposed(images, labels, first, bias, second):
    first, bias, second = gradients(images, labels, first, bias, second)
    return first.T, bias, second.T


def gradients_in_another_order(images, labels, first, bias, second):
    first, bias, second = gradients(images, labels, first, bias, second)
    return second, bias, first


def gradients_without_bias(images, labels, first, bias, second):
    return gradients(images, labels, first, torch.zeros_like(bias), second)


def gradients_two(images, labels, first, bias, second):
    return gradients(images, labels, first, bias, second)[::2]


def gradients_by_autograd(images, labels, first, bias, second):
    weights = [one.requires_grad_() for one in (first, bias, second)]
    with torch.enable_grad():
        loss = smoothed((images @ first + bias).tanh() @ second, labels, 0.0)
    return torch.autograd.grad(loss, weights)


def gradients_by_torch_func(images, labels, first, bias, second):
    def loss(weights):
        return smoothed((images @ weights[0] + weights[1]).tanh() @ weights[2], labels, 0.0)

    return torch.func.grad(loss)((first, bias, second))


# --- adam_step ---------------------------------------------------------------------------------------------------


def adam(weight, gradient, mean, square, step, learning_rate):
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.999 * square + 0.001 * gradient**2
    move = (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
    return weight - learning_rate * move, mean, square


def adam_in_place(weight, gradient, mean, square, step, learning_rate):
    mean.lerp_(gradient, 0.1)
    square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
    root = square.sqrt() / math.sqrt(1 - 0.999**step) + 1e-8
    weight.addcdiv_(mean, root, value=-learning_rate / (1 - 0.9**step))
    return [weight, mean, square]


def adam_in_double_precision(weight, gradient, mean, square, step, learning_rate):
    return adam(weight.double(), gradient.double(), mean.double(), square.double(), step, learning_rate)


def adam_without_hats(weight, gradient, mean, square, step, learning_rate):
    _, mean, square = adam(weight, gradient, mean, square, step, learning_rate)
    return weight - learning_rate * mean / (square.sqrt() + 1e-8), mean, square


def adam_returns_hats(weight, gradient, mean, square, step, learning_rate):
    weight, mean, square = adam(weight, gradient, mean, square, step, learning_rate)
    return weight, mean / (1 - 0.9**step), square / (1 - 0.999**step)


def adam_counts_from_zero(weight, gradient, mean, square, step, learning_rate):
    return adam(weight, gradient, mean, square, step + 1, learning_rate)


def adam_epsilon_inside(weight, gradient, mean, square, step, learning_rate):
    _, mean, square = adam(weight, gradient, mean, square, step, learning_rate)
    move = (mean / (1 - 0.9**step)) / (square / (1 - 0.999**step) + 1e-8).sqrt()
    return weight - learning_rate * move, mean, square


def adam_without_root(weight, gradient, mean, square, step, learning_rate):
    _, mean, square = adam(weight, gradient, mean, square, step, learning_rate)
    move = (mean / (1 - 0.9**step)) / (square / (1 - 0.999**step) + 1e-8)
    return weight - learning_rate * move, mean, square


def adam_forgets_the_square(weight, gradient, mean, square, step, learning_rate):
    weight, mean, _ = adam(weight, gradient, mean, square, step, learning_rate)
    return weight, mean, gradient**2


def adam_uphill(weight, gradient, mean, square, step, learning_rate):
    return adam(weight, gradient, mean, square, step, -learning_rate)


def adam_weight_alone(weight, gradient, mean, square, step, learning_rate):
    return adam(weight, gradient, mean, square, step, learning_rate)[0]


# --- early_stop --------------------------------------------------------------------------------------------------


def stop(losses, patience):
    best = waited = 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best, waited = epoch, 0
        else:
            waited += 1
        if waited == patience:
            return best, epoch
    return best, len(losses) - 1


def stop_as_tensor(losses, patience):
    return torch.tensor(stop(losses, patience))


def stop_between_epochs(losses, patience):
    best, last = stop(losses, patience)
    return best + 0.9, last + 0.9


def stop_by_search(losses, patience):
    for last in range(len(losses)):
        best = losses.index(min(losses[: last + 1]))
        if last - best == patience:
            return best, last
    return best, last


def stop_never(losses, patience):
    return losses.index(min(losses)), len(losses) - 1


def stop_against_the_epoch_before(losses, patience):
    best = waited = 0
    for epoch in range(1, len(losses)):
        best = epoch if losses[epoch] < losses[best] else best
        waited = 0 if losses[epoch] < losses[epoch - 1] else waited + 1
        if waited == patience:
            return best, epoch
    return best, len(losses) - 1


def stop_one_late(losses, patience):
    return stop(losses, patience + 1)


def stop_ties_improve(losses, patience):
    best = waited = 0
    for epoch in range(1, len(losses)):
        if losses[epoch] <= losses[best]:
            best, waited = epoch, 0
        else:
            waited += 1
        if waited == patience:
            return best, epoch
    return best, len(losses) - 1


def stop_looks_ahead(losses, patience):
    return losses.index(min(losses)), stop(losses, patience)[1]


def stop_forgets_to_reset(losses, patience):
    best = waited = 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best = epoch
        else:
            waited += 1
        if waited == patience:
            return best, epoch
    return best, len(losses) - 1


# --- pick_rate ---------------------------------------------------------------------------------------------------


def smooth(losses, width=9):
    padded = functional.pad(losses[None, None], (width // 2, width // 2), mode="replicate")
    return functional.avg_pool1d(padded, width, stride=1)[0, 0]


def finite(rates, losses):
    end = int(torch.isfinite(losses).long().cumprod(0).sum())
    return rates[:end], losses[:end]


def rate_fixed(rates, losses):
    return 0.01


def rate_fixed_place(rates, losses):
    return float(rates[50])


def rate_other_places(place):
    def answer(rates, losses):
        return float(rates[place])

    answer.__name__ = f"rate_at_place_{place}"
    return answer


def rate_between_the_ends(rates, losses):
    return 3 * float(rates[0] * rates[-1]) ** 0.5


def rate_steepest(rates, losses, width=9, reach=5):
    rates, losses = finite(rates, losses)
    curve = smooth(losses, width)
    lowest = int(curve.argmin())
    inner = range(reach, max(lowest, reach + 1))
    return rates[max(inner, key=lambda i: curve[i - reach] - curve[min(i + reach, len(curve) - 1)])]


def rate_tenth_of_lowest(rates, losses):
    rates, losses = finite(rates, losses)
    return rates[smooth(losses).argmin()] / 10


def rate_third_of_lowest(rates, losses):
    rates, losses = finite(rates, losses)
    return rates[smooth(losses, 7).argmin()] / 3


def rate_lowest(rates, losses):
    rates, losses = finite(rates, losses)
    return rates[losses.argmin()]


def rate_lowest_of_the_smooth(rates, losses):
    rates, losses = finite(rates, losses)
    return rates[smooth(losses).argmin()]


def rate_last(rates, losses):
    return rates[-1]


def rate_cautious(rates, losses):
    return rates[0]


def rate_hundredth_of_lowest(rates, losses):
    rates, losses = finite(rates, losses)
    return rates[smooth(losses).argmin()] / 100


def rate_where_it_begins_to_fall(rates, losses):
    rates, losses = finite(rates, losses)
    curve = smooth(losses)
    return rates[(curve < curve[0] - 0.05 * (curve[0] - curve.min())).nonzero()[0, 0]]


def rate_not_a_number(rates, losses):
    return rates[losses.argmin()] / 10  # argmin picks the NaN


def rate_steepest_without_smoothing(rates, losses):
    rates, losses = finite(rates, losses)
    return rates[losses.diff().argmin()]


def rate_negative(rates, losses):
    return -rates[50]


RIGHT = [
    (check.count_updates, updates),
    (check.count_updates, updates_by_counting),
    (check.epoch_mean, mean),
    (check.epoch_mean, mean_by_tensors),
    (check.smoothed_cross_entropy, smoothed),
    (check.smoothed_cross_entropy, smoothed_as_a_mixture),
    (check.smoothed_cross_entropy, smoothed_in_double_precision),
    (check.adam_step, adam),
    (check.adam_step, adam_in_place),
    (check.adam_step, adam_in_double_precision),
    (check.early_stop, stop),
    (check.early_stop, stop_by_search),
    (check.early_stop, stop_as_tensor),
    (check.tanh_gradients, gradients),
    (check.tanh_gradients, gradients_by_einsum),
    (check.tanh_gradients, gradients_in_double_precision),
    (check.pick_rate, rate_steepest),
    (check.pick_rate, rate_tenth_of_lowest),
    (check.pick_rate, rate_third_of_lowest),
]
WRONG = [
    (check.count_updates, updates_rounds_down),
    (check.count_updates, updates_rounds_up),
    (check.count_updates, updates_across_epochs),
    (check.count_updates, updates_one_epoch),
    (check.count_updates, updates_fraction),
    (check.count_updates, updates_always_one_more),
    (check.count_updates, updates_at_least_one),
    (check.epoch_mean, mean_of_means),
    (check.epoch_mean, mean_first_size),
    (check.epoch_mean, mean_without_last),
    (check.epoch_mean, mean_sum),
    (check.smoothed_cross_entropy, smoothed_by_pytorch),
    (check.smoothed_cross_entropy, smoothed_by_a_layer),
    (check.smoothed_cross_entropy, smoothed_partly_by_pytorch),
    (check.smoothed_cross_entropy, smoothed_not_at_all),
    (check.smoothed_cross_entropy, smoothed_over_the_others),
    (check.smoothed_cross_entropy, smoothed_unstable),
    (check.smoothed_cross_entropy, smoothed_sum),
    (check.smoothed_cross_entropy, smoothed_every_face),
    (check.smoothed_cross_entropy, smoothed_detached),
    (check.smoothed_cross_entropy, smoothed_softmax_twice),
    (check.adam_step, adam_without_hats),
    (check.adam_step, adam_returns_hats),
    (check.adam_step, adam_counts_from_zero),
    (check.adam_step, adam_epsilon_inside),
    (check.adam_step, adam_without_root),
    (check.adam_step, adam_forgets_the_square),
    (check.adam_step, adam_uphill),
    (check.adam_step, adam_weight_alone),
    (check.early_stop, stop_never),
    (check.early_stop, stop_between_epochs),
    (check.early_stop, stop_against_the_epoch_before),
    (check.early_stop, stop_one_late),
    (check.early_stop, stop_ties_improve),
    (check.early_stop, stop_looks_ahead),
    (check.early_stop, stop_forgets_to_reset),
    (check.tanh_gradients, gradients_of_relu),
    (check.tanh_gradients, gradients_without_slope),
    (check.tanh_gradients, gradients_of_the_sum),
    (check.tanh_gradients, gradients_divided_twice),
    (check.tanh_gradients, gradients_downhill),
    (check.tanh_gradients, gradients_with_a_bias_per_face),
    (check.tanh_gradients, gradients_transposed),
    (check.tanh_gradients, gradients_in_another_order),
    (check.tanh_gradients, gradients_without_bias),
    (check.tanh_gradients, gradients_two),
    (check.tanh_gradients, gradients_by_autograd),
    (check.tanh_gradients, gradients_by_torch_func),
    (check.pick_rate, rate_fixed),
    (check.pick_rate, rate_fixed_place),
    *((check.pick_rate, rate_other_places(place)) for place in (40, 52, 54, 56, 58, 62)),
    (check.pick_rate, rate_between_the_ends),
    (check.pick_rate, rate_lowest),
    (check.pick_rate, rate_lowest_of_the_smooth),
    (check.pick_rate, rate_last),
    (check.pick_rate, rate_cautious),
    (check.pick_rate, rate_hundredth_of_lowest),
    (check.pick_rate, rate_where_it_begins_to_fall),
    (check.pick_rate, rate_not_a_number),
    (check.pick_rate, rate_steepest_without_smoothing),
    (check.pick_rate, rate_negative),
]


@pytest.mark.filterwarnings("error")  # what a learner did right is not followed by a warning
@pytest.mark.parametrize(("function", "answer"), RIGHT, ids=lambda f: f.__name__)
def test_right_answers_pass(function, answer):
    require_correct(function, answer)


@pytest.mark.parametrize(("function", "answer"), WRONG, ids=lambda f: f.__name__)
def test_wrong_answers_do_not(function, answer):
    require_wrong(function, answer)


# A mistake that can be told by its numbers, and a word of the hint for it.
TOLD = [
    (check.count_updates, updates_one_epoch, "single epoch"),
    (check.count_updates, updates_rounds_down, "short last batch"),
    (check.count_updates, updates_rounds_up, "drop_last"),
    (check.count_updates, updates_across_epochs, "carried"),
    (check.count_updates, updates_at_least_one, "no batch is ever full"),
    (check.epoch_mean, mean_of_means, "weighs the same"),
    (check.epoch_mean, mean_sum, "sum"),
    (check.smoothed_cross_entropy, smoothed_not_at_all, "smoothing"),
    (check.smoothed_cross_entropy, smoothed_over_the_others, "*all*"),
    (check.smoothed_cross_entropy, smoothed_unstable, "infinite"),
    (check.smoothed_cross_entropy, smoothed_every_face, "mean"),
    (check.smoothed_cross_entropy, smoothed_detached, "record"),
    (check.tanh_gradients, gradients_of_the_sum, "too long"),
    (check.tanh_gradients, gradients_divided_twice, "too short"),
    (check.tanh_gradients, gradients_downhill, "sign"),
    (check.tanh_gradients, gradients_without_slope, "lies between"),
    (check.tanh_gradients, gradients_with_a_bias_per_face, "same bias"),
    (check.tanh_gradients, gradients_transposed, "transposed"),
    (check.adam_step, adam_returns_hats, "hats"),
    (check.adam_step, adam_uphill, "uphill"),
    (check.adam_step, adam_without_hats, "Both memories are right"),
    (check.adam_step, adam_forgets_the_square, "small share"),
    (check.early_stop, stop_looks_ahead, "look past"),
    (check.early_stop, stop_ties_improve, "equal"),
    (check.early_stop, stop_one_late, "uses up"),
    (check.early_stop, stop_forgets_to_reset, "anew"),
    (check.pick_rate, rate_lowest, "too high"),
    (check.pick_rate, rate_cautious, "too low"),
]


@pytest.mark.parametrize(("function", "answer", "word"), TOLD, ids=lambda f: getattr(f, "__name__", None))
def test_a_mistake_that_can_be_told_has_its_own_hint(function, answer, word):
    assert "Hint" not in function(answer).message
    assert word in function(answer).message.split("Hint 1")[1]
    assert function(answer).message.count("Hint 1") == 1, "it is told again, not another one"


def test_adam_is_held_against_pytorchs():
    generator = torch.Generator().manual_seed(3)
    theirs = torch.nn.Parameter(torch.randn(4, generator=generator))
    optimizer, ours = torch.optim.Adam([theirs], lr=0.05), (theirs.detach().clone(), torch.zeros(4), torch.zeros(4))
    for step in range(1, 9):
        theirs.grad = 10.0 ** -(2 * step) * torch.randn(4, generator=generator)
        optimizer.step()
        ours = check.torch_adam(*ours, theirs.grad, step, 0.05)
        assert torch.allclose(ours[0], theirs.detach(), rtol=1e-5)


def gradients_by_autograd(images, labels, first, bias, second):
    """Switches on again what the check has switched off."""
    with torch.inference_mode(False), torch.enable_grad():
        images, labels, *weights = (tensor.clone() for tensor in (images, labels, first, bias, second))
        weights = [weight.requires_grad_() for weight in weights]
        units = (images @ weights[0] + weights[1]).tanh()
        return torch.autograd.grad(functional.cross_entropy(units @ weights[2], labels), weights)


def test_gradients_by_autograd_are_noticed():
    assert "PyTorch's grad" in require_wrong(check.tanh_gradients, gradients_by_autograd)[0]


def test_a_loss_of_logits_that_were_cut_off_is_no_crash():
    """It has a gradient, and not by the logits that were given."""
    first, second, *_ = require_wrong(
        check.smoothed_cross_entropy, lambda z, y, a: smoothed(z.detach().requires_grad_(), y, a)
    )
    assert "raised" not in first
    assert "record" in second


def test_two_epochs_that_have_changed_places_hear_so():
    assert "changed places" in require_wrong(check.early_stop, lambda *given: stop(*given)[::-1])[1]


def test_one_epoch_alone_is_no_crash():
    assert "two epochs" in require_wrong(check.early_stop, lambda losses, patience: torch.tensor(losses).argmin())[0]


@pytest.mark.parametrize("answer", [smoothed_by_pytorch, smoothed_by_a_layer, smoothed_partly_by_pytorch])
def test_pytorchs_own_loss_is_noticed(answer):
    message = check.smoothed_cross_entropy(answer).message
    assert "PyTorch's" in message
    assert f"in {answer.__name__}" in message


def test_range_tests_are_like_real_ones():
    """Flat at first, then falling, then out of control; the good rates of different networks lie far apart."""
    tests = range_tests()
    for problem, losses, best, lowest in tests:
        assert losses[:10].mean() == pytest.approx(math.log(7), abs=0.1)
        seen = losses.isfinite()
        assert losses[seen].min() < 1.2
        assert losses[-10:].nan_to_num(9.0).mean() > losses[seen].min() + 0.3
        assert problem.rates[0] < best < problem.rates[-1]
        assert lowest < 1.0
        assert problem.train(float(problem.rates[0])) > 1.8, "the lowest rate hardly learns"
    rates = [best for _, _, best, _ in tests]
    assert max(rates) > 8 * min(rates)
    assert any(losses.isnan().any() for _, losses, _, _ in tests)


@pytest.mark.parametrize("function", CHECKS, ids=lambda f: f.__name__)
def test_a_stub_is_not_yet(function):
    require_not_yet(function, lambda *_: ...)
    require_not_yet(function, lambda *_: None)


# --- checkpoint --------------------------------------------------------------------------------------------------


def pack(model, optimizer, epoch):
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
    return copy.deepcopy(state)


def unpack(state, model, optimizer):
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["epoch"]


def pack_through_a_file(tmp_path):
    def save(model, optimizer, epoch):
        torch.save([model.state_dict(), optimizer.state_dict(), epoch], tmp_path / "state.pt")
        return tmp_path / "state.pt"

    def load(path, model, optimizer):
        weights, memory, epoch = torch.load(path, weights_only=True)
        model.load_state_dict(weights)
        optimizer.load_state_dict(memory)
        return torch.tensor(epoch)

    return save, load


def live_pack(model, optimizer, epoch):
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}


def parameters_pack(model, optimizer, epoch):
    weights = {name: value.detach().clone() for name, value in model.named_parameters()}
    return {"model": weights, "optimizer": copy.deepcopy(optimizer.state_dict()), "epoch": epoch}


def parameters_unpack(state, model, optimizer):
    model.load_state_dict(state["model"], strict=False)
    optimizer.load_state_dict(state["optimizer"])
    return state["epoch"]


def without_optimizer(state, model, optimizer):
    model.load_state_dict(state["model"])
    return state["epoch"]


def epoch_off_by_one(state, model, optimizer):
    return unpack(state, model, optimizer) + 1


def nothing_loaded(state, model, optimizer):
    return state["epoch"]


@dataclass
class State:
    model: dict
    optimizer: dict
    epoch: int


def unpack_attributes(state, model, optimizer):
    return unpack(vars(state) if isinstance(state, State) else state._asdict(), model, optimizer)


def test_checkpoint_right(tmp_path):
    require_correct(check.checkpoint, pack, unpack)
    require_correct(check.checkpoint, *pack_through_a_file(tmp_path))
    for kind in (State, namedtuple("Packed", ("model", "optimizer", "epoch"))):
        require_correct(check.checkpoint, lambda *run, kind=kind: kind(**pack(*run)), unpack_attributes)


@pytest.mark.parametrize(
    ("save", "load", "seen"),
    [
        (live_pack, unpack, "parameter"),
        (parameters_pack, parameters_unpack, "running average"),
        (pack, without_optimizer, "unbroken run"),
        (pack, epoch_off_by_one, "epoch"),
        (pack, nothing_loaded, "parameter"),
    ],
)
def test_checkpoint_wrong(save, load, seen):
    assert seen in require_wrong(check.checkpoint, save, load)[0]


def test_checkpoint_stub():
    assert check.checkpoint(..., ...).status == "not yet"
    assert check.checkpoint(lambda *_: ..., unpack).status == "not yet"
    assert check.checkpoint(pack, lambda *_: ...).status == "not yet"


def test_checks_leave_the_global_random_state_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    check.checkpoint(pack, unpack)
    check.pick_rate(rate_tenth_of_lowest)
    assert torch.equal(before, torch.get_rng_state())
