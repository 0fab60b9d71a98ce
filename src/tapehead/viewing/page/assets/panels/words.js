// Answers in words: a column for each step of the answer, asked over said.

class WordsPanel {
  constructor(panel, app) {
    Object.assign(this, panel.data, { panel, app });
    this.column = Math.max(30, ...[...this.asked, ...this.said].flat().map((word) => textWidth(word, 11, 600) + 14));
    this.line = 17;
  }

  labelRoom() {
    return Math.max(...this.rows.map((row) => textWidth(row, 10))) + 12;
  }

  height() {
    return 2 * (this.rows.length * this.line + 18) + 18;
  }

  own() {
    return true;
  }

  prepare() {}

  draw() {}

  // The columns that fit, around the step that is looked at.
  #window(frame, step) {
    const here = this.at.findIndex((each) => each >= step);
    const middle = here < 0 ? this.at.length - 1 : here;
    return fitting(this.at.length, this.column, frame.left, frame.inner, middle);
  }

  mark(pen, frame, step) {
    const shown = this.#window(frame, step);
    const columns = range(shown.shown).map((n) => shown.first + n);
    const tall = this.rows.length * this.line;
    [["asked", this.asked, 0], ["said", this.said, tall + 18]].forEach(([title, words, top]) => {
      pen.text(title, frame.left, top + 8, { size: 10, weight: 600, colour: theme.faint });
      this.rows.forEach((row, n) => {
        const y = top + 18 + (n + 0.5) * this.line;
        pen.text(row, frame.left - 6, y, { size: 10, align: "right", colour: theme.faint });
        columns.forEach((column, m) => {
          const right = words[column][n] === this.asked[column][n];
          const look = { align: "center", colour: right ? theme.text : theme.error, weight: right ? 400 : 600 };
          pen.text(words[column][n], shown.x + (m + 0.5) * this.column, y, look);
        });
      });
    });
    columns.forEach((column, m) => {
      const x = shown.x + m * this.column;
      pen.text(String(this.at[column] + 1), x + this.column / 2, 2 * (tall + 18) + 8, { size: 10, align: "center", colour: theme.faint });
      if (this.at[column] === step) pen.rect(x + 1, 14, this.column - 2, 2 * tall + 24, { stroke: theme.cursor, alpha: 0.8 });
    });
    tellRest(pen, shown, this.at.length, this.column, 2 * (tall + 18) + 8);
    pen.text("step", frame.left - 6, 2 * (tall + 18) + 8, { size: 10, align: "right", colour: theme.faint });
  }

  words() {
    const n = this.at.indexOf(this.app.step);
    return n < 0 ? "nothing is asked for" : `asked: ${this.asked[n].join(" ")}, said: ${this.said[n].join(" ")}`;
  }

  tell() {
    return null;
  }

  stepAt(x, y, frame) {
    const { first, shown, x: left } = this.#window(frame, this.app.step);
    const column = Math.floor((x - left) / this.column);
    return column >= 0 && column < shown ? this.at[first + column] : null;
  }
}
