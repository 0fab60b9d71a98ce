// Tapes with their heads: the symbols and cells around the heads, their paths, and what is written.

class TapePanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    this.size = Math.max(26, ...[...this.tape, ...this.asked, ...this.said].map((word) => textWidth(word, 13) + 12));
    this.path = 96;
    this.strips = this.memory_head ? 3 : 2;
    this.times = this.wrote.flatMap((wrote, step) => (wrote ? [step] : []));
  }

  labelRoom() {
    return textWidth("memory tape", 10) + 14;
  }

  height() {
    return this.strips * 62 + (this.memory_head ? 2 : 1) * (this.path + 30) + 8;
  }

  own() {
    return true;
  }

  prepare() {}

  draw() {}

  mark(pen, frame, step) {
    this.#strip(pen, frame, 0, "input tape", this.input_head[step], (at) => this.tape[at] ?? "", theme.read, [0, this.tape.length - 1]);
    let top = 62;
    if (this.memory_head) {
      const [low, high] = [Math.min(...this.memory_head), Math.max(...this.memory_head)];
      this.#strip(pen, frame, top, "memory tape", this.memory_head[step], (at) => String(at).replace("-", "−"), theme.write, [low, high]);
      top += 62;
    }
    this.#answer(pen, frame, top, step);
    top += 70;
    this.#path(pen, frame, top, step, "input head", this.input_head, theme.read);
    if (this.memory_head) this.#path(pen, frame, top + this.path + 30, step, "memory head", this.memory_head, theme.write);
  }

  // Cells of a tape, those around the head where not all fit.
  #strip(pen, frame, top, name, head, word, colour, [low, high]) {
    const room = Math.max(3, Math.floor(frame.inner / this.size));
    const ends = [Math.min(low, head), Math.max(high, head)];
    const count = Math.min(room, ends[1] - ends[0] + 1);
    const first = clamp(head - Math.floor(count / 2), ends[0], ends[1] - count + 1);
    pen.text(name, frame.left - 8, top + 30, { size: 10, align: "right", colour: theme.faint });
    range(count).forEach((n) => {
      const at = first + n;
      const x = frame.left + n * this.size;
      const here = at === head;
      pen.rect(x, top + 17, this.size, 26, { stroke: here ? colour : theme.line, line: here ? 2 : 1 });
      pen.text(word(at), x + this.size / 2, top + 30, { size: 13, align: "center", weight: here ? 600 : 400 });
      if (here) {
        const middle = x + this.size / 2;
        pen.path([[middle - 6, top + 4], [middle + 6, top + 4], [middle, top + 14]], { fill: colour, closed: true });
      }
    });
  }

  #answer(pen, frame, top, step) {
    const done = this.times.filter((time) => time <= step).length;
    const room = Math.max(1, Math.floor(frame.inner / this.size));
    const first = clamp(done - room, 0, Math.max(0, this.asked.length - room));
    [["asked", this.asked], ["written", this.said]].forEach(([name, words], line) => {
      const y = top + 12 + 26 * line;
      pen.text(name, frame.left - 8, y, { size: 10, align: "right", colour: theme.faint });
      words.slice(first, first + room).forEach((word, n) => {
        const at = first + n;
        if (line && at >= done) return;
        const wrong = line && word !== this.asked[at];
        const now = this.times[at] === step;
        const x = frame.left + (n + 0.5) * this.size;
        if (line && now) pen.rect(x - this.size / 2 + 2, y - 12, this.size - 4, 24, { fill: theme.quiet });
        pen.text(word, x, y, { size: 13, align: "center", weight: wrong || now ? 600 : 400, colour: wrong ? theme.error : line ? theme.text : theme.faint });
      });
    });
  }

  #path(pen, frame, top, step, name, head, colour) {
    const [low, high] = [Math.min(...head), Math.max(...head)];
    const y = (at) => top + 10 + (this.path - 20) * (high > low ? (at - low) / (high - low) : 0.5);
    pen.text(name, frame.left - 8, top + this.path / 2, { size: 10, align: "right", colour: theme.faint });
    const spots = head.map((at, n) => [frame.x(n) + frame.cell / 2, y(at)]);
    for (const at of new Set([low, high])) {
      pen.path([[frame.left, y(at)], [frame.left + frame.inner, y(at)]], { stroke: theme.line });
      pen.text(String(at).replace("-", "−"), frame.left - 5, y(at), { size: 10, align: "right", colour: theme.faint });
    }
    pen.path(spots, { stroke: colour, line: 1.4 });
    spots.forEach(([x, at], n) => {
      pen.circle(x, at, clamp(frame.cell / 3, 1.5, 4), { fill: this.wrote[n] ? colour : theme.surface, stroke: colour });
    });
    frame.cursor(pen, step, top, top + this.path);
    frame.axis(pen, top + this.path, "step");
  }

  stepAt(x, y, frame) {
    return y > this.strips * 62 ? frame.step(x) : null;
  }

  words() {
    return this.#told(this.app.step).join(", ");
  }

  tell(x, y, frame) {
    const step = this.stepAt(x, y, frame);
    return step === null ? null : this.#told(step);
  }

  #told(step) {
    const at = this.input_head[step];
    const count = this.times.filter((time) => time <= step).length;
    const wrote = this.wrote[step] ? `wrote ${this.said[count - 1]}, asked ${this.asked[count - 1]}` : "wrote nothing";
    const memory = this.memory_head ? [`memory head at ${this.memory_head[step]}`] : [];
    return [`step ${step + 1}`, `input head at ${at}: ${this.tape[at] ?? "blank"}`, ...memory, wrote];
  }
}
