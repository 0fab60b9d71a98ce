// Values over time: a column for each step, a band for each head.

const USED = 0.1; // the weighting from which on a row counts as used

class HeatPanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    [, this.count, this.total] = this.values.shape;
    this.few = this.rows?.length > 48 ? this.#touched() : null;
  }

  get shown() {
    if (!this.rows || this.app.allRows) return range(this.total);
    return this.few ?? this.rows;
  }

  // Of many rows those that these heads use, with their neighbours, where most are used by others.
  #touched() {
    const [steps] = this.values.shape;
    const used = new Set();
    for (const row of this.rows) {
      const most = range(steps * this.count).some((n) => Math.abs(this.values.value(n * this.total + row)) >= USED);
      if (most) for (const near of [-1, 0, 1]) used.add((row + near + this.total) % this.total);
    }
    const few = this.rows.filter((row) => used.has(row));
    return few.length && few.length < 0.4 * this.rows.length ? few : null;
  }

  axisName() {
    if (!this.axis || this.groups) return "";
    const few = this.few && !this.app.allRows ? `: the ${this.few.length} around those in use` : "";
    return `${this.axis} ↓${few}`;
  }

  get cell() {
    const count = this.shown.length;
    const least = this.groups ? (11.5 * this.groups.length) / this.total : 0; // names need their lines
    if (least > 2) return Math.max(least, count <= 12 ? 12 : 0);
    return count <= 12 ? 12 : count <= 24 ? 9 : count <= 48 ? 5 : count <= 100 ? 2.6 : 1.8;
  }

  get band() {
    const beside = this.panel.group === "answer" ? this.app.beside : 0;
    // Bands of several heads share the height that one would have, as long as they can be read.
    const most = this.count > 1 ? Math.max(96, 440 / this.count) : 320;
    return Math.max(clamp(this.shown.length * this.cell, 14, most), beside);
  }

  get gap() {
    return this.bands.length > 1 ? 15 : this.wrong ? 8 : 1;
  }

  // The ends of the scale: those of its kind, or of its own values.
  key() {
    if (!this.ownScale) return [this.low, this.high];
    const most = Math.max(Math.abs(this.values.low), Math.abs(this.values.high)) || 1;
    return [this.low < 0 ? -most : this.low, most];
  }

  outline() {
    return { top: this.top(0), band: this.band };
  }

  labelRoom() {
    const groups = this.groups ?? (this.names && this.total <= 12 ? this.names.map((name) => [0, 0, name]) : []);
    return Math.max(0, ...groups.map(([, , label]) => textWidth(label, 10))) + 14;
  }

  height() {
    return this.count * (this.band + this.gap) + 2;
  }

  top(band) {
    return band * (this.band + this.gap) + this.gap;
  }

  prepare() {
    this.images = range(this.count).map((band) => this.#image(band));
  }

  draw(pen, frame) {
    const height = this.band / this.shown.length;
    this.images.forEach((image, band) => {
      const top = this.top(band);
      if (this.bands.length > 1) pen.text(this.bands[band], frame.left, top - 7, { size: 10, colour: theme.faint });
      pen.image(image, frame.left, top, frame.inner, this.band);
      rowBreaks(pen, this.shown, this.total, frame.left, frame.inner, top, height);
      pen.rect(frame.left, top, frame.inner, this.band, { stroke: theme.line });
      frame.answer(pen, this.app.answerStarts, top, top + this.band);
      if (this.groups && this.total > 1) this.#groups(pen, frame, top, height);
      else if (this.names && this.total <= 12) this.#names(pen, frame, top, height);
      else this.#numbers(pen, frame, top, height);
    });
    for (const step of this.wrongSteps ?? []) {
      const x = frame.x(step) + frame.cell / 2;
      const half = clamp(frame.cell / 3, 1.5, 3.5);
      pen.path([[x - half, -2 * half + this.top(0)], [x + half, -2 * half + this.top(0)], [x, this.top(0)]], {
        fill: theme.error, closed: true,
      });
    }
  }

  #groups(pen, frame, top, height) {
    const ends = this.groups.map(([first, last]) => [top + first * height, top + (last + 1) * height]);
    // None over the upper or lower edge, which a group of one thin row may be at.
    const ys = apart(ends.map(([from, to]) => (from + to) / 2), 11, 6, Math.max(6, this.height() - 6));
    const labels = shortened(this.groups.map(([, , label]) => label), frame.left - 12);
    labels.forEach((label, n) => {
      const [from, to] = ends[n];
      if (to - from > 3) pen.path([[frame.left - 5, from + 1], [frame.left - 5, to - 1]], { stroke: theme.faint });
      pen.text(label, frame.left - 9, ys[n], { size: 10, align: "right", colour: theme.faint });
    });
  }

  #names(pen, frame, top, height) {
    this.names.forEach((name, n) => {
      pen.text(name.replace("-", "−"), frame.left - 5, top + (n + 0.5) * height, { size: 10, align: "right", colour: theme.faint });
    });
  }

  #numbers(pen, frame, top, height) {
    const numbers = this.shown.map((row) => this.#said(row));
    for (const { text, y } of rowLabels(this.shown, numbers, height, this.band)) {
      pen.text(text, frame.left - 5, top + y, { size: 10, align: "right", colour: theme.faint });
    }
  }

  // Steps and entries are counted from 1, rows of the memory from 0 as everywhere.
  #said(row) {
    return this.axis === "memory row" ? row : row + 1;
  }

  mark(pen, frame, step) {
    range(this.count).forEach((band) => frame.cursor(pen, step, this.top(band), this.top(band) + this.band));
    this.app.origins?.markHeat(pen, frame, this);
  }

  place(x, y, frame) {
    const step = frame.step(x);
    const band = range(this.count).find((n) => y >= this.top(n) && y < this.top(n) + this.band);
    if (step === null || band === undefined) return null;
    const n = Math.floor(((y - this.top(band)) / this.band) * this.shown.length);
    return { step, band, row: this.shown[clamp(n, 0, this.shown.length - 1)] };
  }

  tell(x, y, frame) {
    const at = this.place(x, y, frame);
    if (!at) return null;
    const { step, band, row } = at;
    const value = this.values.at(step, band, row);
    const head = this.count > 1 ? ` · ${this.bands[band]}` : "";
    if (this.heads === "origin") {
      return [`read at step ${step + 1}${head}`, `${percent(value)} from writes at step ${row + 1}`];
    }
    const name = this.names?.[row] ?? (this.axis ? `${this.axis} ${this.#said(row)}` : "");
    const quiet = this.quietSteps?.has(step) ? ["not asked for"] : [];
    return [`${this.app.unit} ${step + 1} · ${name}${head}`, number(value), ...quiet];
  }

  click(x, y, frame) {
    const at = this.place(x, y, frame);
    if (!at || !this.app.origins) return;
    const { step, band } = at;
    if (this.panel.name === "read_weights" || this.panel.name === "reads") {
      this.app.select({ what: "read", step, head: band });
    } else if (["write_weights", "add", "candidate", "erase"].includes(this.panel.name)) {
      this.app.select({ what: "write", step, head: band });
    } else if (this.heads === "origin") {
      this.app.select({ what: "read", step, head: band });
    }
  }

  #image(band) {
    const [steps] = this.values.shape;
    const rows = this.shown;
    const canvas = document.createElement("canvas");
    canvas.width = steps;
    canvas.height = rows.length;
    const context = canvas.getContext("2d");
    const image = context.createImageData(steps, rows.length);
    this.quietSteps ??= this.quiet ? new Set(this.quiet) : null;
    if (this.wrong && !this.wrongSteps) {
      this.wrongSteps = range(steps).filter((step) => range(this.total).some((n) => this.wrong.at(step, 0, n) > 0.5));
    }
    const [low, high] = this.key();
    const quiet = channels(theme.quiet);
    for (let step = 0; step < steps; step++) {
      rows.forEach((row, n) => {
        const value = this.values.at(step, band, row);
        let colour = inkOf(value, low, high);
        if (this.quietSteps?.has(step)) colour = quiet;
        else if (this.wrong && this.wrong.at(step, band, row) > 0.5) colour = wrongOf(value);
        image.data.set([...colour, 255], 4 * (n * steps + step));
      });
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }
}
