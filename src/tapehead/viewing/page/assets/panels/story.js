// A story, a question about it, and what the machine looked at to answer: a step is a question.

class StoryPanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    this.line = 22;
    this.next = 16; // from a line of a sentence to its next
    const rests = new Set(this.readings.flatMap(({ supporting }) => supporting));
    this.weights = this.sentences.map((_, row) => (rests.has(row) ? 600 : 400));
  }

  outline({ width }) {
    return { top: this.#shape(width).names };
  }

  labelRoom() {
    return 0;
  }

  own() {
    return true;
  }

  prepare() {}

  draw() {}

  // Sentences that an answer rests on are as wide as they are in bold. Where the screen is too
  // narrow the cells give way first; then sentences take several lines.
  #shape(width) {
    if (this.shaped?.width === width) return this.shaped;
    const [left, number, gap] = [18, 20, width < 480 ? 8 : 14];
    const widest = Math.ceil(Math.max(...this.sentences.map((text, row) => textWidth(text, 13, this.weights[row]))));
    const count = this.columns.length;
    const least = Math.min(count > 4 ? 12 : 18, (0.5 * (width - 24)) / count);
    const cell = clamp((width - left - 4 - number - gap - widest) / count, least, 46);
    const text = Math.min(number + widest + gap, width - left - 4 - count * cell);
    const said = this.sentences.map((sentence, row) => wrapped(sentence, text - number - gap, 13, this.weights[row]));
    const upright = cell < Math.max(...this.columns.map((name) => textWidth(name, 10))) + 4;
    const names = upright ? Math.max(...this.columns.map((name) => textWidth(name, 10))) + 8 : 18;
    const tops = [names];
    for (const lines of said) tops.push(tops.at(-1) + this.line + (lines.length - 1) * this.next);
    const asked = this.readings.map(({ question }) => wrapped(question, width - 36, 15, 600));
    const most = Math.max(...asked.map((lines) => lines.length));
    return (this.shaped = { width, left, text, cell, upright, names, x: left + text, said, tops, asked, most });
  }

  height(width) {
    const { tops, most } = this.#shape(width);
    return tops.at(-1) + (this.of_question ? 30 : 8) + 44 + 20 * most;
  }

  mark(pen, frame, step) {
    const { left, cell, upright, names, x, said, tops, asked } = this.#shape(frame.width);
    const reading = this.readings[step];
    const every = Math.ceil(12 / cell); // of names too close to be read, some
    this.columns.forEach((name, n) => {
      if (n % every) return;
      const at = x + (n + 0.5) * cell;
      if (upright) pen.text(name, at, names - 4, { size: 10, colour: theme.faint, turn: -Math.PI / 2 });
      else pen.text(name, at, 9, { size: 10, colour: theme.faint, align: "center" });
    });
    said.forEach((lines, row) => {
      const y = tops[row];
      const known = row < reading.known;
      const colour = known ? theme.text : theme.line;
      const weight = reading.supporting.includes(row) ? 600 : 400;
      if (reading.supporting.includes(row)) pen.circle(8, y + this.line / 2, 3.5, { fill: theme.asked });
      pen.text(String(row + 1), left, y + this.line / 2, { size: 10, colour: known ? theme.faint : theme.line });
      lines.forEach((line, n) => pen.text(line, left + 20, y + this.line / 2 + n * this.next, { size: 13, colour, weight }));
      const tall = tops[row + 1] - y;
      if (known) this.columns.forEach((_, n) => this.#cell(pen, x + n * cell, y, cell, tall, this.looked.at(step, row, n)));
    });
    let y = tops.at(-1);
    if (this.of_question) {
      pen.text("the question looked at", x - 8, y + 15, { size: 10, align: "right", colour: theme.faint });
      this.columns.forEach((_, n) => this.#cell(pen, x + n * cell, y + 4, cell, this.line, this.of_question.at(step, n)));
      y += 26;
    }
    const wrong = reading.asked !== null && reading.asked !== reading.said;
    asked[step].forEach((line, n) => pen.text(line, left, y + 24 + 20 * n, { size: 15, weight: 600 }));
    y += 20 * (asked[step].length - 1);
    const verdict = `${reading.said}, ${Math.round(100 * reading.chance)} %${wrong ? `   right: ${reading.asked}` : ""}`;
    pen.text(verdict, left, y + 47, { size: 15, colour: wrong ? theme.error : theme.asked });
  }

  #cell(pen, x, y, cell, tall, value) {
    pen.rect(x + 1, y + 1, cell - 2, tall - 2, { fill: css(inkOf(value, 0, 1)) });
    pen.rect(x + 1, y + 1, cell - 2, tall - 2, { stroke: theme.line, line: 0.5 });
  }

  words() {
    const { step } = this.app;
    const { question, said, chance, asked, known } = this.readings[step];
    const looks = this.columns.map((name, n) => {
      const most = range(known).reduce((a, b) => (this.looked.at(step, b, n) > this.looked.at(step, a, n) ? b : a), 0);
      return `${name}: ${percent(this.looked.at(step, most, n))} on sentence ${most + 1}`;
    });
    const right = asked === null || asked === said ? "" : `, right: ${asked}`;
    return `${question} ${said}, ${percent(chance)}${right}. ${looks.join(", ")}`;
  }

  tell(px, py, frame) {
    const { cell, tops, x } = this.#shape(frame.width);
    const below = tops.at(-1) + 4;
    const row = py >= below && py < below + this.line ? this.sentences.length : tops.findIndex((top) => top > py) - 1;
    const column = Math.floor((px - x) / cell);
    const { known, supporting } = this.readings[this.app.step];
    if (row < 0 || row > this.sentences.length) return null;
    if (row === this.sentences.length) {
      return this.of_question && this.columns[column]
        ? [`the question looked at ${this.columns[column]}`, number(this.of_question.at(this.app.step, column))]
        : null;
    }
    const rests = supporting.includes(row) ? ["the answer rests on it"] : [];
    if (!this.columns[column] || row >= known) return [this.sentences[row], ...rests];
    return [`${this.sentences[row]}`, `${this.columns[column]}: ${number(this.looked.at(this.app.step, row, column))}`, ...rests];
  }
}
