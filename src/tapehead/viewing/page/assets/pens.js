// One way to draw, on a canvas or into an SVG: what is on the screen is what is saved.

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const ruler = document.createElement("canvas").getContext("2d");

function textWidth(text, size = 11, weight = 400) {
  ruler.font = `${weight} ${size}px ${FONT}`;
  return ruler.measureText(text).width;
}

// The text, or as much of it as fits, with dots.
function fitted(text, room, size = 11, weight = 400) {
  if (textWidth(text, size, weight) <= room) return text;
  let end = text.length;
  while (end > 1 && textWidth(`${text.slice(0, end)}…`, size, weight) > room) end--;
  return `${text.slice(0, end)}…`;
}

// The text in lines that fit, broken between words.
function wrapped(text, room, size = 11, weight = 400) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && textWidth(longer, size, weight) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

// The size, or a smaller one, at which a text fits.
function sizeFor(text, room, size, weight = 400) {
  return size * Math.min(1, room / textWidth(text, size, weight));
}

class CanvasPen {
  constructor(context) {
    this.context = context;
  }

  rect(x, y, width, height, { fill, stroke, line = 1, alpha = 1 } = {}) {
    const c = this.context;
    c.globalAlpha = alpha;
    if (fill) {
      c.fillStyle = fill;
      c.fillRect(x, y, width, height);
    }
    if (stroke) {
      c.strokeStyle = stroke;
      c.lineWidth = line;
      c.strokeRect(x, y, width, height);
    }
    c.globalAlpha = 1;
  }

  path(points, { stroke, fill, line = 1, dash = [], alpha = 1, closed = false } = {}) {
    const c = this.context;
    c.globalAlpha = alpha;
    c.beginPath();
    points.forEach(([x, y], n) => (n ? c.lineTo(x, y) : c.moveTo(x, y)));
    if (closed) c.closePath();
    if (fill) {
      c.fillStyle = fill;
      c.fill();
    }
    if (stroke) {
      c.strokeStyle = stroke;
      c.lineWidth = line;
      c.lineJoin = "round";
      c.setLineDash(dash);
      c.stroke();
      c.setLineDash([]);
    }
    c.globalAlpha = 1;
  }

  circle(x, y, radius, { fill, stroke, line = 1, alpha = 1 } = {}) {
    const c = this.context;
    c.globalAlpha = alpha;
    c.beginPath();
    c.arc(x, y, radius, 0, 2 * Math.PI);
    if (fill) {
      c.fillStyle = fill;
      c.fill();
    }
    if (stroke) {
      c.strokeStyle = stroke;
      c.lineWidth = line;
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  // `align`: left, center or right of x; y is the middle of the line. `halo`: a colour around the
  // letters, to be read on lines.
  text(text, x, y, { size = 11, colour = theme.text, align = "left", weight = 400, turn = 0, halo = null } = {}) {
    const c = this.context;
    c.save();
    c.translate(x, y);
    c.rotate(turn);
    c.font = `${weight} ${size}px ${FONT}`;
    c.fillStyle = colour;
    c.textAlign = align;
    c.textBaseline = "middle";
    if (halo) {
      c.strokeStyle = halo;
      c.lineWidth = 3;
      c.lineJoin = "round";
      c.strokeText(text, 0, 0.5);
    }
    c.fillText(text, 0, 0.5);
    c.restore();
  }

  image(canvas, x, y, width, height) {
    const c = this.context;
    // Many cells on few points are averaged; few cells keep their edges.
    c.imageSmoothingEnabled = canvas.width > width * devicePixelRatio;
    c.imageSmoothingQuality = "high";
    c.drawImage(canvas, x, y, width, height);
  }

  // What is drawn there, only where it is in the box.
  within([x, y, width, height], draw) {
    const c = this.context;
    c.save();
    c.beginPath();
    c.rect(x, y, width, height);
    c.clip();
    draw();
    c.restore();
  }

  shifted(x, y, draw) {
    const c = this.context;
    c.save();
    c.translate(x, y);
    draw();
    c.restore();
  }
}

class SvgPen {
  constructor() {
    this.parts = [];
    this.boxes = 0;
  }

  rect(x, y, width, height, { fill, stroke, line = 1, alpha = 1 } = {}) {
    this.#put("rect", { x, y, width, height, ...this.#paint({ fill, stroke, line, alpha }) });
  }

  path(points, { stroke, fill, line = 1, dash = [], alpha = 1, closed = false } = {}) {
    const steps = points.map(([x, y], n) => `${n ? "L" : "M"}${round(x)} ${round(y)}`);
    const d = steps.join("") + (closed ? "Z" : "");
    const dashes = dash.length ? { "stroke-dasharray": dash.join(" ") } : {};
    this.#put("path", { d, ...this.#paint({ fill, stroke, line, alpha }), ...dashes });
  }

  circle(x, y, radius, { fill, stroke, line = 1, alpha = 1 } = {}) {
    this.#put("circle", { cx: x, cy: y, r: radius, ...this.#paint({ fill, stroke, line, alpha }) });
  }

  text(text, x, y, { size = 11, colour = theme.text, align = "left", weight = 400, turn = 0, halo = null } = {}) {
    const around = halo ? { stroke: halo, "stroke-width": 3, "stroke-linejoin": "round", "paint-order": "stroke" } : {};
    const anchor = { left: "start", center: "middle", right: "end" }[align];
    const turned = turn ? { transform: `rotate(${(turn * 180) / Math.PI} ${round(x)} ${round(y)})` } : {};
    const look = { "font-size": size, "font-weight": weight, "text-anchor": anchor, fill: colour };
    this.#put("text", { x, y: y + 0.35 * size, ...look, ...around, ...turned }, escaped(text));
  }

  image(canvas, x, y, width, height) {
    const look = { preserveAspectRatio: "none", style: "image-rendering:pixelated" };
    this.#put("image", { href: canvas.toDataURL("image/png"), x, y, width, height, ...look });
  }

  within([x, y, width, height], draw) {
    const id = `box-${++this.boxes}`;
    this.parts.push(`<clipPath id="${id}">`);
    this.#put("rect", { x, y, width, height });
    this.parts.push(`</clipPath><g clip-path="url(#${id})">`);
    draw();
    this.parts.push("</g>");
  }

  shifted(x, y, draw) {
    this.parts.push(`<g transform="translate(${round(x)} ${round(y)})">`);
    draw();
    this.parts.push("</g>");
  }

  whole(width, height) {
    const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
    const font = escaped(FONT);
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="${font}">${this.parts.join("")}</svg>`;
  }

  #paint({ fill, stroke, line, alpha }) {
    const look = { fill: fill ?? "none" };
    if (stroke) Object.assign(look, { stroke, "stroke-width": line });
    if (alpha !== 1) look.opacity = alpha;
    return look;
  }

  #put(tag, attributes, inside = "") {
    const written = Object.entries(attributes).map(
      ([name, value]) => `${name}="${typeof value === "number" ? round(value) : value}"`,
    );
    this.parts.push(`<${tag} ${written.join(" ")}>${inside}</${tag}>`);
  }
}

const round = (value) => Math.round(value * 100) / 100;

function escaped(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(text).replace(/[&<>"]/g, (character) => names[character]);
}
