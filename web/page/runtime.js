// Runs the ONNX files that petrify exports: a reader of the format, and the operators that petrify's layers are made of.
// Weights are float32, as in the file; all that is computed is float64, so that a picture is what the file says to the last
// bit of a pixel, but for ties.
'use strict';

// ---- the file: Protocol Buffers, as far as ONNX's messages need them

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  varint() {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.at++];
      if (byte === undefined || shift > 63n) throw new Error('the model file is damaged');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
  }

  // fields calls a function of `on` for every field that it names by number, with the value: a number, or bytes.
  fields(on) {
    while (this.at < this.bytes.length) {
      const key = this.varint();
      let value;
      switch (key & 7) {
        case 0: value = this.varint(); break;
        case 1: value = this.take(8); break;
        case 2: value = this.take(this.varint()); break;
        case 5: value = this.take(4); break;
        default: throw new Error('the model file is damaged');
      }
      const field = on[Math.floor(key / 8)];
      if (field) field(value);
    }
  }

  take(n) {
    if (!(n >= 0) || this.at + n > this.bytes.length) throw new Error('the model file is damaged');
    this.at += n;
    return this.bytes.subarray(this.at - n, this.at);
  }
}

const read = (bytes, on) => new Reader(bytes).fields(on);
const text = (bytes) => new TextDecoder().decode(bytes);
const float = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);

// numbers of a repeated field come one by one, or packed.
function varints(list) {
  return (value) => {
    if (typeof value === 'number') {
      list.push(value);
      return;
    }
    const r = new Reader(value);
    while (r.at < value.length) list.push(r.varint());
  };
}

function floats(list) {
  return (bytes) => {
    for (let i = 0; i + 4 <= bytes.length; i += 4) list.push(float(bytes.subarray(i, i + 4)));
  };
}

// half is the number that the bits of a float16 stand for.
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, rest = bits & 1023;
  if (exponent === 31) return rest ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : 2 ** -24 * rest);
}

function readTensor(bytes) {
  const t = { name: '', dims: [], data: null };
  const values = [];
  let type = 0;
  let raw = null;
  read(bytes, {
    1: varints(t.dims),
    2: (v) => { type = v; },
    4: floats(values),
    5: varints(values),
    7: varints(values),
    8: (v) => { t.name = text(v); },
    9: (v) => { raw = v; },
  });
  const count = t.dims.reduce((a, b) => a * b, 1);
  const copy = raw && raw.slice().buffer;
  if (type === 1) t.data = raw ? new Float32Array(copy) : Float32Array.from(values);
  else if (type === 2) t.data = raw ? new Uint8Array(copy) : Uint8Array.from(values);
  else if (type === 3) t.data = raw ? new Int8Array(copy) : Int8Array.from(values);
  else if (type === 6) t.data = raw ? new Int32Array(copy) : Int32Array.from(values);
  else if (type === 7) t.data = raw ? Float64Array.from(new BigInt64Array(copy), Number) : Float64Array.from(values);
  else if (type === 10) t.data = Float32Array.from(raw ? new Uint16Array(copy) : values, half);
  else throw new Error(`tensor ${t.name} has elements of type ${type}, which this page does not read`);
  if (t.data.length !== count) throw new Error(`tensor ${t.name} has ${t.data.length} elements, want ${count}`);
  return t;
}

function readAttribute(bytes) {
  let name = '';
  let value;
  const ints = [];
  const list = [];
  read(bytes, {
    1: (v) => { name = text(v); },
    2: (v) => { value = float(v); },
    3: (v) => { value = v; },
    4: (v) => { value = text(v); },
    5: (v) => { value = readTensor(v); },
    7: floats(list),
    8: varints(ints),
    20: (v) => { if (v === 6) value = list; else if (v === 7) value = ints; },
  });
  return [name, value];
}

function readNode(bytes) {
  const node = { op: '', inputs: [], outputs: [], attributes: {} };
  read(bytes, {
    1: (v) => node.inputs.push(text(v)),
    2: (v) => node.outputs.push(text(v)),
    4: (v) => { node.op = text(v); },
    5: (v) => { const [name, value] = readAttribute(v); node.attributes[name] = value; },
  });
  return node;
}

function readPort(bytes) {
  let name = '';
  read(bytes, { 1: (v) => { name = text(v); } });
  return name;
}

function readGraph(bytes) {
  const graph = { nodes: [], constants: new Map(), inputs: [], outputs: [] };
  read(bytes, {
    1: (v) => graph.nodes.push(readNode(v)),
    5: (v) => { const t = readTensor(v); graph.constants.set(t.name, t); },
    11: (v) => graph.inputs.push(readPort(v)),
    12: (v) => graph.outputs.push(readPort(v)),
  });
  graph.inputs = graph.inputs.filter((name) => !graph.constants.has(name));
  return graph;
}

// ---- arithmetic

const size = (dims) => dims.reduce((a, b) => a * b, 1);
const tensor = (dims, data) => ({ dims, data: data || new Float64Array(size(dims)) });

// product adds A B to C, row by row: A is (m, k) with the element i, p at a[at + i * row + p * column], B (k, n), C (m, n).
function product(c, cAt, a, at, row, column, b, bAt, m, k, n) {
  if (m < TALL) {
    for (let i = 0; i < m; i++) addRow(c, cAt + i * n, a, at + i * row, column, b, bAt, k, n);
    return;
  }
  // Blocks of four rows by two columns stay in the processor's registers, and what they are made of lies in a row.
  const columns = new Float64Array(2 * k * Math.ceil(n / 2));
  for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) columns[(j >> 1) * 2 * k + 2 * p + (j & 1)] = b[bAt + p * n + j];
  const rows = new Float64Array(4 * k);
  for (let i = 0; i < m; i += 4) {
    const height = Math.min(4, m - i);
    rows.fill(0);
    for (let p = 0; p < k; p++) for (let q = 0; q < height; q++) rows[4 * p + q] = a[at + (i + q) * row + p * column];
    for (let j = 0; j < n; j += 2) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
      for (let x = 0, y = j * k; x < 4 * k; x += 4, y += 2) {
        const u = columns[y], v = columns[y + 1];
        const a0 = rows[x], a1 = rows[x + 1], a2 = rows[x + 2], a3 = rows[x + 3];
        s0 += a0 * u; s1 += a1 * u; s2 += a2 * u; s3 += a3 * u;
        t0 += a0 * v; t1 += a1 * v; t2 += a2 * v; t3 += a3 * v;
      }
      const to = cAt + i * n + j, both = j + 1 < n;
      c[to] += s0;
      if (both) c[to + 1] += t0;
      if (height > 1) { c[to + n] += s1; if (both) c[to + n + 1] += t1; }
      if (height > 2) { c[to + 2 * n] += s2; if (both) c[to + 2 * n + 1] += t2; }
      if (height > 3) { c[to + 3 * n] += s3; if (both) c[to + 3 * n + 1] += t3; }
    }
  }
}

// TALL is the number of rows from which on it pays to rearrange a product's operands.
const TALL = 8;

// addRow adds one row of A times B to one of C. Four elements that are zero, as after rectifiers, are passed over.
function addRow(c, to, a, at, column, b, bAt, k, n) {
  let p = 0;
  for (; p + 4 <= k; p += 4) {
    const from = at + p * column;
    const a0 = a[from], a1 = a[from + column], a2 = a[from + 2 * column], a3 = a[from + 3 * column];
    if (a0 === 0 && a1 === 0 && a2 === 0 && a3 === 0) continue;
    const b0 = bAt + p * n, b1 = b0 + n, b2 = b1 + n, b3 = b2 + n;
    for (let j = 0; j < n; j++) c[to + j] += a0 * b[b0 + j] + a1 * b[b1 + j] + a2 * b[b2 + j] + a3 * b[b3 + j];
  }
  for (; p < k; p++) {
    const x = a[at + p * column];
    for (let j = 0; j < n; j++) c[to + j] += x * b[bAt + p * n + j];
  }
}

function map(f) {
  return ([x], attributes) => {
    const y = tensor(x.dims);
    for (let i = 0; i < y.data.length; i++) y.data[i] = f(x.data[i], attributes);
    return [y];
  };
}

// pairwise is an operator on two tensors, of which either may be repeated along axes of length 1.
function pairwise(f) {
  return ([a, b]) => {
    const rank = Math.max(a.dims.length, b.dims.length);
    const padded = (t) => [...Array(rank - t.dims.length).fill(1), ...t.dims];
    const ad = padded(a), bd = padded(b);
    const y = tensor(ad.map((d, i) => (d === 1 ? bd[i] : d)));
    const strides = (dims) => {
      const s = Array(rank);
      let step = 1;
      for (let i = rank - 1; i >= 0; i--) { s[i] = dims[i] === 1 ? 0 : step; step *= dims[i]; }
      return s;
    };
    const as = strides(ad), bs = strides(bd), at = Array(rank).fill(0);
    let i = 0, j = 0;
    for (let k = 0; k < y.data.length; k++) {
      y.data[k] = f(a.data[i], b.data[j]);
      for (let d = rank - 1; d >= 0; d--) {
        i += as[d]; j += bs[d];
        if (++at[d] < y.dims[d]) break;
        i -= as[d] * y.dims[d]; j -= bs[d] * y.dims[d]; at[d] = 0;
      }
    }
    return [y];
  };
}

function matMul([a, b]) {
  const k = a.dims[a.dims.length - 1];
  if (b.dims.length !== 2 || b.dims[0] !== k) throw new Error(`MatMul of ${a.dims} and ${b.dims}`);
  const m = size(a.dims) / k, n = b.dims[1];
  const y = tensor([...a.dims.slice(0, -1), n]);
  product(y.data, 0, a.data, 0, k, 1, b.data, 0, m, k, n);
  return [y];
}

function transposed(t) {
  const [m, n] = t.dims;
  const y = { dims: [n, m], data: new t.data.constructor(m * n) };
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) y.data[j * m + i] = t.data[i * n + j];
  return y;
}

function gemm([a, b, c], { transA = 0, transB = 0, alpha = 1, beta = 1 }, kept) {
  const x = transA ? transposed(a) : a;
  if (transB && !kept.b) kept.b = transposed(b); // weights, the same at every run
  const [y] = matMul([x, transB ? kept.b : b]);
  if (alpha !== 1) for (let i = 0; i < y.data.length; i++) y.data[i] *= alpha;
  return c ? pairwise((p, q) => p + beta * q)([y, c]) : [y];
}

// windowOf is what convolutions and pools have in common.
function windowOf(attributes, kernel) {
  const { strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0], auto_pad: auto = 'NOTSET' } = attributes;
  if (auto !== 'NOTSET' || kernel.length !== 2) throw new Error(`a window of ${kernel} with auto_pad ${auto}`);
  return { kernel, strides, dilations, pads };
}

const extent = (w, d) => w.dilations[d] * (w.kernel[d] - 1) + 1;
const strided = (w, d, length) => Math.floor((length + w.pads[d] + w.pads[d + 2] - extent(w, d)) / w.strides[d]) + 1;

// slide calls visit(row of columns, position in the small image, position in the large one) for every element of every window
// that lies on the large image (H, W); the small one is (h, w).
function slide(win, H, W, h, w, visit) {
  const [kh, kw] = win.kernel, [sh, sw] = win.strides, [dh, dw] = win.dilations, [top, left] = win.pads;
  for (let r = 0; r < kh; r++) {
    for (let s = 0; s < kw; s++) {
      for (let i = 0; i < h; i++) {
        const y = i * sh - top + r * dh;
        if (y < 0 || y >= H) continue;
        for (let j = 0; j < w; j++) {
          const x = j * sw - left + s * dw;
          if (x >= 0 && x < W) visit(r * kw + s, i * w + j, y * W + x);
        }
      }
    }
  }
}

// places lists what slide visits, once for every shape of the image.
function places(kept, win, H, W, h, w) {
  if (kept.H !== H || kept.W !== W) {
    const list = [];
    slide(win, H, W, h, w, (k, small, large) => list.push(k * h * w + small, large));
    Object.assign(kept, { H, W, list: Int32Array.from(list) });
  }
  return kept.list;
}

function addBias(y, bias) {
  if (!bias) return;
  const plane = y.dims[2] * y.dims[3];
  for (let i = 0; i < y.data.length; i++) y.data[i] += bias.data[Math.floor(i / plane) % y.dims[1]];
}

function conv([x, weight, bias], attributes, kept) {
  const [N, C, H, W] = x.dims;
  const [M, each, kh, kw] = weight.dims;
  const groups = attributes.group || 1;
  const win = windowOf(attributes, [kh, kw]);
  const h = strided(win, 0, H), w = strided(win, 1, W);
  const list = places(kept, win, H, W, h, w);
  const area = kh * kw * h * w, plane = H * W, inner = each * kh * kw;
  const y = tensor([N, M, h, w]);
  const columns = new Float64Array(each * area);
  for (let n = 0; n < N; n++) {
    for (let g = 0; g < groups; g++) {
      for (let c = 0; c < each; c++) {
        const from = (n * C + g * each + c) * plane;
        for (let i = 0; i < list.length; i += 2) columns[c * area + list[i]] = x.data[from + list[i + 1]];
      }
      const rows = M / groups;
      product(y.data, (n * M + g * rows) * h * w, weight.data, g * rows * inner, inner, 1, columns, 0, rows, inner, h * w);
    }
  }
  addBias(y, bias);
  return [y];
}

function convTranspose([x, weight, bias], attributes, kept) {
  const [N, C, h, w] = x.dims;
  const [, each, kh, kw] = weight.dims;
  const groups = attributes.group || 1;
  const { output_padding: extra = [0, 0] } = attributes;
  if (attributes.output_shape) throw new Error('ConvTranspose with an output_shape');
  const win = windowOf(attributes, [kh, kw]);
  const enlarged = (d, length) => win.strides[d] * (length - 1) + extra[d] + extent(win, d) - win.pads[d] - win.pads[d + 2];
  const H = enlarged(0, h), W = enlarged(1, w);
  const list = places(kept, win, H, W, h, w);
  const small = h * w, area = kh * kw * small, plane = H * W, rows = each * kh * kw, inner = C / groups;
  const y = tensor([N, each * groups, H, W]);
  const columns = new Float64Array(each * area);
  for (let n = 0; n < N; n++) {
    for (let g = 0; g < groups; g++) {
      columns.fill(0);
      product(columns, 0, weight.data, g * inner * rows, 1, rows, x.data, (n * C + g * inner) * small, rows, inner, small);
      for (let c = 0; c < each; c++) {
        const to = (n * each * groups + g * each + c) * plane;
        for (let i = 0; i < list.length; i += 2) y.data[to + list[i + 1]] += columns[c * area + list[i]];
      }
    }
  }
  addBias(y, bias);
  return [y];
}

function pool(mean) {
  return ([x], attributes, kept) => {
    const [N, C, H, W] = x.dims;
    const win = windowOf(attributes, attributes.kernel_shape);
    if (attributes.ceil_mode) throw new Error('a pool with ceil_mode');
    const h = strided(win, 0, H), w = strided(win, 1, W), small = h * w;
    const list = places(kept, win, H, W, h, w);
    const y = tensor([N, C, h, w]);
    const counts = new Float64Array(small);
    for (let i = 0; i < list.length; i += 2) counts[list[i] % small]++;
    if (attributes.count_include_pad) counts.fill(win.kernel[0] * win.kernel[1]);
    for (let plane = 0; plane < N * C; plane++) {
      const out = y.data.subarray(plane * small, (plane + 1) * small);
      if (!mean) out.fill(-Infinity);
      for (let i = 0; i < list.length; i += 2) {
        const v = x.data[plane * H * W + list[i + 1]], at = list[i] % small;
        out[at] = mean ? out[at] + v : Math.max(out[at], v);
      }
      if (mean) for (let i = 0; i < small; i++) out[i] /= counts[i];
    }
    return [y];
  };
}

function globalAveragePool([x]) {
  const [N, C, H, W] = x.dims;
  const y = tensor([N, C, 1, 1]);
  for (let i = 0; i < x.data.length; i++) y.data[Math.floor(i / (H * W))] += x.data[i] / (H * W);
  return [y];
}

function batchNormalization([x, scale, bias, mean, variance], { epsilon = 1e-5 }) {
  const y = tensor(x.dims);
  const plane = size(x.dims.slice(2));
  for (let i = 0; i < y.data.length; i++) {
    const c = Math.floor(i / plane) % x.dims[1];
    y.data[i] = ((x.data[i] - mean.data[c]) / Math.sqrt(variance.data[c] + epsilon)) * scale.data[c] + bias.data[c];
  }
  return [y];
}

function layerNormalization([x, scale, bias], { axis = -1, epsilon = 1e-5 }) {
  const rank = x.dims.length;
  const n = size(x.dims.slice(axis < 0 ? axis + rank : axis));
  const y = tensor(x.dims);
  for (let at = 0; at < y.data.length; at += n) {
    let mean = 0, variance = 0;
    for (let i = 0; i < n; i++) mean += x.data[at + i] / n;
    for (let i = 0; i < n; i++) variance += (x.data[at + i] - mean) ** 2 / n;
    for (let i = 0; i < n; i++) {
      y.data[at + i] = ((x.data[at + i] - mean) / Math.sqrt(variance + epsilon)) * scale.data[i] + (bias ? bias.data[i] : 0);
    }
  }
  return [y];
}

function reduceMean([x, axesInput], { axes, keepdims = 1 }) {
  const rank = x.dims.length;
  const over = new Set(Array.from(axes || (axesInput && axesInput.data) || x.dims.keys(), (a) => (a < 0 ? a + rank : a)));
  const kept = x.dims.map((d, i) => (over.has(i) ? 1 : d));
  const y = tensor(kept);
  const n = x.data.length / y.data.length;
  const at = Array(rank).fill(0);
  for (let i = 0; i < x.data.length; i++) {
    let to = 0;
    for (let d = 0; d < rank; d++) to = to * kept[d] + (over.has(d) ? 0 : at[d]);
    y.data[to] += x.data[i] / n;
    for (let d = rank - 1; d >= 0 && ++at[d] === x.dims[d]; d--) at[d] = 0;
  }
  if (!keepdims) y.dims = x.dims.filter((_, i) => !over.has(i));
  return [y];
}

function reshape([x, shape]) {
  const dims = Array.from(shape.data, (d, i) => (d === 0 ? x.dims[i] : d));
  const open = dims.indexOf(-1);
  if (open >= 0) dims[open] = x.data.length / -size(dims);
  return [tensor(dims, x.data)];
}

function flatten([x], { axis = 1 }) {
  const rows = size(x.dims.slice(0, axis < 0 ? axis + x.dims.length : axis));
  return [tensor([rows, x.data.length / rows], x.data)];
}

function concat(inputs, { axis }) {
  const at = axis < 0 ? axis + inputs[0].dims.length : axis;
  const outer = size(inputs[0].dims.slice(0, at));
  const y = tensor(inputs[0].dims.map((d, i) => (i === at ? inputs.reduce((sum, t) => sum + t.dims[at], 0) : d)));
  let to = 0;
  for (let o = 0; o < outer; o++) {
    for (const t of inputs) {
      const n = t.data.length / outer;
      y.data.set(t.data.subarray(o * n, (o + 1) * n), to);
      to += n;
    }
  }
  return [y];
}

// gather takes rows by their numbers, those below 0 from the end.
function gather([x, rows], { axis = 0 }) {
  const at = axis < 0 ? axis + x.dims.length : axis;
  const n = x.dims[at], outer = size(x.dims.slice(0, at)), run = size(x.dims.slice(at + 1));
  const y = tensor([...x.dims.slice(0, at), ...rows.dims, ...x.dims.slice(at + 1)]);
  let to = 0;
  for (let o = 0; o < outer; o++) {
    for (const row of rows.data) {
      if (!(row >= -n && row < n)) throw new Error(`Gather of row ${row} of ${n}`);
      const from = (o * n + (row < 0 ? row + n : row)) * run;
      y.data.set(x.data.subarray(from, from + run), to);
      to += run;
    }
  }
  return [y];
}

function transpose([x], { perm }) {
  const rank = x.dims.length;
  const order = perm || [...x.dims.keys()].reverse();
  const y = tensor(order.map((d) => x.dims[d]));
  const steps = Array(rank);
  for (let d = rank - 1, step = 1; d >= 0; d--) { steps[d] = step; step *= x.dims[d]; }
  const at = Array(rank).fill(0);
  let from = 0;
  for (let i = 0; i < y.data.length; i++) {
    y.data[i] = x.data[from];
    for (let d = rank - 1; d >= 0; d--) {
      from += steps[order[d]];
      if (++at[d] < y.dims[d]) break;
      from -= steps[order[d]] * y.dims[d]; at[d] = 0;
    }
  }
  return [y];
}

// toHalf is the nearest number that a float16 can be.
function toHalf(x) {
  if (!Number.isFinite(x) || x === 0) return x;
  const power = Math.floor(Math.log2(Math.abs(x)));
  const step = 2 ** Math.max((2 ** power > Math.abs(x) ? power - 1 : power) - 10, -24); // a logarithm is rounded
  const y = even(x / step) * step;
  return Math.abs(y) > 65504 ? Math.sign(y) * Infinity : y;
}

// cast is to floats, which all numbers here are, to what a float16 can be, or to bytes.
function cast([x], { to }) {
  if (to === 1) return [tensor(x.dims, x.data)];
  if (to === 2) return [tensor(x.dims, x.data.map((v) => Math.trunc(v) & 255))];
  if (to === 10) return [tensor(x.dims, Float64Array.from(x.data, toHalf))];
  throw new Error(`Cast to elements of type ${to}`);
}

// quantizeLinear is to bytes, with a sign where the zero point has one.
function quantizeLinear([x, scale, zero]) {
  if (scale.data.length !== 1) throw new Error('QuantizeLinear by channels');
  const [least, most] = zero && zero.data instanceof Int8Array ? [-128, 127] : [0, 255];
  const from = zero ? zero.data[0] : 0;
  return [tensor(x.dims, Float64Array.from(x.data, (v) => Math.min(Math.max(even(Math.fround(Math.fround(v) / scale.data[0])) + from, least), most)))];
}

// dequantizeLinear is in float32: that is what weights stand for.
function dequantizeLinear([x, scale, zero], { axis = 1 }) {
  const y = { dims: x.dims, data: new Float32Array(x.data.length) };
  const at = axis < 0 ? axis + x.dims.length : axis;
  const run = size(x.dims.slice(at + 1)), each = scale.data.length > 1;
  for (let i = 0; i < y.data.length; i++) {
    const c = each ? Math.floor(i / run) % x.dims[at] : 0;
    y.data[i] = (x.data[i] - (zero ? zero.data[c] : 0)) * scale.data[c];
  }
  return [y];
}

// even rounds to the nearest whole number, halves to the even one.
function even(x) {
  const low = Math.floor(x);
  return x - low > 0.5 || (x - low === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

function clip([x, low, high]) {
  const least = low ? low.data[0] : -Infinity, most = high ? high.data[0] : Infinity;
  const y = tensor(x.dims);
  for (let i = 0; i < y.data.length; i++) y.data[i] = Math.min(Math.max(x.data[i], least), most);
  return [y];
}

function resize([x, , scales], { mode = 'nearest' }) {
  if (mode !== 'nearest' || !scales || scales.data.some((s) => s !== Math.floor(s))) throw new Error('Resize other than by whole numbers to the nearest');
  const [N, C, H, W] = x.dims;
  const [, , fh, fw] = scales.data;
  const y = tensor([N, C, H * fh, W * fw]);
  const width = W * fw, plane = H * fh * width;
  for (let i = 0; i < y.data.length; i++) {
    const row = Math.floor((i % plane) / width);
    y.data[i] = x.data[Math.floor(i / plane) * H * W + Math.floor(row / fh) * W + Math.floor((i % width) / fw)];
  }
  return [y];
}

const operators = {
  Add: pairwise((a, b) => a + b),
  AveragePool: pool(true),
  BatchNormalization: batchNormalization,
  Cast: cast,
  Clip: clip,
  Concat: concat,
  Conv: conv,
  ConvTranspose: convTranspose,
  DequantizeLinear: dequantizeLinear,
  Div: pairwise((a, b) => a / b),
  Elu: map((x, { alpha = 1 }) => (x > 0 ? x : alpha * Math.expm1(x))),
  Flatten: flatten,
  Gather: gather,
  Gemm: gemm,
  GlobalAveragePool: globalAveragePool,
  Identity: ([x]) => [x],
  LayerNormalization: layerNormalization,
  LeakyRelu: map((x, { alpha = Math.fround(0.01) }) => (x > 0 ? x : alpha * x)),
  MatMul: matMul,
  MaxPool: pool(false),
  Mul: pairwise((a, b) => a * b),
  QuantizeLinear: quantizeLinear,
  ReduceMean: reduceMean,
  Relu: map((x) => (x > 0 ? x : 0)),
  Reshape: reshape,
  Resize: resize,
  Round: map(even),
  Sigmoid: map((x) => 1 / (1 + Math.exp(-x))),
  Softplus: map((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  Sqrt: map(Math.sqrt),
  Sub: pairwise((a, b) => a - b),
  Tanh: map(Math.tanh),
  Transpose: transpose,
};

// A Model runs what one file says.
class Model {
  constructor(bytes) {
    this.graph = null;
    read(bytes, { 7: (v) => { this.graph = readGraph(v); } });
    if (!this.graph) throw new Error('the model file is damaged');
    for (const node of this.graph.nodes) {
      if (!operators[node.op]) throw new Error(`operator ${node.op} is not one of petrify's layers`);
      node.kept = {};
    }
    // What is made of constants alone, such as weights that are stored in less, is made once.
    this.graph.nodes = this.graph.nodes.filter((node) => {
      if (!node.inputs.length || !node.inputs.every((name) => this.graph.constants.has(name))) return true;
      this.graph.constants.set(node.outputs[0], operators[node.op](node.inputs.map((name) => this.graph.constants.get(name)), node.attributes, node.kept)[0]);
      return false;
    });
  }

  // run gives the outputs, {dims, data} by their names, for inputs of that form.
  run(inputs) {
    const values = new Map(this.graph.constants);
    for (const name of this.graph.inputs) values.set(name, inputs[name]);
    for (const node of this.graph.nodes) {
      const results = operators[node.op](node.inputs.map((name) => values.get(name)), node.attributes, node.kept);
      node.outputs.forEach((name, i) => values.set(name, results[i]));
    }
    return Object.fromEntries(this.graph.outputs.map((name) => [name, values.get(name)]));
  }
}

// openModel is how the page makes a file ready to run.
const openModel = async (bytes) => new Model(bytes);
