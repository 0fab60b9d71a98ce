"""Several panels in one figure: a trained machine at work, and machines compared."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from tapehead.tasks.metrics import BIT_ERRORS, BITS, Metric
from tapehead.viewing.curves import draw_curves
from tapehead.viewing.episode import Episode
from tapehead.viewing.generalisation import (
    Errors,
    Level,
    draw_generalisation,
    has_dots,
    seeds_of,
)
from tapehead.viewing.header import Header
from tapehead.viewing.legend import MachineLegend
from tapehead.viewing.memory import MemoryPanels
from tapehead.viewing.multiples import (
    Block,
    counted_titles,
    crowded,
    explained,
    multiples,
)
from tapehead.viewing.seeds import Seed
from tapehead.viewing.style import DOUBLE, Number, letter, new_figure, place, styled
from tapehead.viewing.traces import has_tensors

_LEFT, _RIGHT, _BELOW = 10.5, 3.5, 9.0


@styled
def compare(
    machines: Mapping[str, Sequence[Seed]],
    errors: Errors | None = None,
    *,
    metric: Metric | str = BITS,
    error_metric: Metric | str = BIT_ERRORS,
    log: bool = False,
    log_errors: bool = False,
    published: Mapping[str, Number] | None = None,
    published_errors: Mapping[str, Mapping[Level, Number]] | None = None,
    trained: tuple[Number, Number] | None = None,
    xlabel: str = "sequence length",
    title: str = "",
    width: Number = DOUBLE,
) -> Figure:
    """Learning curves on the left, error against length on the right, one legend for both.

    More than five machines have a panel each, their learning curves above their errors.

    Args:
        machines: name to seeds, as `learning_curves` takes them.
        errors: name to length to values over seeds, as `generalisation` takes them; None leaves
            the learning curves alone.
        metric, log, published: of the learning curves.
        error_metric, log_errors, published_errors, trained, xlabel: of the errors.
        width: millimetres.

    Raises:
        ValueError: nothing to draw.
    """
    if not machines or not all(machines.values()):
        raise ValueError("machines must hold at least one machine, each with at least one seed")
    panels = 2 if errors else 1
    seeds = [*map(len, machines.values()), *(seeds_of(errors) if errors else ())]
    if crowded(machines):
        titles = counted_titles(machines)
        blocks = [
            Block(
                titles,
                lambda axes, only: draw_curves(
                    axes, machines, metric=metric, log=log, published=published, only=only
                ),
            )
        ]
        if errors:
            blocks.append(
                Block(
                    titles,
                    lambda axes, only: draw_generalisation(
                        axes, errors, published=published_errors, trained=trained,
                        log=log_errors, xlabel=xlabel, metric=error_metric, only=only,
                    ),
                )
            )  # fmt: skip
        note = explained(
            seeds,
            machines,
            published=bool(published_errors),
            trained=trained is not None and bool(errors),
            dots=has_dots(errors or {}),
        )
        return multiples(
            blocks, title=title, note=note, width=width, beside=9.0 if published else 0.0
        )
    legend = MachineLegend(
        {**dict.fromkeys(errors or ()), **machines}, left=_LEFT, width=width, title=title,
        published=bool(published_errors), seeds=seeds, dots=has_dots(errors or {}),
    )  # fmt: skip
    beside, between = 9.0 if published else 0.0, 14.0
    inner = (width - _LEFT - _RIGHT - beside - between * (panels - 1)) / panels
    height, top = 48.0, legend.height
    figure = new_figure(width, top + height + _BELOW)
    curves = place(figure, _LEFT, top, inner, height)
    draw_curves(curves, machines, metric=metric, log=log, published=published)
    if errors:
        beyond = place(figure, _LEFT + inner + beside + between, top, inner, height)
        draw_generalisation(
            beyond, errors, published=published_errors, trained=trained, log=log_errors,
            xlabel=xlabel, metric=error_metric,
        )  # fmt: skip
        letter(curves, "a", _LEFT - 1.0)
        letter(beyond, "b", _LEFT - 1.0)
    legend.draw(figure)
    return figure


@styled
def summary_figure(
    episode: Episode,
    trace: object,
    machines: Mapping[str, Sequence[Seed]],
    errors: Errors | None = None,
    *,
    element: int = 0,
    metric: Metric | str = BITS,
    error_metric: Metric | str = BIT_ERRORS,
    log: bool = False,
    log_errors: bool = False,
    trained: tuple[Number, Number] | None = None,
    xlabel: str = "sequence length",
    title: str = "",
    width: Number = DOUBLE,
) -> Figure:
    """A trained machine at work, what its training cost, and how far it carries.

    On the left the bits and weightings of `memory_figure`; on the right the learning curves and,
    where `errors` are given, the error against length.

    Args:
        episode, trace, element: as for `memory_figure`.
        machines, errors and the rest: as for `compare`.
        width: millimetres.

    Raises:
        ValueError: a machine without memory, or no learning curve.
    """
    if not machines or not all(machines.values()):
        raise ValueError("machines must hold at least one machine, each with at least one seed")
    share = round(0.62 * width)
    inner = width - share - _LEFT - _RIGHT
    seeds = [*map(len, machines.values()), *(seeds_of(errors) if errors else ())]
    legend = MachineLegend(
        machines, left=share + _LEFT, width=width, seeds=seeds, dots=has_dots(errors or {})
    )
    count, plot, gap = 2 if errors else 1, 32.0, _BELOW + 4.5
    needed = legend.height + plot * count + gap * (count - 1) + _BELOW
    # Adds and reads where there is room for them anyway.
    for values in (True, False) if has_tensors(trace, "add", "reads") else (False,):
        panels = MemoryPanels(episode, trace, element=element, width=share, values=values)
        header = Header(width=share, left=panels.left, title=title, keys=panels.keys)
        if header.height + panels.height <= needed:
            break
    total = max(needed, header.height + panels.height)
    plot += (total - needed) / count
    top = legend.height
    figure = new_figure(width, total)
    stretch = total - header.height - panels.height
    first = panels.draw(figure, header.height, stretch=stretch)
    header.draw(figure)
    curves = place(figure, share + _LEFT, top, inner, plot)
    draw_curves(curves, machines, metric=metric, log=log)
    letter(first[0], "a", panels.left - 1.0)
    letter(curves, "b", _LEFT - 1.0)
    if errors:
        beyond = place(figure, share + _LEFT, top + plot + gap, inner, plot)
        draw_generalisation(
            beyond, errors, trained=trained, log=log_errors, xlabel=xlabel, metric=error_metric
        )
        letter(beyond, "c", _LEFT - 1.0)
    legend.draw(figure)
    return figure
