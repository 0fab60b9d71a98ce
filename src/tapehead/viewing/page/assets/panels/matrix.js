// All rows at one step: the memory with the weightings of the heads beside it, or the links.

class MatrixPanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    [, this.total, this.wide] = this.values.shape;
    this.beside = panel.name === "memory" ? this.#weightings() : [];
    this.bottom = 26;
    [this.least, this.most] = [160, Infinity]; // of its height
  }

  // Of every head a narrow column: writes on the left, reads on the right.
  #weightings() {
    const found = (name) => this.app.panel(name)?.data;
    return [["write_weights", "write"], ["read_weights", "read"]].flatMap(([name, side]) => {
      const data = found(name);
      return data ? range(data.values.shape[1]).map((head) => ({ values: data.values, head, side })) : [];
    });
  }

  key() {
    return [this.low, this.high];
  }

  get shown() {
    return this.rows && !this.app.allRows ? this.rows : range(this.total);
  }

  get columns() {
    return this.square ? this.shown : range(this.wide);
  }

  outline({ width }) {
    const { left, top, inner, tall } = this.#shape(width);
    return { shape: [left, top, inner, tall].join(" ") };
  }

  own() {
    return true;
  }

  #shape(width) {
    const heads = (side) => this.beside.filter((each) => each.side === side).length * 11;
    const left = 30 + heads("write") + (heads("write") ? 4 : 0);
    const right = heads("read") + (heads("read") ? 4 : 0) + 8;
    const room = this.most - 16 - this.bottom;
    const wide = Math.min(width - left - right, this.columns.length * 26, this.square ? room : Infinity);
    const inner = Math.max(60, wide);
    const cell = this.square ? inner / this.shown.length : clamp(420 / this.shown.length, 2, 15);
    return { left, inner, top: 16, tall: Math.min(cell * this.shown.length, this.square ? inner : Math.min(520, room)) };
  }

  height(width) {
    const { top, tall } = this.#shape(width);
    return top + tall + this.bottom;
  }

  prepare() {}

  draw() {}

  // Everything changes with the step.
  mark(pen, frame, step) {
    const shape = this.#shape(frame.width);
    const { left, inner, top, tall } = shape;
    const [rows, columns] = [this.shown, this.columns];
    pen.image(this.#image(step), left, top, inner, tall);
    pen.rect(left, top, inner, tall, { stroke: theme.line });
    const height = tall / rows.length;
    rowBreaks(pen, rows, this.total, left, inner, top, height);
    for (const { text, y } of rowLabels(rows, rows, height, tall)) {
      pen.text(text, 24, top + y, { size: 10, align: "right", colour: theme.faint });
    }
    this.#heads(pen, shape, step);
    const across = this.square ? this.axes[1] : `${this.axes[1]} 1 to ${columns.length}`;
    pen.text(across, left + inner / 2, top + tall + 12, { size: 10, align: "center", colour: theme.faint });
    this.app.origins?.markMatrix(pen, this, shape);
  }

  #heads(pen, { left, inner, top, tall }, step) {
    const height = tall / this.shown.length;
    let [write, read] = [30, left + inner + 4];
    const first = { write: true, read: true };
    for (const { values, head, side } of this.beside) {
      const x = side === "write" ? write : read;
      this.shown.forEach((row, n) => {
        const weight = row < values.shape[2] ? values.at(step, head, row) : 0;
        pen.rect(x, top + n * height, 9, height, { fill: theme[side], alpha: clamp(weight, 0, 1) });
      });
      pen.rect(x, top, 9, tall, { stroke: theme.line });
      if (first[side]) {
        const align = side === "write" ? "left" : "right";
        const at = side === "write" ? x - 4 : x + 9 + 11 * (this.beside.filter((b) => b.side === side).length - 1);
        pen.text(side, at, 7, { size: 10, colour: theme[side], align });
      }
      first[side] = false;
      if (side === "write") write += 11;
      else read += 11;
    }
  }

  #place(x, y, frame) {
    const { left, inner, top, tall } = this.#shape(frame.width);
    const column = Math.floor(((x - left) / inner) * this.columns.length);
    const row = Math.floor(((y - top) / tall) * this.shown.length);
    if (column < 0 || column >= this.columns.length || row < 0 || row >= this.shown.length) return null;
    return { row: this.shown[row], column: this.columns[column] };
  }

  tell(x, y, frame) {
    const at = this.#place(x, y, frame);
    if (!at) return null;
    const value = number(this.values.at(this.app.step, at.row, at.column));
    const column = this.square ? `from row ${at.column}` : `${this.axes[1]} ${at.column + 1}`;
    return [`row ${at.row} · ${column}`, value];
  }

  click(x, y, frame) {
    const at = this.#place(x, y, frame);
    if (!at || !this.app.origins || this.panel.name !== "memory") return;
    this.app.select({ what: "cell", step: this.app.step, row: at.row, word: at.column });
  }

  #image(step) {
    const [rows, columns] = [this.shown, this.columns];
    const canvas = document.createElement("canvas");
    canvas.width = columns.length;
    canvas.height = rows.length;
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns.length, rows.length);
    rows.forEach((row, n) => {
      columns.forEach((column, m) => {
        const colour = inkOf(this.values.at(step, row, column), this.low, this.high);
        image.data.set([...colour, 255], 4 * (n * columns.length + m));
      });
    });
    context.putImageData(image, 0, 0);
    return canvas;
  }
}
