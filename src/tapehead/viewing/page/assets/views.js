// A panel on the page: its title, its canvases, what the mouse does on it, and saving it.

const KINDS = {
  heat: HeatPanel,
  lines: LinesPanel,
  matrix: MatrixPanel,
  origins: OriginsPanel,
  words: WordsPanel,
  story: StoryPanel,
  tape: TapePanel,
  map: MapPanel,
  points: PointsPanel,
};

const tip = {
  show(lines, x, y) {
    const box = document.getElementById("tip");
    box.replaceChildren(...lines.map((line) => element("div", {}, line)));
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    const left = x + 16 + width > innerWidth ? x - width - 12 : x + 16;
    box.style.left = `${Math.max(4, left)}px`;
    box.style.top = `${clamp(y + 14, 4, innerHeight - height - 4)}px`;
  },
  hide() {
    document.getElementById("tip").hidden = true;
  },
};

function element(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...inside);
  return made;
}

function saveButton(type, save) {
  return element("button", { class: "save", title: `Save as ${type}`, onclick: save }, type);
}

class PanelView {
  constructor(panel, app) {
    this.app = app;
    this.panel = panel;
    this.kind = new KINDS[panel.kind](panel, app);
    this.overTime = !this.kind.own?.();
    this.axis = false;
    this.base = element("canvas", { "aria-hidden": "true" });
    this.top = element("canvas", { class: "top", role: "img", "aria-label": panel.title });
    const save = (type) => saveButton(type, () => this.save(type));
    this.axisName = element("small");
    this.key = this.kind.key ? element("canvas", { class: "key", width: 64, height: 1 }) : "";
    this.ends = this.key ? [element("span"), element("span")] : [];
    const scale = panel.kind === "heat" ? "button" : "small";
    const about = { class: "scale", title: "Scale of colours: click for that of these values alone", onclick: () => this.#rescale() };
    const shown = this.key ? element(scale, scale === "button" ? about : { class: "scale" }, this.ends[0], this.key, this.ends[1]) : "";
    this.heading = element("span", {}, panel.title, this.axisName);
    this.caption = element("figcaption", {}, this.heading, shown, save("PNG"), save("SVG"));
    this.stage = element("div", { class: "stage" }, this.base, this.top);
    this.figure = element("figure", { class: "panel", "data-name": panel.name, "data-kind": panel.kind }, this.caption, this.stage);
    this.#listen();
  }

  // Anew for a width, a theme or other rows.
  layout(left) {
    const width = this.stage.clientWidth;
    if (!width) return;
    this.frame = new Frame(width, this.app.steps, left);
    this.tall = this.kind.height(width) + (this.axis ? MARGIN.axis : 0);
    this.kind.prepare();
    this.axisName.textContent = this.kind.axisName?.() ?? "";
    // Where the picture lies in its canvas, for whoever wants to point at it from outside.
    Object.assign(this.figure.dataset, this.kind.outline?.(this.frame) ?? {});
    if (this.key) this.#paintKey();
    for (const canvas of [this.base, this.top]) {
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(this.tall * devicePixelRatio);
      canvas.style.height = `${this.tall}px`;
    }
    this.stage.style.height = `${this.tall}px`;
    this.#onto(this.base, (pen) => this.#ground(pen));
    this.step();
  }

  // What changes from step to step.
  step() {
    if (!this.frame) return;
    this.#onto(this.top, (pen) => this.kind.mark(pen, this.frame, this.app.step));
    const told = this.kind.words?.();
    if (told) this.top.setAttribute("aria-label", told);
    if (this.kind.title) this.heading.textContent = this.kind.title();
  }

  #rescale() {
    this.kind.ownScale = !this.kind.ownScale;
    this.layout(this.frame.left);
  }

  #paintKey() {
    const [low, high] = this.kind.key();
    [low, high].forEach((end, n) => (this.ends[n].textContent = short(end)));
    const context = this.key.getContext("2d");
    for (const n of range(64)) {
      context.fillStyle = css(inkOf(low + (n / 63) * (high - low), low, high));
      context.fillRect(n, 0, 1, 1);
    }
  }

  #ground(pen, axis = this.axis) {
    this.kind.draw(pen, this.frame);
    if (axis) this.frame.axis(pen, this.kind.height(this.frame.width), this.app.unit);
  }

  #onto(canvas, draw) {
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    draw(new CanvasPen(context));
  }

  // The picture as it is on the screen, with title and time axis.
  save(type) {
    const width = this.frame.width;
    const height = HEAD + this.kind.height(width) + (this.overTime ? MARGIN.axis : 8);
    const paint = (pen) => {
      const title = [this.kind.title?.() ?? this.panel.title, this.app.documentTitle].filter(Boolean).join(" · ");
      pen.text(fitted(title, width - (this.key ? 132 : 12), 12, 600), 6, 13, { size: 12, weight: 600 });
      if (this.key) {
        const [low, high] = this.kind.key().map(short);
        pen.text(low, width - 86, 13, { size: 10, align: "right", colour: theme.faint });
        pen.image(this.key, width - 82, 9, 48, 8);
        pen.rect(width - 82, 9, 48, 8, { stroke: theme.line });
        pen.text(high, width - 30, 13, { size: 10, colour: theme.faint });
      }
      pen.within([0, HEAD, width, height - HEAD], () => {
        pen.shifted(0, HEAD, () => {
          this.#ground(pen, this.overTime);
          this.kind.mark(pen, this.frame, this.app.step);
        });
      });
    };
    const name = `${this.app.fileName}-${this.panel.name}-${this.app.unit}-${this.app.step + 1}`;
    savePicture(type, name, width, height, paint);
  }

  #listen() {
    const { top } = this;
    const place = (event) => {
      const box = top.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let pressed = null;
    top.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      pressed = place(event);
      if (event.pointerType === "mouse") top.setPointerCapture(event.pointerId);
      this.#goTo(...pressed);
    });
    top.addEventListener("pointermove", (event) => {
      const [x, y] = place(event);
      if (pressed && Math.abs(x - pressed[0]) > 3) this.#goTo(x, y);
      const lines = this.kind.tell(x, y, this.frame);
      if (lines) tip.show(lines, event.clientX, event.clientY);
      else tip.hide();
    });
    top.addEventListener("pointerup", (event) => {
      const [x, y] = place(event);
      if (pressed && Math.hypot(x - pressed[0], y - pressed[1]) <= 4) this.kind.click?.(x, y, this.frame);
      pressed = null;
    });
    top.addEventListener("pointercancel", () => (pressed = null));
    top.addEventListener("pointerleave", () => tip.hide());
  }

  #goTo(x, y) {
    if (this.overTime) this.app.goTo(this.frame.nearest(x));
    else {
      const step = this.kind.stepAt?.(x, y, this.frame);
      if (step !== null && step !== undefined) this.app.goTo(step);
    }
  }
}

const HEAD = 26; // what the title of a saved picture takes

// A picture as a file of that type; `paint` draws it on a ground of the page's colour.
function savePicture(type, name, width, height, paint) {
  const whole = (pen) => {
    pen.rect(0, 0, width, height, { fill: theme.surface });
    paint(pen);
  };
  if (type === "SVG") {
    const pen = new SvgPen();
    whole(pen);
    offer(new Blob([pen.whole(width, height)], { type: "image/svg+xml" }), `${name}.svg`);
    return;
  }
  const canvas = element("canvas", { width: 2 * width, height: 2 * height });
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  whole(new CanvasPen(context));
  canvas.toBlob((blob) => offer(blob, `${name}.png`));
}

// A file to be saved, by the browser's own means.
function offer(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
