// A number for each step and head, as curves.

const DASHES = [[], [5, 2], [1.5, 2], [5, 2, 1, 2]];

class LinesPanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    [, this.count] = this.values.shape;
    this.over = 16;
    this.tall = 64;
  }

  labelRoom() {
    return Math.max(textWidth(short(this.low), 10), textWidth(short(this.high), 10)) + 10;
  }

  height() {
    return this.over + this.tall + 4;
  }

  look(curve) {
    const name = this.names[curve] ?? "";
    const kind = name.startsWith("write") ? "write" : name.startsWith("read") ? "read" : "text";
    const before = this.names.slice(0, curve).filter((other) => other.split(" ")[0] === name.split(" ")[0]);
    return { colour: theme[kind], dash: DASHES[before.length % DASHES.length], name };
  }

  y(value) {
    return this.over + this.tall * (1 - (value - this.low) / (this.high - this.low || 1));
  }

  prepare() {}

  draw(pen, frame) {
    const bottom = this.over + this.tall;
    for (const value of [this.low, this.high]) {
      const y = this.y(value);
      pen.path([[frame.left, y], [frame.left + frame.inner, y]], { stroke: theme.line });
      pen.text(short(value), frame.left - 5, y, { size: 10, align: "right", colour: theme.faint });
    }
    frame.answer(pen, this.app.answerStarts, this.over, bottom);
    range(this.count).forEach((curve) => {
      const points = range(frame.steps).map((step) => [
        frame.x(step) + frame.cell / 2,
        this.y(this.values.at(step, curve)),
      ]);
      const { colour, dash } = this.look(curve);
      pen.path(points, { stroke: colour, line: 1.6, dash });
    });
    this.#legend(pen, frame);
  }

  #legend(pen, frame) {
    if (this.names.every((name) => !name)) return;
    let x = frame.left;
    range(this.count).forEach((curve) => {
      const { colour, dash, name } = this.look(curve);
      const width = 22 + textWidth(name, 10) + 12;
      if (x + width > frame.width) return;
      pen.path([[x, 7], [x + 17, 7]], { stroke: colour, line: 1.6, dash });
      pen.text(name, x + 22, 7, { size: 10, colour: theme.faint });
      x += width;
    });
  }

  mark(pen, frame, step) {
    const x = frame.x(step) + frame.cell / 2;
    pen.path([[x, this.over - 2], [x, this.over + this.tall + 2]], { stroke: theme.cursor, alpha: 0.7 });
    range(this.count).forEach((curve) => {
      pen.circle(x, this.y(this.values.at(step, curve)), 2.8, { fill: this.look(curve).colour });
    });
  }

  tell(x, y, frame) {
    const step = frame.step(x);
    if (step === null) return null;
    const values = range(this.count).map((curve) => {
      const name = this.names[curve];
      return `${name ? `${name}: ` : ""}${number(this.values.at(step, curve))}`;
    });
    return [`${this.app.unit} ${step + 1}`, ...values];
  }
}

const short = (value) => (Number.isInteger(value) ? String(value) : value.toPrecision(2)).replace("-", "−");
