// Points in the plane and arrows from one to the next: what a machine that points has said so far.

class PointsPanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
  }

  labelRoom() {
    return 0;
  }

  own() {
    return true;
  }

  height(width) {
    return Math.min(width, 420);
  }

  prepare() {}

  draw() {}

  // The longer side of the points' frame fills the panel; both axes have one scale.
  #spots(width) {
    const side = this.height(width) - 28;
    const [xs, ys] = [0, 1].map((axis) => this.xy.map((point) => point[axis]));
    const [left, low] = [Math.min(...xs), Math.min(...ys)];
    const span = Math.max(Math.max(...xs) - left, Math.max(...ys) - low) || 1;
    const before = Math.min((width - side) / 2, 40);
    return this.xy.map(([x, y]) => [before + ((x - left) / span) * side, 14 + (1 - (y - low) / span) * side]);
  }

  mark(pen, frame, step) {
    const spots = this.#spots(frame.width);
    for (const [from, to] of this.wanted ?? []) pen.path([spots[from], spots[to]], { stroke: theme.line, line: 4 });
    for (const { step: at, from, to, right } of this.arrows) {
      if (at > step) continue;
      const colour = right ? theme.read : theme.error;
      drawArrow(pen, spots[from], spots[to], { colour, line: at === step ? 3 : 1.8, alpha: at === step ? 1 : 0.7, dash: right ? [] : [4, 3], bend: 0 });
    }
    spots.forEach(([x, y], point) => {
      const looked = this.attention ? this.attention.at(step, point) : 0;
      if (looked > 0.005) pen.circle(x, y, 4 + 12 * Math.sqrt(looked), { fill: theme.write, alpha: 0.3 });
      pen.circle(x, y, 3.5, { fill: theme.text });
      if (spots.length <= 60) pen.text(String(point + 1), x + 7, y - 7, { size: 10, colour: theme.faint });
    });
  }

  words() {
    const drawn = this.arrows.filter(({ step }) => step <= this.app.step);
    return drawn.map(({ from, to, right }) => `${from + 1} to ${to + 1}${right ? "" : " (wrong)"}`).join(", ") || "no arrow yet";
  }

  tell(x, y, frame) {
    const spots = this.#spots(frame.width);
    const point = spots.findIndex(([sx, sy]) => Math.hypot(sx - x, sy - y) < 9);
    if (point < 0) return null;
    const looked = this.attention ? [`looked at: ${number(this.attention.at(this.app.step, point))}`] : [];
    return [`point ${point + 1}: ${this.xy[point].map(number).join(", ")}`, ...looked];
  }
}
