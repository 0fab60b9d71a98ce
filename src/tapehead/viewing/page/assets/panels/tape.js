// Tapes with their heads: the symbols and cells around the heads, their paths, and what is written.

class TapePanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    this.path = 96;
    this.strips = this.memory_head ? 3 : 2;
    this.times = this.wrote.flatMap((wrote, step) => (wrote ? [step] : []));
  }

  labelRoom() {
    return textWidth("memory tape", 10) + 14;
  }

  // On a narrow screen names stand above the tapes, and the cells are smaller. A word that is far
  // longer than the others is written smaller, for they would all have wide cells.
  #shape(width) {
    const narrow = width < 480;
    const [font, around] = narrow ? [12, 8] : [13, 12];
    const words = [...this.tape, ...this.asked, ...this.said];
    const widths = words.map((word) => textWidth(word, font, 600)).sort((a, b) => a - b);
    const middle = widths[Math.floor(widths.length / 2)];
    const cell = Math.max(narrow ? 22 : 26, Math.min(widths.at(-1), 1.3 * middle) + around);
    return { narrow, font, cell, strip: narrow ? 74 : 62, answer: narrow ? 96 : 70, above: narrow ? 14 : 0 };
  }

  // Where the paths of the heads begin.
  #paths(width) {
    const { strip, answer } = this.#shape(width);
    return (this.strips - 1) * strip + answer;
  }

  height(width) {
    return this.#paths(width) + (this.memory_head ? 2 : 1) * (this.path + 30);
  }

  own() {
    return true;
  }

  prepare() {}

  draw() {}

  mark(pen, frame, step) {
    const shape = this.#shape(frame.width);
    this.#strip(pen, frame, shape, 0, "input tape", this.input_head[step], (at) => this.tape[at] ?? "", theme.read, [0, this.tape.length - 1]);
    let top = shape.strip;
    if (this.memory_head) {
      const ends = [Math.min(...this.memory_head), Math.max(...this.memory_head)];
      this.#strip(pen, frame, shape, top, "memory tape", this.memory_head[step], (at) => String(at).replace("-", "−"), theme.write, ends);
      top += shape.strip;
    }
    this.#answer(pen, frame, shape, top, step);
    top += shape.answer;
    this.#path(pen, frame, top, step, "input head", this.input_head, theme.read);
    if (this.memory_head) this.#path(pen, frame, top + this.path + 30, step, "memory head", this.memory_head, theme.write);
  }

  // Which of so many cells are shown, those around `here`, and where.
  #cells(frame, { narrow, cell }, count, here) {
    const left = narrow ? 2 : frame.left;
    return fitting(count, cell, left, frame.width - left - (narrow ? 2 : MARGIN.right), here);
  }

  #name(pen, frame, { narrow }, name, y, above) {
    const look = { size: 10, colour: theme.faint };
    if (narrow) pen.text(name, 2, above, look);
    else pen.text(name, frame.left - 8, y, { ...look, align: "right" });
  }

  // Cells of a tape, those around the head where not all fit.
  #strip(pen, frame, shape, top, name, head, word, colour, [low, high]) {
    const [from, to] = [Math.min(low, head), Math.max(high, head)];
    const count = to - from + 1;
    const { cell, font } = shape;
    const cells = this.#cells(frame, shape, count, head - from);
    this.#name(pen, frame, shape, name, top + 30, top + 7);
    top += shape.above;
    range(cells.shown).forEach((n) => {
      const at = from + cells.first + n;
      const x = cells.x + n * cell;
      pen.rect(x, top + 17, cell, 26, { stroke: theme.line });
      const weight = at === head ? 600 : 400;
      pen.text(word(at), x + cell / 2, top + 30, { size: sizeFor(word(at), cell - 5, font, weight), align: "center", weight });
    });
    const x = cells.x + (head - from - cells.first) * cell;
    pen.rect(x, top + 17, cell, 26, { stroke: colour, line: 2 });
    const middle = x + cell / 2;
    pen.path([[middle - 6, top + 4], [middle + 6, top + 4], [middle, top + 14]], { fill: colour, closed: true });
    tellRest(pen, cells, count, cell, top + 30);
  }

  #answer(pen, frame, shape, top, step) {
    const { cell, font, narrow } = shape;
    const done = this.times.filter((time) => time <= step).length;
    const cells = this.#cells(frame, shape, this.asked.length, Math.max(0, done - 1));
    [["asked", this.asked], ["written", this.said]].forEach(([name, words], line) => {
      const y = top + (narrow ? 26 + 42 * line : 12 + 26 * line);
      this.#name(pen, frame, shape, name, y, y - 19);
      words.slice(cells.first, cells.first + cells.shown).forEach((word, n) => {
        const at = cells.first + n;
        if (line && at >= done) return;
        const wrong = line && word !== this.asked[at];
        const now = this.times[at] === step;
        const x = cells.x + (n + 0.5) * cell;
        if (line && now) pen.rect(x - cell / 2 + 2, y - 12, cell - 4, 24, { fill: theme.quiet });
        const weight = wrong || now ? 600 : 400;
        const colour = wrong ? theme.error : line ? theme.text : theme.faint;
        pen.text(word, x, y, { size: sizeFor(word, cell - 5, font, weight), align: "center", weight, colour });
      });
      tellRest(pen, cells, this.asked.length, cell, y);
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
    return y > this.#paths(frame.width) ? frame.step(x) : null;
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
