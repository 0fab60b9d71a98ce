// Points in the plane and arrows from one to the next: what a machine that points has said so far.

class PointsPanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    this.names = this.xy.map((_, point) => String(point + 1));
  }

  labelRoom() {
    return 0;
  }

  own() {
    return true;
  }

  height(width) {
    return Math.min(width, 420) + 22;
  }

  prepare() {
    this.placed = null;
  }

  outline(frame) {
    const { left, top, side } = this.#square(frame.width);
    return { shape: `${left} ${top} ${side}` };
  }

  draw() {}

  // Where the points are drawn, with room around for names and for what is looked at.
  #square(width) {
    const around = 24;
    const side = Math.min(width, 420) - 2 * around;
    return { left: Math.max(around, Math.min((width - side) / 2, 40)), top: around, side };
  }

  // The longer side of the points' frame fills the square; both axes have one scale.
  #spots(width) {
    const square = this.#square(width);
    const [xs, ys] = [0, 1].map((axis) => this.xy.map((point) => point[axis]));
    const [left, low] = [Math.min(...xs), Math.min(...ys)];
    const span = Math.max(Math.max(...xs) - left, Math.max(...ys) - low) || 1;
    return this.xy.map(([x, y]) => [
      square.left + ((x - left) / span) * square.side,
      square.top + (1 - (y - low) / span) * square.side,
    ]);
  }

  // Names stay where they are while the answer grows: all its lines count.
  #places(frame, spots) {
    if (this.names.length > 60) return [];
    const ends = [...(this.wanted ?? []), ...this.arrows.map(({ from, to }) => [from, to])];
    const lines = ends.map((line) => line.map((point) => spots[point]));
    return (this.placed ??= placeNames(this.names, spots, lines, frame.width, this.height(frame.width) - 22));
  }

  mark(pen, frame, step) {
    const spots = this.#spots(frame.width);
    for (const [from, to] of this.wanted ?? []) pen.path([spots[from], spots[to]], { stroke: theme.line, line: 4 });
    if (this.attention) {
      spots.forEach(([x, y], point) => {
        const looked = this.attention.at(step, point);
        if (looked > 0.005) pen.circle(x, y, 4 + 12 * Math.sqrt(looked), { fill: theme.write, alpha: 0.3 });
      });
    }
    for (const { step: at, from, to, right } of this.arrows) {
      if (at > step) continue;
      const colour = right ? theme.read : theme.error;
      drawArrow(pen, spots[from], spots[to], { colour, line: at === step ? 3 : 1.8, alpha: at === step ? 1 : 0.7, dash: right ? [] : [4, 3], bend: 0 });
    }
    for (const [x, y] of spots) pen.circle(x, y, 3.5, { fill: theme.text });
    this.#places(frame, spots).forEach(([x, y], point) => {
      pen.text(this.names[point], x, y, { size: 10, colour: theme.faint, align: "center", halo: theme.surface });
    });
    this.#legend(pen, frame);
  }

  #legend(pen, frame) {
    const entries = [{ name: "pointed", colour: theme.read, line: 2 }];
    if (this.wanted?.length) entries.unshift({ name: "right answer", colour: theme.line, line: 4 });
    if (this.arrows.some(({ right }) => !right)) entries.push({ name: "wrong", colour: theme.error, line: 2, dash: [4, 3] });
    legend(pen, entries, this.#square(frame.width).left - 18, this.height(frame.width) - 9);
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
