"""Gradients through discrete choices: REINFORCE, REBAR, RELAX and the biased straight-through."""

from tapehead.ops.estimators.draws import (
    BERNOULLI,
    CATEGORICAL,
    Bernoulli,
    Categorical,
    Draw,
    Family,
    gumbel,
)
from tapehead.ops.estimators.one_choice import (
    UNBIASED,
    Estimate,
    check_shape,
    leave_one_out,
    moving_average,
    rebar,
    reinforce,
    relax,
    straight_through,
    straight_through_gumbel,
    train_control,
)

__all__ = [
    "BERNOULLI",
    "CATEGORICAL",
    "UNBIASED",
    "Bernoulli",
    "Categorical",
    "Draw",
    "Estimate",
    "Family",
    "check_shape",
    "gumbel",
    "leave_one_out",
    "moving_average",
    "rebar",
    "reinforce",
    "relax",
    "straight_through",
    "straight_through_gumbel",
    "train_control",
]
