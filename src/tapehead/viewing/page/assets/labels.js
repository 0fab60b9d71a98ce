// Where names go so that they can be read: beside points, or along an axis; and rows too long for
// the screen.

// Heights as close to the wished ones as can be, in their order, `gap` apart and between the ends.
function apart(wished, gap, low, high) {
  const found = [];
  for (const y of wished) found.push(Math.max(y, low, (found.at(-1) ?? -Infinity) + gap));
  let above = high;
  for (let n = found.length - 1; n >= 0; n--) {
    found[n] = Math.max(low, Math.min(found[n], above));
    above = found[n] - gap;
  }
  return found;
}

// Where to write the name of each point: beside it, if it can be not on a line, on another point or
// name, or over the edge.
// lines: pairs of places. Gives the middle of each name.
function placeNames(names, spots, lines, width, height, size = 10) {
  const ways = range(16).map((n) => ((n - 2) * Math.PI) / 8); // the first, up and to the right
  const taken = [];
  return spots.map(([x, y], point) => {
    const [wide, tall] = [textWidth(names[point], size) / 2 + 1, size / 2 + 0.5];
    let best = null;
    for (const far of [5, 9]) {
      for (const way of ways) {
        const [cx, cy] = [x + Math.cos(way) * (far + wide), y + Math.sin(way) * (far + tall)];
        const box = [cx - wide, cy - tall, cx + wide, cy + tall];
        const outside = box[0] < 0 || box[1] < 0 || box[2] > width || box[3] > height;
        const cost = (outside ? 1000 : 0)
          + 100 * taken.filter((other) => meet(box, other)).length
          + 50 * spots.filter(([px, py], n) => n !== point && meet(box, [px - 4, py - 4, px + 4, py + 4])).length
          + 20 * lines.filter((line) => crosses(box, line)).length
          + far / 4 + 1 - Math.cos(way + Math.PI / 4);
        if (!best || cost < best.cost) best = { cost, box, at: [cx, cy] };
      }
    }
    taken.push(best.box);
    return best.at;
  });
}

// Names of rows in the room beside them, each still told from the others: first all lose what they
// count ("source 10s: 0–9"), then long words are abbreviated, and only then is anything cut.
function shortened(names, room, size = 10) {
  const fits = (name) => textWidth(name, size) <= room;
  let told = names.every(fits) ? names : names.map((name) => name.replace(/: \S+$/, ""));
  const long = (name) => name.split(" ").filter((word) => word.length > 6 && !word.endsWith("."));
  for (;;) {
    const words = told.filter((name) => !fits(name)).flatMap(long).sort((a, b) => b.length - a.length);
    if (!words.length) return told.map((name) => fitted(name, room, size));
    told = told.map((name) => name.split(" ").map((word) => (word === words[0] ? `${word.slice(0, 4)}.` : word)).join(" "));
  }
}

// Where the numbers of rows go that a panel shows: round ones, the first after rows that are left
// out, and always row 0, which gives its place to no other. `numbers`: as they are told.
function rowLabels(rows, numbers, height, room) {
  const every = niceStep(rows.length, room / 13);
  const zero = numbers.indexOf(0);
  const places = range(rows.length).filter((n) =>
    n === 0 || n === zero || rows[n] !== rows[n - 1] + 1 || numbers[n] % every === 0);
  let last = -Infinity;
  return places.flatMap((n) => {
    const y = Math.max((n + 0.5) * height, 6);
    const beforeZero = n < zero && (zero + 0.5) * height - y < 11;
    if ((y - last < 11 && n !== zero) || beforeZero) return [];
    last = y;
    return [{ text: String(numbers[n]), y }];
  });
}

// Lines between rows: dotted where some are left out, whole where the last meets the first.
function rowBreaks(pen, rows, total, left, width, top, height) {
  rows.forEach((row, n) => {
    if (!n || row === rows[n - 1] + 1) return;
    const y = top + n * height;
    const around = row === 0 && rows[n - 1] === total - 1;
    pen.path([[left, y], [left + width, y]], { stroke: theme.faint, dash: around ? [] : [1, 3] });
    if (around) pen.path([[left - 5, y], [left, y]], { stroke: theme.faint });
  });
}

function niceStep(count, room) {
  const least = count / Math.max(1, room);
  return [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((step) => step >= least) ?? 1000;
}

const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

// Whether a line goes through a box: what the box's sides leave of it.
function crosses([left, top, right, bottom], [[x0, y0], [x1, y1]]) {
  let [from, to] = [0, 1];
  for (const [start, by, low, high] of [[x0, x1 - x0, left, right], [y0, y1 - y0, top, bottom]]) {
    if (!by && (start < low || start > high)) return false;
    if (!by) continue;
    const ends = [(low - start) / by, (high - start) / by];
    from = Math.max(from, Math.min(...ends));
    to = Math.min(to, Math.max(...ends));
  }
  return from <= to;
}

// Of a row of `count` cells those that fit into `room`, around the one at `here`; with room for the
// signs of `rest` where some do not fit.
function fitting(count, cell, left, room, here) {
  if (count * cell <= room) return { first: 0, shown: count, x: left };
  const shown = clamp(Math.floor((room - 2 * REST) / cell), 1, count);
  return { first: clamp(here - Math.floor(shown / 2), 0, count - shown), shown, x: left + REST };
}

const REST = 28;

// How many cells are left out on either side of those that are shown.
function tellRest(pen, { first, shown, x }, count, cell, y) {
  const after = count - first - shown;
  const look = { size: 10, colour: theme.faint };
  if (first) pen.text(`‹ ${first}`, x - 5, y, { ...look, align: "right" });
  if (after > 0) pen.text(`${after} ›`, x + shown * cell + 5, y, look);
}

// Lines and their names, from left to right.
function legend(pen, entries, x, y) {
  for (const { name, colour, line = 3, dash = [] } of entries) {
    pen.path([[x, y], [x + 18, y]], { stroke: colour, line, dash });
    pen.text(name, x + 23, y, { size: 10, colour: theme.faint });
    x += 23 + textWidth(name, 10) + 16;
  }
}
