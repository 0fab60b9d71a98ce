import torch

from tapehead.training.tally import Tally

CPU = torch.device("cpu")


def fill(tally, steps):
    for step in steps:
        tally.add(0.1 * step, 1e6 / (step + 1))
        if step % 2 == 0:
            tally.add_scores(
                {"bits": torch.tensor([step * 0.3, 1e-7]), "solved": torch.ones(2) > 0}
            )


def test_means():
    tally = Tally()
    tally.add(1.0, 3.0)
    tally.add(2.0, 5.0)
    tally.add_scores({"bits": torch.tensor([4.0, 8.0]), "solved": torch.tensor([True, False])})
    tally.add_scores({"bits": torch.tensor([0.0]), "solved": torch.tensor([False])})
    assert tally.means() == {"loss": 1.5, "gradient_norm": 4.0, "bits": 4.0, "solved": 1 / 3}
    assert tally.steps == 2


def test_means_do_not_depend_on_where_a_checkpoint_cuts():
    whole = Tally()
    fill(whole, range(40))
    for cut in (1, 7, 39):
        first, second = Tally(), Tally()
        fill(first, range(cut))
        second.restore(first.tensors(), CPU)
        assert second.steps == cut
        fill(second, range(cut, 40))
        assert second.means() == whole.means()


def test_scalar_tensors_count_like_numbers():
    numbers, tensors = Tally(), Tally()
    for step in range(5):
        numbers.add(step / 4, step * 2.0)
        tensors.add(torch.tensor(step / 4), torch.tensor(step * 2.0))
    assert numbers.means() == tensors.means()


def test_cleared_is_empty():
    tally = Tally()
    fill(tally, range(3))
    tally.clear()
    assert (tally.steps, tally.tensors()) == (0, {})
