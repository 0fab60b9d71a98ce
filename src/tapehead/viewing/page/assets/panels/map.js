// A graph as far as it has been told, and the walk over it: what was asked, what was said.

class MapPanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    [this.least, this.most] = [270, Infinity]; // of its height
    this.below = 42; // what is said under it
  }

  labelRoom() {
    return 0;
  }

  own() {
    return true;
  }

  #side(width) {
    return Math.min(width, 420, this.most - this.below);
  }

  height(width) {
    return this.#side(width) + this.below;
  }

  prepare() {
    this.placed = null;
  }

  draw() {}

  // With room around for names.
  #spots(width) {
    const side = this.#side(width);
    return this.xy.map(([x, y]) => [20 + x * (width - 40), 16 + y * (side - 32)]);
  }

  // Names stay where they are while the graph grows: all its edges count.
  #places(frame, spots) {
    if (this.names.length > 60) return [];
    const lines = this.edges.map((edge) => edge.map((node) => spots[node]));
    return (this.placed ??= placeNames(this.names, spots, lines, frame.width, this.#side(frame.width)));
  }

  mark(pen, frame, step) {
    const spots = this.#spots(frame.width);
    const told = this.edges.map((_, n) => this.told[n] <= step);
    // What is still to be told is there as a shadow, and on top of all lies what is told now.
    this.edges.forEach(([from, to], n) => {
      if (!told[n]) pen.path([spots[from], spots[to]], { stroke: theme.quiet });
      else if (this.told[n] < step) drawArrow(pen, spots[from], spots[to], { colour: theme.line, line: 1 });
    });
    const fresh = this.edges.filter((_, n) => this.told[n] === step);
    for (const [from, to] of fresh) drawArrow(pen, spots[from], spots[to], { colour: theme.read, line: 3 });
    const lit = new Set(fresh.flat());
    for (const [at, asked, said] of this.walk) {
      if (at > step) break;
      const alpha = at === step ? 1 : 0.45;
      if (asked !== null) drawArrow(pen, ...this.#ends(spots, asked), { colour: theme.asked, line: 3, alpha });
      if (said !== null && said !== asked) {
        drawArrow(pen, ...this.#ends(spots, said), { colour: theme.error, line: 2, alpha, dash: [4, 3] });
      }
    }
    const known = new Set(this.edges.flatMap((ends, n) => (told[n] ? ends : [])));
    spots.forEach(([x, y], node) => {
      if (!known.has(node)) pen.circle(x, y, 2.5, { fill: theme.line });
      else pen.circle(x, y, lit.has(node) ? 5 : 3.5, { fill: lit.has(node) ? theme.read : theme.text });
    });
    this.#places(frame, spots).forEach(([x, y], node) => {
      if (!known.has(node)) return;
      const look = lit.has(node) ? { colour: theme.text, weight: 600 } : { colour: theme.faint };
      pen.text(this.names[node], x, y, { size: 10, ...look, align: "center", halo: theme.surface });
    });
    pen.text(fitted(this.words(), frame.width - 8, 11), 4, this.height(frame.width) - 29, { size: 11 });
    const entries = [
      { name: "told now", colour: theme.read },
      { name: "asked for", colour: theme.asked },
      { name: "said instead", colour: theme.error, line: 2, dash: [4, 3] },
    ];
    legend(pen, entries, 4, this.height(frame.width) - 9);
  }

  words() {
    const { step } = this.app;
    const way = (edge) => {
      if (edge === null) return "no edge of the graph";
      const [from, to] = this.edges[edge];
      return `${this.names[from]} by ${this.labels[edge]} to ${this.names[to]}`;
    };
    const fresh = this.told.indexOf(step);
    const now = this.walk.find(([at]) => at === step);
    if (now) return `asked: ${way(now[1])}, said: ${way(now[2])}`;
    const count = this.told.filter((at) => at <= step).length;
    return `${count} of ${this.edges.length} edges told${fresh < 0 ? "" : `, now ${way(fresh)}`}`;
  }

  #ends(spots, edge) {
    return this.edges[edge].map((node) => spots[node]);
  }

  tell(x, y, frame) {
    const spots = this.#spots(frame.width);
    const near = spots.findIndex(([sx, sy]) => Math.hypot(sx - x, sy - y) < 9);
    if (near < 0) return null;
    const ways = this.edges.flatMap(([from, to], n) =>
      from === near && this.told[n] <= this.app.step ? [`${this.labels[n]} to ${this.names[to]}`] : [],
    );
    return [`node ${this.names[near]}`, ...ways.slice(0, 8)];
  }
}

// From one place to another; bent a little, the way back is another line.
function drawArrow(pen, [x0, y0], [x1, y1], { colour, line, alpha = 1, dash = [], end = 5, bend = 0.12 }) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = Math.hypot(dx, dy);
  if (length < 1) return;
  const off = Math.min(bend * length, 14);
  const [mx, my] = [(x0 + x1) / 2 - (dy / length) * off, (y0 + y1) / 2 + (dx / length) * off];
  const curve = range(13).map((n) => {
    const t = n / 12;
    const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
    return [a * x0 + b * mx + c * x1, a * y0 + b * my + c * y1];
  });
  pen.path(curve, { stroke: colour, line, alpha, dash });
  const angle = Math.atan2(y1 - my, x1 - mx);
  const [tx, ty] = [x1 - end * Math.cos(angle), y1 - end * Math.sin(angle)];
  const size = 5 + 1.5 * line;
  const wing = (turn) => [tx - size * Math.cos(angle + turn), ty - size * Math.sin(angle + turn)];
  pen.path([[tx, ty], wing(0.4), wing(-0.4)], { fill: colour, closed: true, alpha });
}
