// Which writes a read or a memory cell came from, and which reads a write came to. All shares are
// worked out in Python (origins.py); here they are looked up.

class Origins {
  constructor(data, app) {
    Object.assign(this, data, { app });
    [this.steps, this.readHeads] = this.reads.shape;
  }

  // What is looked at: what was clicked, or the first read of this step.
  get selection() {
    return this.app.selection ?? { what: "read", step: this.app.step, head: 0 };
  }

  // The first step from `first` on at which most of a read was written; -1: there is none.
  firstRead(first) {
    return range(this.steps).findIndex((step) =>
      step >= first && range(this.readHeads).some((head) => this.#written(step, head) >= 0.5));
  }

  #written(step, head) {
    return range(this.steps * this.heads).reduce((sum, index) => sum + this.reads.at(step, head, 1 + index), 0);
  }

  // What the initial memory has of a read or of a cell.
  initialShare({ what, step, head, row, word }) {
    if (what === "read") return this.reads.at(step, head, 0);
    if (what === "write") return 0;
    const value = this.app.panel("memory").data.values.at(step, row, word);
    return value ? this.initial.at(step, row, word) / value : 0;
  }

  write(index) {
    return { step: Math.floor(index / this.heads), head: index % this.heads };
  }

  named({ step, head }) {
    return `write at step ${step + 1}${this.heads > 1 ? `, head ${head + 1}` : ""}`;
  }

  // Entries of {step, head, share, left, label}, the largest first, and what is not among them.
  found(selection = this.selection) {
    const { what } = selection;
    const entries = what === "read" ? this.#ofRead(selection) : what === "write" ? this.#ofWrite(selection) : this.#ofCell(selection);
    entries.sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
    return entries;
  }

  #ofRead({ step, head }) {
    return range(this.steps * this.heads)
      .map((index) => {
        const share = this.reads.at(step, head, 1 + index);
        return { ...this.write(index), share, left: this.survival.at(step, head, index) };
      })
      .filter(({ share }) => Math.abs(share) >= 0.0005)
      .map((entry) => ({ ...entry, label: this.named(entry) }));
  }

  #ofWrite({ step, head }) {
    const index = step * this.heads + head;
    return range(this.steps).flatMap((at) =>
      range(this.readHeads).map((reader) => ({
        step: at,
        head: reader,
        share: this.reads.at(at, reader, 1 + index),
        left: this.survival.at(at, reader, index),
        label: `read at step ${at + 1}${this.readHeads > 1 ? `, head ${reader + 1}` : ""}`,
      })),
    ).filter(({ share }) => Math.abs(share) >= 0.0005);
  }

  #ofCell({ step, row, word }) {
    return range(this.parts.length)
      .filter((part) => this.parts[part][1] === row)
      .map((part) => {
        const entry = this.write(this.parts[part][0]);
        const value = this.content.at(step, part, word);
        return { ...entry, share: this.shares.at(step, part), value, label: this.named(entry) };
      })
      .filter(({ step: at, share }) => at <= step && Math.abs(share) >= 0.0005);
  }

  // The selection and where it came from, in words.
  told(selection = this.selection) {
    const { what, step, head } = selection;
    const entries = this.found(selection);
    const ofSeveral = (count) => `${count > 1 ? `, head ${head + 1},` : ""}`;
    if (what === "read") {
      const initial = this.reads.at(step, head, 0);
      const rest = 1 - initial - entries.reduce((sum, { share }) => sum + share, 0);
      const parts = entries.slice(0, 4).map(({ label, share, left }) => `${percent(share)} ${label} (${percent(left)} left)`);
      const others = entries.slice(4).reduce((sum, { share }) => sum + share, rest);
      return {
        title: `Read at step ${step + 1}${ofSeveral(this.readHeads)} came from`,
        parts: this.#whole(entries, initial, [...parts, ...share(initial, "initial memory"), ...share(others, "other writes")]),
      };
    }
    if (what === "write") {
      const parts = entries.slice(0, 5).map(({ label, share, left }) => `${label}: ${percent(share)} of that read (${percent(left)} left)`);
      return {
        title: `Write at step ${step + 1}${ofSeveral(this.heads)} went to`,
        parts: parts.length ? parts : ["no read (less than 0.05 % of each)"],
      };
    }
    const value = this.app.panel("memory").data.values.at(step, selection.row, selection.word);
    const initial = this.initial.at(step, selection.row, selection.word);
    const rest = entries.reduce((sum, entry) => sum - entry.value, value - initial);
    const scale = Math.max(Math.abs(value), 1e-9);
    const parts = entries.slice(0, 4).map((entry) => `${signed(entry.value)} ${entry.label}`);
    const others = entries.slice(4).reduce((sum, entry) => sum + entry.value, rest);
    if (Math.abs(initial) > 0.0005 * scale) parts.push(`${signed(initial)} initial memory`);
    if (Math.abs(others) > 0.002 * scale) parts.push(`${signed(others)} other writes`);
    return {
      title: `Row ${selection.row}, entry ${selection.word + 1} after step ${step + 1} is ${number(value)}, from`,
      parts: parts.length ? parts : ["nothing that was written"],
    };
  }

  #whole(entries, initial, parts) {
    return entries.length || Math.abs(initial) > 0.0005 ? parts : ["nothing: what it read was empty"];
  }

  markHeat(pen, frame, panel) {
    const { what, step, head } = this.selection;
    const from = what === "write" ? ["read_weights", "reads"] : ["write_weights", "add", "candidate"];
    const own = { read: ["read_weights", "reads"], write: ["write_weights", "add", "candidate"] }[what] ?? [];
    const { name } = panel.panel;
    if (own.includes(name)) {
      const x = frame.x(step) + frame.cell / 2;
      const top = panel.top(head);
      pen.circle(x, top + panel.band + 0.5, 3, { fill: what === "read" ? theme.read : theme.write });
    }
    if (!from.includes(name)) return;
    for (const entry of this.found().slice(0, 40)) {
      const alpha = clamp(Math.abs(entry.share), 0, 1);
      const x = frame.x(entry.step);
      const width = Math.max(frame.cell, 2);
      const y = panel.top(entry.head) + panel.band - 1;
      pen.rect(x, y, width, 3, { fill: what === "write" ? theme.read : theme.write, alpha });
    }
  }

  markMatrix(pen, panel, { left, inner, top, tall }) {
    const selection = this.app.selection;
    if (selection?.what !== "cell" || panel.panel.name !== "memory") return;
    const n = panel.shown.indexOf(selection.row);
    if (n < 0) return;
    const [height, width] = [tall / panel.shown.length, inner / panel.wide];
    pen.rect(left + selection.word * width, top + n * height, width, height, { stroke: theme.error, line: 2 });
  }
}

const signed = (value) => number(value);
const share = (value, name) => (Math.abs(value) >= 0.0005 ? [`${percent(value)} ${name}`] : []);

// The shares over the steps that they came from, and in words.
class OriginsPanel {
  constructor(panel, app) {
    Object.assign(this, { panel, app });
    this.bars = 56;
    this.head = 12;
    this.start = 12; // width of the bar of the initial memory, before the first step
  }

  labelRoom() {
    return textWidth("100 %", 10) + 14 + this.start;
  }

  height(width) {
    return this.head + this.bars + 18 + 16 * this.#lines(width);
  }

  #lines(width) {
    return width > 700 ? 3 : 6;
  }

  // The top of the scale: shares of a read that many writes made are small.
  #most(shares) {
    const most = Math.max(...shares.map(Math.abs), 0);
    return [0.02, 0.05, 0.1, 0.2, 0.5].find((top) => most <= top) ?? 1;
  }

  own() {
    return true;
  }

  prepare() {}

  draw() {}

  // Its caption, which a narrow screen breaks into lines.
  title() {
    return this.app.origins.told().title;
  }

  words() {
    const { title, parts } = this.app.origins.told();
    return `${title}: ${parts.join(", ")}`;
  }

  mark(pen, frame, step) {
    const { origins } = this.app;
    const { what, step: at } = origins.selection;
    const { parts } = origins.told();
    const colour = what === "write" ? theme.read : theme.write;
    const bottom = this.head + this.bars;
    const totals = new Map();
    for (const { step: from, share } of origins.found()) totals.set(from, (totals.get(from) ?? 0) + share);
    const initial = origins.initialShare(origins.selection);
    const most = this.#most([...totals.values(), initial]);
    for (const level of [0, 1]) {
      const y = bottom - level * this.bars;
      pen.path([[frame.left, y], [frame.left + frame.inner, y]], { stroke: theme.line });
      pen.text(`${100 * level * most} %`, frame.left - 9 - this.start, y, { size: 10, align: "right", colour: theme.faint });
    }
    this.#initial(pen, frame, initial, most);
    for (const [from, share] of totals) {
      const tall = this.bars * clamp(Math.abs(share) / most, 0, 1);
      const width = Math.max(2, frame.cell - 1);
      pen.rect(frame.x(from) + (frame.cell - width) / 2, bottom - tall, width, tall, share < 0 ? { stroke: colour } : { fill: colour });
    }
    const x = frame.x(at) + frame.cell / 2;
    const own = what === "write" ? theme.write : theme.read;
    pen.path([[x, this.head - 3], [x, bottom]], { stroke: own, line: 1.5 });
    pen.path([[x - 4, this.head - 7], [x + 4, this.head - 7], [x, this.head - 1]], { fill: own, closed: true });
    this.#list(pen, frame, parts, bottom + 22);
  }

  // The initial memory is older than the first step.
  #initial(pen, frame, share, most) {
    const bottom = this.head + this.bars;
    const x = frame.left - 4 - this.start;
    const tall = this.bars * clamp(Math.abs(share) / most, 0, 1);
    pen.path([[x, bottom], [x + this.start, bottom]], { stroke: theme.line });
    pen.rect(x, bottom - tall, this.start, tall, share < 0 ? { stroke: theme.faint } : { fill: theme.faint });
    pen.text("initial", x + this.start, bottom + 8, { size: 10, align: "right", colour: theme.faint });
  }

  // Parts one after the other, each whole on its line; longer ones than a line are shortened.
  #list(pen, frame, parts, top) {
    let [x, line] = [0, 0];
    for (const part of parts) {
      const text = fitted(part, frame.inner, 11.5);
      const width = textWidth(text, 11.5);
      if (x && x + width > frame.inner) [x, line] = [0, line + 1];
      if (line === this.#lines(frame.width)) return;
      pen.text(text, frame.left + x, top + 16 * line, { size: 11.5 });
      x += width + 26;
    }
  }

  tell(x, y, frame) {
    const step = frame.step(x);
    if (y > this.head + this.bars) return null;
    const start = frame.left - 4 - this.start;
    if (x >= start && x < start + this.start) {
      return [`initial memory: ${percent(this.app.origins.initialShare(this.app.origins.selection))}`];
    }
    if (step === null) return null;
    const here = this.app.origins.found().filter((entry) => entry.step === step);
    return here.length
      ? here.slice(0, 4).map(({ label, share }) => `${label}: ${percent(share)}`)
      : [`${this.app.unit} ${step + 1}: nothing`];
  }

  click(x, y, frame) {
    const step = frame.step(x);
    const entry = this.app.origins.found().find((each) => each.step === step);
    if (!entry) return;
    const { what } = this.app.origins.selection;
    this.app.select({ what: what === "write" ? "read" : "write", step, head: entry.head }, true);
  }
}
