// The learning curve: one metric over sequences or seconds, training and validation.

const SOLVED = "counts as solved";

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
      ...["PNG", "SVG"].map((type) => saveButton(type, () => this.save(type))));
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

  // Where the task counts as solved, if that can be drawn.
  get #goal() {
    const { goal } = this.curve.metrics[this.metric];
    return goal === null || (this.log && goal <= 0) ? null : goal;
  }

  // What the axis of values is called: that shares are in per cent its numbers say.
  get #named() {
    const { title, share } = this.curve.metrics[this.metric];
    return share ? title.replace(/ \(%[^)]*\)$/, "") : title;
  }

  // Both kinds of rows on one axis, as uPlot wants them, and the goal.
  #columns() {
    const { name } = this.curve.metrics[this.metric];
    const parts = ["train", "validation"].map((kind) => {
      const { [this.over]: xs, [name]: ys = [] } = this.curve[kind];
      return [xs.map(Number), ys.map((value) => (this.log && !(value > 0) ? null : value))];
    });
    const joined = uPlot.join(parts.filter(([xs]) => xs.length));
    return this.#goal === null ? joined : [...joined, joined[0].map(() => this.#goal)];
  }

  layout() {
    const width = this.box.clientWidth;
    this.plot?.destroy();
    this.plot = null;
    if (!width || this.empty) return;
    const kinds = ["train", "validation"].filter((kind) => this.curve[kind][this.over].length);
    const { share } = this.curve.metrics[this.metric];
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
          ...(this.#goal === null ? [] : [{
            label: SOLVED, stroke: theme.asked, width: 1, dash: [6, 4], points: { show: false }, value: () => shown(this.#goal),
          }]),
        ],
        axes: [
          { ...axis, label: this.over === "sequences" ? "sequences seen" : "training time (s)", labelSize: 16, size: 30, values: (_, values) => values.map((value) => value.toLocaleString("en")) },
          { ...axis, label: fitted(this.#named, 190), labelSize: 18, size: 56, values: (_, values) => values.map((value) => (value === null ? "" : share ? `${Math.round(100 * value)} %` : String(+value.toPrecision(6)))) },
        ],
        hooks: { setCursor: [(plot) => this.#tellLast(plot)], ready: [(plot) => this.#tellLast(plot)] },
      },
      this.#columns(),
      this.box,
    );
    const every = Math.max(this.curve.train.every, this.curve.validation.every);
    this.note.textContent = every > 1 ? `Every ${every}th report is drawn. Drag to look closer, double click to go back.` : "Drag to look closer, double click to go back.";
  }

  // With no point under the mouse, and on a phone always, the legend tells the last of each line.
  #tellLast(plot) {
    if (plot.cursor.idx !== null && plot.cursor.idx !== undefined) return;
    const last = plot.data.map((values) => values.findLastIndex((value) => value !== null && value !== undefined));
    plot.setLegend({ idxs: last }, false);
  }

  // The curve as it is on the screen, that which is looked at closer too, with title and legend.
  save(type) {
    if (!this.plot) return;
    const { width } = this.plot;
    const height = HEAD + this.plot.height + 22;
    const { title } = this.curve.metrics[this.metric];
    const name = `${this.app.fileName}-learning-curve`;
    savePicture(type, name, width, height, (pen) => {
      const told = [title, this.app.documentTitle].filter(Boolean).join(" · ");
      pen.text(fitted(told, width - 12, 12, 600), 6, 13, { size: 12, weight: 600 });
      pen.shifted(0, HEAD, () => this.#paint(pen));
    });
  }

  #paint(pen) {
    const { plot } = this;
    const [left, top, wide, tall] = ["left", "top", "width", "height"].map((side) => plot.bbox[side] / devicePixelRatio);
    const at = (value, scale) => plot.valToPos(value, scale) + (scale === "x" ? left : top);
    // The ticks are those that uPlot found.
    plot.axes.forEach((axis, n) => {
      axis._splits.forEach((value, place) => {
        const label = axis._values[place];
        const spot = value === null ? NaN : at(value, n ? "y" : "x");
        const [low, size] = n ? [top, tall] : [left, wide];
        if (!(spot >= low - 0.5 && spot <= low + size + 0.5)) return;
        const line = n ? [[left, spot], [left + wide, spot]] : [[spot, top], [spot, top + tall]];
        pen.path(line, { stroke: theme.line, line: 0.5 });
        if (!label) return;
        if (n) pen.text(label, left - 8, spot, { colour: theme.faint, align: "right" });
        else pen.text(label, spot, top + tall + 14, { colour: theme.faint, align: "center" });
      });
    });
    pen.text(plot.axes[0].label, left + wide / 2, top + tall + 32, { colour: theme.faint, align: "center" });
    pen.text(fitted(this.#named, tall), 10, top + tall / 2, { colour: theme.faint, align: "center", turn: -Math.PI / 2 });
    const entries = [];
    pen.within([left - 3, top - 3, wide + 6, tall + 6], () => {
      plot.series.slice(1).forEach(({ label, show, width: line, dash = [] }, n) => {
        if (!show) return;
        const colour = { training: theme.read, validation: theme.write, [SOLVED]: theme.asked }[label];
        const spots = plot.data[0].flatMap((x, place) => {
          const y = plot.data[n + 1][place];
          return y === null || y === undefined ? [] : [[at(x, "x"), at(y, "y")]];
        });
        pen.path(spots, { stroke: colour, line, dash });
        if (spots.length < 60 && label !== SOLVED) for (const [x, y] of spots) pen.circle(x, y, 2.5, { fill: theme.surface, stroke: colour });
        entries.push({ name: label, colour, line, dash });
      });
    });
    legend(pen, entries, left, plot.height + 10);
  }
}
