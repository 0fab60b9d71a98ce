// Arrays as packing.py writes them, and numbers as text.

class Tensor {
  // Codes of 16 bits; `at` gives the number that a code stands for.
  constructor(shape, codes, low, high) {
    Object.assign(this, { shape, codes, low, high });
    this.strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  }

  value(place) {
    const code = this.codes[place];
    return code === 65535 ? NaN : this.low + (code / 65534) * (this.high - this.low);
  }

  at(...index) {
    return this.value(index.reduce((place, number, axis) => place + number * this.strides[axis], 0));
  }
}

async function unpackTensor({ packed, shape, low, high }) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = planes.length / 2;
  const codes = new Uint16Array(count);
  for (let n = 0; n < count; n++) codes[n] = planes[n] | (planes[count + n] << 8);
  const each = shape.slice(1).reduce((a, b) => a * b, 1);
  for (let n = each; n < count; n++) codes[n] += codes[n - each];
  return new Tensor(shape, codes, low, high);
}

// The same value with every packed array in it unpacked.
async function unpack(value) {
  if (Array.isArray(value)) {
    return value.some((part) => part !== null && typeof part === "object")
      ? Promise.all(value.map(unpack))
      : value;
  }
  if (value === null || typeof value !== "object") return value;
  if (typeof value.packed === "string") return unpackTensor(value);
  const parts = await Promise.all(Object.entries(value).map(async ([k, v]) => [k, await unpack(v)]));
  return Object.fromEntries(parts);
}

function number(value) {
  if (!Number.isFinite(value)) return "not a number";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 100000)) return value.toExponential(2).replace("-", "−");
  const digits = size >= 1000 ? 1 : size >= 10 ? 2 : 4;
  return value.toFixed(digits).replace("-", "−");
}

const percent = (share) => `${(100 * share).toFixed(1).replace("-", "−")} %`;

function range(count) {
  return Array.from({ length: count }, (_, n) => n);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
