"""How a machine plays in a world."""

import torch
from tiny_world import MOVE_COST, Treasure

from tapehead.tasks.world import RETURN, play

TASK = Treasure(reach=2, delay=1, moves=4)


def problems(*treasures):
    batch = TASK.batch(torch.Generator().manual_seed(0), len(treasures))
    batch.inputs.x[:, 0, 1] = torch.tensor(treasures).float()
    return batch


class Remembers:
    """Always goes to where it was told; its state is what it heard."""

    def initial_state(self, batch_size):
        return torch.zeros(batch_size)

    def step(self, x_t, state):
        place = state + x_t[:, 1]
        return torch.stack([-place, place, torch.full_like(place, 0.5)], 1), place


def test_a_play_is_told_step_by_step_until_each_episode_ends():
    outputs, played = TASK.run(Remembers(), problems(1, -2, 2))
    assert played.inputs.lengths.tolist() == [3, 4, 4]
    assert played.mask.tolist() == [[0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    assert played.inputs.x[0].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]]
    moves, rewards = played.targets[..., :2], played.targets[..., 2]
    assert moves.argmax(-1)[1, :].tolist() == [0, 0, 0, 0]
    assert moves.sum(-1).tolist() == [[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    worth = 1 - MOVE_COST
    wanted = [[0, 0, worth, 0], [0, 0, -MOVE_COST, worth], [0, 0, -MOVE_COST, worth]]
    torch.testing.assert_close(rewards, torch.tensor(wanted))
    assert outputs.shape == (3, 4, 3)


def test_a_play_that_finds_nothing_ends_all_the_same():
    _, played = play(TASK, Remembers(), problems(1, 2), lambda logits: torch.zeros(2).long())
    assert played.inputs.lengths.tolist() == [6, 6]
    torch.testing.assert_close(played.targets[..., 2].sum(1), torch.full((2,), -4 * MOVE_COST))


def test_scores_and_costs_are_of_the_rewards():
    outputs, played = TASK.run(Remembers(), problems(1, -2))
    scores = TASK.scores(outputs, played)
    torch.testing.assert_close(scores[RETURN.name], torch.tensor([0.9, 0.8]))
    torch.testing.assert_close(TASK.loss(outputs, played), torch.tensor(-0.85))
    torch.testing.assert_close(
        TASK.step_costs(outputs, played).sum(1).mean(), TASK.loss(outputs, played)
    )
    assert TASK.solved({"return": 0.7})
    assert not TASK.solved({"return": 0.5})
    assert not TASK.answer.errors(outputs, played).any()
    says = TASK.answer.probabilities(outputs)
    torch.testing.assert_close(says[..., :2].sum(-1), torch.ones(2, 4))
    assert not says[..., 2].any()
    assert TASK.output_names == ["left", "right", "value"]
