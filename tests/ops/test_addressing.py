import torch
from torch.autograd import gradcheck

from tapehead.ops.addressing import circular_shift, content_weighting, interpolate, sharpen


def weighting(*shape):
    return torch.rand(*shape, dtype=torch.float64).softmax(-1)


def positive(*shape):
    return (torch.rand(*shape, dtype=torch.float64) + 0.1).requires_grad_()


def test_gradients():
    scores = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    w = weighting(2, 3, 5).requires_grad_()
    other = weighting(2, 3, 5).requires_grad_()
    shift = weighting(2, 3, 3).requires_grad_()
    assert gradcheck(content_weighting, (scores, positive(2, 3)))
    assert gradcheck(interpolate, (w, other, positive(2, 3)))
    assert gradcheck(circular_shift, (w, shift))
    assert gradcheck(sharpen, (w, (1 + positive(2, 3)).detach().requires_grad_()))


def test_content_weighting_of_a_known_case():
    scores = torch.tensor([[[0.0, 1.0]]])
    weights = content_weighting(scores, torch.tensor([[2.0]]))
    torch.testing.assert_close(weights[0, 0, 1], torch.tensor(2.0).sigmoid())


def test_shift_of_plus_one_moves_the_head_to_the_next_row_and_wraps():
    at_last = torch.tensor([[[0.0, 0.0, 0.0, 1.0]]])
    forward = torch.tensor([[[0.0, 0.0, 1.0]]])
    assert circular_shift(at_last, forward).tolist() == [[[1.0, 0.0, 0.0, 0.0]]]
    backward = forward.flip(-1)
    assert circular_shift(at_last, backward).tolist() == [[[0.0, 0.0, 1.0, 0.0]]]


def test_shift_equals_the_circular_convolution_of_equation_8():
    w, s = weighting(1, 1, 7), weighting(1, 1, 5)
    expected = torch.zeros(7, dtype=torch.float64)
    for i in range(7):
        for j in range(7):
            for offset in range(-2, 3):
                if (i - j - offset) % 7 == 0:
                    expected[i] += w[0, 0, j] * s[0, 0, offset + 2]
    torch.testing.assert_close(circular_shift(w, s)[0, 0], expected)


def test_shift_range_may_exceed_the_rows():
    shifted = circular_shift(torch.ones(1, 1, 1), weighting(1, 1, 5).float())
    torch.testing.assert_close(shifted, torch.ones(1, 1, 1))


def test_sharpening_equals_equation_9_where_powers_do_not_underflow():
    w, gamma = weighting(2, 2, 6), torch.tensor([[1.0, 2.5], [3.0, 1.5]], dtype=torch.float64)
    power = w ** gamma[..., None]
    torch.testing.assert_close(sharpen(w, gamma), power / power.sum(-1, keepdim=True))


def test_sharpening_survives_powers_that_underflow():
    """0.001^60 is zero in float32: the plain quotient of equation 9 would be 0 / 0."""
    w = torch.full((1, 1, 1000), 1e-3, requires_grad=True)
    sharp = sharpen(w, torch.tensor([[60.0]]))
    sharp[0, 0, 0].backward()
    torch.testing.assert_close(sharp, w.detach())
    assert w.grad.isfinite().all()


def test_sharpening_of_a_one_hot_weighting_has_finite_gradients():
    w = torch.zeros(1, 1, 5)
    w[..., 2] = 1.0
    w.requires_grad_()
    gamma = torch.tensor([[20.0]], requires_grad=True)
    sharpen(w, gamma)[0, 0, 0].backward()
    assert w.grad.isfinite().all()
    assert gamma.grad.isfinite().all()
