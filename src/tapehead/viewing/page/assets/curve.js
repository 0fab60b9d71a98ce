// The learning curve: one metric over sequences or seconds, training and validation.

class CurveView {
  constructor(curve, app) {
    Object.assign(this, { app, curve });
    this.metric = 0;
    this.log = false;
    this.over = "sequences";
    this.box = element("div", { class: "curve" });
    this.choice = element("select", { "aria-label": "metric", onchange: (event) => this.#set("metric", Number(event.target.value)) });
    const flip = (event) => this.#set("log", event.target.checked);
    const axis = element("select", { "aria-label": "axis", onchange: (event) => this.#set("over", event.target.value) },
      element("option", { value: "sequences" }, "over sequences"),
      element("option", { value: "seconds" }, "over seconds"));
    this.controls = element("div", { class: "controls" }, this.choice, axis,
      element("label", {}, element("input", { type: "checkbox", onchange: flip }), " logarithmic"),
      element("button", { class: "save", title: "Save as PNG", onclick: () => this.save() }, "PNG"));
    this.note = element("p", { class: "note" });
    this.root = element("div", {}, this.controls, this.box, this.note);
    this.#options();
  }

  update(curve) {
    this.curve = curve;
    this.#options();
    this.layout();
  }

  get empty() {
    return !this.curve.metrics.length;
  }

  #options() {
    this.choice.replaceChildren(...this.curve.metrics.map(({ title }, n) => element("option", { value: n }, title)));
    this.choice.value = this.metric;
  }

  #set(name, value) {
    this[name] = value;
    this.layout();
  }

  // Both kinds of rows on one axis, as uPlot wants them.
  #columns() {
    const { name } = this.curve.metrics[this.metric];
    const parts = ["train", "validation"].map((kind) => {
      const { [this.over]: xs, [name]: ys = [] } = this.curve[kind];
      return [xs.map(Number), ys.map((value) => (this.log && !(value > 0) ? null : value))];
    });
    return uPlot.join(parts.filter(([xs]) => xs.length));
  }

  layout() {
    const width = this.box.clientWidth;
    this.plot?.destroy();
    this.plot = null;
    if (!width || this.empty) return;
    const kinds = ["train", "validation"].filter((kind) => this.curve[kind][this.over].length);
    const { title, goal, share } = this.curve.metrics[this.metric];
    const lines = { train: theme.read, validation: theme.write };
    const axis = { stroke: theme.faint, grid: { stroke: theme.line, width: 0.5 }, ticks: { stroke: theme.line, width: 0.5 }, font: `11px ${FONT}`, labelFont: `11px ${FONT}` };
    const shown = (value) => (value === null || value === undefined ? "–" : share ? percent(value) : number(value));
    this.plot = new uPlot(
      {
        width,
        height: 260,
        scales: { x: { time: false }, y: { distr: this.log ? 3 : 1, range: this.log ? undefined : (_, low, high) => [Math.min(0, low), high * 1.05 || 1] } },
        series: [
          { label: this.over, value: (_, value) => (value === null ? "–" : value.toLocaleString("en")) },
          ...kinds.map((kind) => ({
            label: kind === "train" ? "training" : kind, stroke: lines[kind], width: 1.5, spanGaps: true,
            points: { show: this.curve[kind][this.over].length < 60, size: 5 }, value: (_, value) => shown(value),
          })),
        ],
        axes: [
          { ...axis, label: this.over === "sequences" ? "sequences seen" : "training time (s)", labelSize: 18, values: (_, values) => values.map((value) => value.toLocaleString("en")) },
          { ...axis, label: title, labelSize: 18, size: 56, values: (_, values) => values.map((value) => (value === null ? "" : share ? `${Math.round(100 * value)} %` : String(+value.toPrecision(6)))) },
        ],
        hooks: { draw: [(plot) => this.#goal(plot, goal)] },
      },
      this.#columns(),
      this.box,
    );
    const every = Math.max(this.curve.train.every, this.curve.validation.every);
    this.note.textContent = every > 1 ? `Every ${every}th report is drawn. Drag to look closer, double click to go back.` : "Drag to look closer, double click to go back.";
  }

  // A broken line where the task counts as solved.
  #goal(plot, goal) {
    if (goal === null || (this.log && goal <= 0)) return;
    const y = plot.valToPos(goal, "y", true);
    const { left, width, top, height } = plot.bbox;
    if (!(y >= top && y <= top + height)) return;
    const { ctx } = plot;
    ctx.save();
    ctx.strokeStyle = theme.asked;
    ctx.setLineDash([6, 4]);
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
    ctx.restore();
  }

  save() {
    if (!this.plot) return;
    const drawn = this.plot.ctx.canvas;
    const canvas = element("canvas", { width: drawn.width, height: drawn.height });
    const context = canvas.getContext("2d");
    context.fillStyle = theme.surface;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(drawn, 0, 0);
    canvas.toBlob((blob) => offer(blob, `${this.app.fileName}-learning-curve.png`));
  }
}
