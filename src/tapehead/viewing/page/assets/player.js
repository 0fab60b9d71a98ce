// The episode on show: its step, its panels, what is selected; play, keys and slider.

class App {
  constructor(held) {
    this.held = held;
    this.step = 0;
    this.selection = null;
    this.allRows = false;
    this.beside = 0;
    this.views = [];
    this.timer = null;
    this.documentTitle = held.title;
    this.fileName = held.title.toLowerCase().replace(/[^a-z0-9]+/g, "-");
    this.curve = new CurveView(held.curve, this);
  }

  get unit() {
    return this.recording.unit;
  }

  get steps() {
    return this.recording.steps;
  }

  panel(name) {
    return this.recording.panels.find((panel) => panel.name === name);
  }

  // Show an episode; its arrays are unpacked the first time.
  async open(number, { step = null, keep = false } = {}) {
    if (!keep) this.stop();
    this.number = number;
    const packed = this.held.recordings[number];
    const recording = (packed.unpacked ??= await unpack(packed));
    if (this.number !== number) return; // another was asked for meanwhile
    this.recording = recording;
    this.origins = recording.origins ? new Origins(recording.origins, this) : null;
    if (!keep) this.selection = null;
    this.answerStarts = recording.asked[0] ?? null;
    this.step = clamp(step ?? this.#telling(), 0, recording.steps - 1);
    this.#build();
    this.layout();
    this.#tellStep();
  }

  // The step to begin at: the first answer that is due, or after it the first read of what was
  // written.
  #telling() {
    const first = this.answerStarts ?? 0;
    const later = this.origins?.firstRead(first) ?? -1;
    return later < 0 ? first : later;
  }

  #build() {
    const { recording, held } = this;
    this.views = recording.panels.map((panel) => new PanelView(panel, this));
    const sections = Object.entries(held.groups).flatMap(([group, title]) => {
      const views = this.views.filter(({ panel }) => panel.group === group);
      if (!views.length) return [];
      const timed = views.filter(({ overTime }) => overTime);
      if (timed.length) timed[timed.length - 1].axis = true;
      const figures = views.map(({ figure }) => figure);
      if (group === "inside") {
        const box = element("details", {}, element("summary", {}, element("h2", {}, title)), ...figures);
        box.addEventListener("toggle", () => this.layout());
        return [element("section", { class: group }, box)];
      }
      // A picture as high as it is wide leaves room at its side.
      const beside = views.some(({ panel }) => panel.kind === "points") && views.length > 1 ? " beside" : "";
      const hint = group === "origins" ? [this.#hint()] : [];
      return [element("section", { class: group + beside }, element("h2", {}, title), ...hint, ...figures)];
    });
    const old = document.getElementById("episode");
    const wasOpen = old.querySelector("details")?.open;
    const main = sections.filter((section) => !section.matches(".now"));
    const now = sections.filter((section) => section.matches(".now"));
    old.replaceChildren(element("div", { class: "over-time" }, ...main), ...now);
    old.classList.toggle("alone", !now.length);
    if (wasOpen) old.querySelector("details")?.setAttribute("open", "");
    const slider = document.getElementById("step");
    slider.max = recording.steps;
    document.getElementById("rows").hidden = !recording.panels.some(({ data }) => data.rows);
    for (const [n, button] of [...document.querySelectorAll("#episodes button")].entries()) {
      button.setAttribute("aria-pressed", String(n === this.number));
    }
    const verdict = document.getElementById("verdict");
    verdict.textContent = recording.verdict;
    verdict.className = recording.wrong ? "wrong" : "right";
    const note = document.getElementById("note");
    note.textContent = recording.note;
    note.hidden = !recording.note;
  }

  #hint() {
    const what = "a read, a write or a memory cell to see where it came from or went.";
    const told = ["Click", "Tap"].map((how, n) => element("span", { class: n ? "by-touch" : "by-mouse" }, `${how} ${what}`));
    return element("p", { class: "note" }, ...told);
  }

  layout() {
    // What stands beside a picture of points is as high as it.
    const beside = document.querySelector(".beside");
    this.beside = beside && getComputedStyle(beside).display === "grid" ? 376 : 0;
    const room = innerWidth < 600 ? 84 : 136;
    const left = Math.min(room, Math.max(28, ...this.views.map(({ kind, overTime, panel }) =>
      panel.group === "now" || (!overTime && !kind.labelRoom) ? 0 : kind.labelRoom())));
    document.body.style.setProperty("--left", left);
    this.#fitColumn();
    for (const view of this.views) view.layout(left);
    this.curve.layout();
  }

  // The column beside the others is no higher than the screen, as far as its pictures can be told
  // when they are smaller.
  #fitColumn() {
    const column = this.views.filter(({ panel }) => panel.group === "now");
    for (const { kind } of column) kind.most = Infinity;
    if (innerWidth <= 1000 || !column.length) return;
    const wished = column.map(({ kind, stage }) => kind.height(stage.clientWidth));
    const room = innerHeight - 204 - 36 * column.length; // what stands above them, and captions
    const least = column.map(({ kind }, n) => Math.min(kind.least, wished[n]));
    const total = (heights) => heights.reduce((sum, height) => sum + height, 0);
    const share = Math.max(0, room - total(least)) / (total(wished) - total(least) || 1);
    if (total(wished) > room) column.forEach(({ kind }, n) => (kind.most = least[n] + share * (wished[n] - least[n])));
  }

  goTo(step) {
    const next = clamp(step, 0, this.steps - 1);
    if (next === this.step) return;
    this.step = next;
    this.#tellStep();
  }

  #tellStep() {
    document.getElementById("step").value = this.step + 1;
    document.getElementById("where").textContent = `${this.unit} ${this.step + 1} of ${this.steps}`;
    const { selection } = this;
    const pin = document.getElementById("pin");
    pin.hidden = !selection;
    if (selection) {
      // The panel with all of it may be off the screen.
      const { title, parts } = this.origins.told();
      pin.textContent = `${title} ${parts.slice(0, 2).join(", ")} ×`;
    }
    for (const view of this.views) view.step();
  }

  // Hold on to a read, a write or a memory cell; the same again lets go.
  select(selection, stay = false) {
    const same = JSON.stringify(selection) === JSON.stringify(this.selection);
    this.selection = same ? null : selection;
    if (!stay && selection) this.step = selection.step;
    this.#tellStep();
  }

  play() {
    if (this.timer) return this.stop();
    if (this.step === this.steps - 1) this.goTo(0);
    const pause = this.unit === "question" ? 1600 : clamp(9000 / this.steps, 45, 350);
    this.timer = setInterval(() => {
      if (this.step >= this.steps - 1) this.stop();
      else this.goTo(this.step + 1);
    }, pause);
    this.#playing(true);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.#playing(false);
  }

  #playing(on) {
    const button = document.getElementById("play");
    button.setAttribute("aria-label", on ? "pause" : "play");
    button.textContent = on ? "❚❚" : "▶";
  }

  listen() {
    const by = (id) => document.getElementById(id);
    by("play").addEventListener("click", () => this.play());
    by("back").addEventListener("click", () => this.goTo(this.step - 1));
    by("on").addEventListener("click", () => this.goTo(this.step + 1));
    by("step").addEventListener("input", (event) => this.goTo(Number(event.target.value) - 1));
    by("pin").addEventListener("click", () => this.select(null));
    by("rows").addEventListener("click", () => {
      this.allRows = !this.allRows;
      by("rows").setAttribute("aria-pressed", String(this.allRows));
      this.layout();
    });
    document.addEventListener("keydown", (event) => this.#key(event));
    // On a telephone the height changes whenever the bar of addresses comes or goes.
    const size = () => `${innerWidth} ${innerWidth > 1000 ? innerHeight : 0}`;
    let last = size();
    addEventListener("resize", () => {
      if (size() !== last && this.recording) this.layout();
      last = size();
    });
  }

  // A read or a write of this step, by the keyboard: head after head, then none.
  hold(what) {
    if (!this.origins) return;
    const heads = what === "read" ? this.origins.readHeads : this.origins.heads;
    const held = this.selection;
    const head = held?.what === what && held.step === this.step ? held.head + 1 : 0;
    this.select(head < heads ? { what, step: this.step, head } : null);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.recording) return;
    const { target } = event;
    if (target.matches("select, input:not([type=range]), textarea")) return;
    if (event.key === " " && target.matches("button, summary, a")) return;
    const by = event.shiftKey ? 10 : 1;
    const count = this.held.recordings.length;
    const keys = {
      ArrowLeft: () => this.goTo(this.step - by),
      ArrowRight: () => this.goTo(this.step + by),
      Home: () => this.goTo(0),
      End: () => this.goTo(this.steps - 1),
      " ": () => this.play(),
      Escape: () => this.select(null),
      r: () => this.hold("read"),
      w: () => this.hold("write"),
      PageUp: () => count > 1 && this.open((this.number + count - 1) % count),
      PageDown: () => count > 1 && this.open((this.number + 1) % count),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }
}
