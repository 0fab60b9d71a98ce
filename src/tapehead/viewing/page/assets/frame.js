// The time axis that all panels over time share, and what stands beside it.

const MARGIN = { right: 14, axis: 30 };

class Frame {
  // `left` is the room for labels; all panels of an episode have the same.
  constructor(width, steps, left) {
    Object.assign(this, { width, steps, left });
    this.inner = Math.max(40, width - left - MARGIN.right);
    this.cell = this.inner / steps;
  }

  x(step) {
    return this.left + step * this.cell;
  }

  // The step under a place; beyond the ends none.
  step(x) {
    const step = Math.floor((x - this.left) / this.cell);
    return step >= 0 && step < this.steps ? step : null;
  }

  nearest(x) {
    return clamp(Math.floor((x - this.left) / this.cell), 0, this.steps - 1);
  }

  axis(pen, y, unit) {
    for (const step of ticks(this.steps, this.inner / 42)) {
      const x = this.x(step - 1) + this.cell / 2;
      pen.path([[x, y], [x, y + 3]], { stroke: theme.faint });
      pen.text(String(step), x, y + 10, { size: 10, align: "center", colour: theme.faint });
    }
    const name = unit === "step" ? "time (steps)" : unit;
    pen.text(name, this.left + this.inner / 2, y + 22, { size: 10, align: "center", colour: theme.faint });
  }

  // The step that is looked at.
  cursor(pen, step, top, bottom) {
    const x = this.x(step);
    if (this.cell >= 4) {
      pen.rect(x, top - 1, this.cell, bottom - top + 2, { stroke: theme.cursor, line: 1.2, alpha: 0.85 });
    } else {
      const middle = x + this.cell / 2;
      pen.path([[middle, top - 2], [middle, bottom + 2]], { stroke: theme.cursor, line: 1.5, alpha: 0.85 });
    }
  }

  // A broken line before the first step that asks for an answer.
  answer(pen, first, top, bottom) {
    if (!first) return;
    const x = this.x(first);
    pen.path([[x, top], [x, bottom]], { stroke: theme.faint, dash: [3, 2] });
  }
}

// Round numbers from 1 to `count`, about as many as fit.
function ticks(count, room) {
  const least = count / Math.max(1, room);
  const every = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4].map((power) => n * 10 ** power));
  const step = every.sort((a, b) => a - b).find((each) => each >= least) ?? count;
  const chosen = range(Math.floor(count / step)).map((n) => (n + 1) * step);
  return step > 1 && chosen[0] !== 1 && step > 2 ? [1, ...chosen] : chosen;
}
