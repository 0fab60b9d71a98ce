// The house's colours: those of the figures in the light, and their like in the dark.

const DARK_INK = [
  [0, "#f6e08a"],
  [0.25, "#9a8128"],
  [0.5, "#14171c"],
  [0.75, "#4a74b0"],
  [1, "#e2edff"],
];
const DARK_WRONG = [
  [0, "#5a2c12"],
  [0.5, "#c05f22"],
  [1, "#ffa668"],
];

const THEMES = {
  light: {
    text: "#262626", faint: "#757575", line: "#c9c9c9", quiet: "#efefef", surface: "#ffffff",
    read: "#0072b2", write: "#b06a00", error: "#c94f00", asked: "#117733", cursor: "#262626",
  },
  dark: {
    text: "#e4e6ea", faint: "#9299a3", line: "#3c424b", quiet: "#22262d", surface: "#14171c",
    read: "#5db4ee", write: "#e3a23c", error: "#ff8f4d", asked: "#6fcf8b", cursor: "#f2f3f5",
  },
};

let theme = THEMES.light;
let tables = null;

// Scales of 257 colours, as [red, green, blue] each: one stands exactly in the middle.
function setTheme(name, colours) {
  theme = THEMES[name];
  const dark = name === "dark";
  tables = {
    ink: ramp(dark ? DARK_INK : colours.ink),
    wrong: ramp(dark ? DARK_WRONG : colours.wrong),
  };
  document.documentElement.dataset.theme = name;
}

function ramp(stops) {
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return range(257).map((n) => {
    const at = n / 256;
    const upper = Math.max(1, stops.findIndex(([stop]) => stop >= at));
    const [[from, low], [to, high]] = [stops[upper - 1], stops[upper]];
    const share = (at - from) / (to - from);
    const ends = [rgb(low), rgb(high)];
    return [0, 1, 2].map((c) => Math.round(ends[0][c] + share * (ends[1][c] - ends[0][c])));
  });
}

// Signed values use the whole scale, with nothing in its middle; others its upper half.
function inkOf(value, low, high) {
  if (!Number.isFinite(value)) return [255, 0, 255];
  const limit = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const at = low < 0 ? value / limit : (value - low) / (high - low || 1);
  return tables.ink[clamp(Math.round((at + 1) * 128), 0, 256)];
}

function wrongOf(value) {
  return tables.wrong[clamp(Math.round(value * 256), 0, 256)];
}

const css = ([red, green, blue]) => `rgb(${red},${green},${blue})`;
const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
