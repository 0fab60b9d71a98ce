// A story, a question about it, and what the machine looked at to answer: a step is a question.

class StoryPanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    this.line = 22;
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

  #shape(width) {
    const widest = Math.max(...this.sentences.map((text, n) => textWidth(`${n + 1}  ${text}`, 13)));
    const count = this.columns.length;
    const least = Math.min(count > 4 ? 12 : 26, (0.5 * (width - 24)) / count);
    const cell = clamp((width - 44 - widest) / count, least, 46);
    const text = Math.min(widest + 20, width - 24 - count * cell);
    const upright = cell < Math.max(...this.columns.map((name) => textWidth(name, 10))) + 4;
    const names = upright ? Math.max(...this.columns.map((name) => textWidth(name, 10))) + 8 : 18;
    return { left: 18, text, cell, upright, names, x: 18 + text };
  }

  height(width) {
    const { names } = this.#shape(width);
    return names + this.sentences.length * this.line + (this.of_question ? 30 : 8) + 66;
  }

  mark(pen, frame, step) {
    const { left, text, cell, upright, names, x } = this.#shape(frame.width);
    const reading = this.readings[step];
    const every = Math.ceil(12 / cell); // of names too close to be read, some
    this.columns.forEach((name, n) => {
      if (n % every) return;
      const at = x + (n + 0.5) * cell;
      if (upright) pen.text(name, at, names - 4, { size: 10, colour: theme.faint, turn: -Math.PI / 2 });
      else pen.text(name, at, 9, { size: 10, colour: theme.faint, align: "center" });
    });
    this.sentences.forEach((sentence, row) => {
      const y = names + row * this.line;
      const known = row < reading.known;
      const colour = known ? theme.text : theme.line;
      const weight = reading.supporting.includes(row) ? 600 : 400;
      if (reading.supporting.includes(row)) pen.circle(8, y + this.line / 2, 3.5, { fill: theme.asked });
      pen.text(String(row + 1), left, y + this.line / 2, { size: 10, colour: known ? theme.faint : theme.line });
      pen.text(fitted(sentence, text - 24, 13, weight), left + 20, y + this.line / 2, { size: 13, colour, weight });
      if (known) this.columns.forEach((_, n) => this.#cell(pen, x + n * cell, y, cell, this.looked.at(step, row, n)));
    });
    let y = names + this.sentences.length * this.line;
    if (this.of_question) {
      pen.text("the question looked at", x - 8, y + 15, { size: 10, align: "right", colour: theme.faint });
      this.columns.forEach((_, n) => this.#cell(pen, x + n * cell, y + 4, cell, this.of_question.at(step, n)));
      y += 26;
    }
    const wrong = reading.asked !== null && reading.asked !== reading.said;
    pen.text(fitted(reading.question, frame.width - 36, 15, 600), left, y + 24, { size: 15, weight: 600 });
    const verdict = `${reading.said}, ${Math.round(100 * reading.chance)} %${wrong ? `   right: ${reading.asked}` : ""}`;
    pen.text(verdict, left, y + 47, { size: 15, colour: wrong ? theme.error : theme.asked });
  }

  #cell(pen, x, y, cell, value) {
    pen.rect(x + 1, y + 1, cell - 2, this.line - 2, { fill: css(inkOf(value, 0, 1)) });
    pen.rect(x + 1, y + 1, cell - 2, this.line - 2, { stroke: theme.line, line: 0.5 });
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
    const { text, cell, names, x } = this.#shape(frame.width);
    const row = Math.floor((py - names) / this.line);
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
