// ONNX Runtime in Node.js as a driver process, whichever package it comes from: what follows in the program calls serve. The
// protocol is described in runtime.go.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

// A run keeps this thread busy, in which the end of standard input would be seen: another one watches the parent, so that no
// run outlives a petrify that was killed.
new (require('node:worker_threads').Worker)(`
  const parent = process.ppid;
  setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL'); }, 500);
`, { eval: true }).unref();

const out = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr); // a stray print must not end up among the frames

function send(header, bodies = []) {
  for (const b of [Buffer.from(JSON.stringify(header) + '\n'), ...bodies]) out(b);
}

// The package comes from one of the folders in our arguments, never from where require would look for it: the working folder
// and those above it.
function load(name) {
  const places = process.argv.slice(1);
  for (const place of places) {
    const dir = path.join(place, name);
    if (fs.existsSync(dir)) return require(dir);
  }
  throw Object.assign(new Error(places.length ? `node ${process.version} finds no package ${name} in ${places.join(', ')}`
    : `node ${process.version} was told no folder that has the package ${name}`),
  { remedy: `npm install ${name}, and name the node_modules folder that has it in NODE_PATH or with --node-path` });
}

const arrays = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array, int8: Int8Array, int16: Int16Array, int32: Int32Array,
  int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array, bool: Uint8Array,
};

const lacking = (message) => Object.assign(new Error(message), { lacking: true });

// Strings travel each with its length in 4 bytes before it.
function cutStrings(raw) {
  const words = [];
  for (let at = 0; at < raw.length;) {
    const n = raw.readUInt32LE(at);
    words.push(raw.toString('utf8', at + 4, at + 4 + n));
    at += 4 + n;
  }
  return words;
}

function joinStrings(words) {
  return Buffer.concat(words.flatMap((word) => {
    const text = Buffer.from(word, 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return [length, text];
  }));
}

function toTensor(ort, h, raw) {
  if (h.type === 'string') return new ort.Tensor('string', cutStrings(raw), h.dims);
  const of = arrays[h.type];
  if (!of) throw lacking(`input ${JSON.stringify(h.name)}: ONNX Runtime's JavaScript has no ${h.type} tensors`);
  let data = new of(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength)); // a copy, aligned
  if (h.type === 'float16' && typeof Float16Array !== 'undefined') data = new Float16Array(data.buffer);
  return new ort.Tensor(h.type, data, h.dims);
}

function fromTensor(name, t) {
  if (t.type === 'string') {
    const body = joinStrings(t.data);
    return [{ name, type: t.type, dims: Array.from(t.dims), bytes: body.length }, body];
  }
  if (!arrays[t.type]) throw lacking(`output ${JSON.stringify(name)}: ${t.type} tensors do not travel between processes`);
  const d = t.data;
  return [{ name, type: t.type, dims: Array.from(t.dims), bytes: d.byteLength }, Buffer.from(d.buffer, d.byteOffset, d.byteLength)];
}

// ONNX Runtime says in words what it lacks; these are the sentences that mean "right, but not here".
function unsupported(message) {
  let m;
  if ((m = /Could not find an implementation for (?:([\w.]+)\.)?(\w+)\((\d+)\)/.exec(message))) {
    return { domain: m[1] || '', op: m[2], opset: Number(m[3]), why: message };
  }
  if ((m = /(?:([\w.]+):)?(\w+)\((-?\d+)\) is not a registered function\/op/.exec(message))) {
    return { domain: m[1] === 'ai.onnx' ? '' : m[1] || '', op: m[2], opset: Math.max(0, Number(m[3])), why: message };
  }
  if ((m = /No Op registered for (\w+) with domain_version of (\d+)/.exec(message))) {
    return { op: m[1], opset: Number(m[2]), why: message };
  }
  if (/Unsupported model IR version|is under development and support for this is limited|[Uu]nsupported data type|Batchwise recurrent operations|Failed to construct locale/.test(message)) {
    return { why: message };
  }
  return null;
}

// A session computes on the provider that was asked for, or not at all: what a package leaves out of a list of providers
// without a word would run on the CPU.
async function open(ort, runtime, h, bytes) {
  const model = h.file ? path.resolve(h.file) : bytes; // in the folder that we started in, which is ours alone
  const provider = h.provider || runtime.provider;
  const present = runtime.providers(ort);
  if (!present.includes(provider)) throw new Error(`no execution provider is called ${provider}: ${runtime.name} has ${present.join(', ')}`);
  const options = {
    executionMode: 'sequential', intraOpNumThreads: h.threads || 1, interOpNumThreads: 1, logSeverityLevel: 3,
    graphOptimizationLevel: h.optimization === 'off' ? 'disabled' : h.optimization || 'all',
  };
  if (runtime.prepare) runtime.prepare(ort, h);
  if (provider === runtime.provider) return [await ort.InferenceSession.create(model, { ...options, executionProviders: [provider] }), ''];
  try {
    const alone = { ...options, executionProviders: [provider], extra: { session: { disable_cpu_ep_fallback: '1' } } };
    return [await ort.InferenceSession.create(model, alone), ''];
  } catch (e) {
    if (!/fallback to CPU EP has been explicitly disabled/.test(String(e && e.message))) throw e;
    return [await ort.InferenceSession.create(model, { ...options, executionProviders: [provider] }), 'nodes that it does not take are on the CPU'];
  }
}

let session = null;

async function answer(ort, runtime, h, model, inputs) {
  if (h.do === 'open') {
    let note;
    [session, note] = await open(ort, runtime, h, model);
    return [{ note }, []];
  }
  if (h.do !== 'run') throw new Error(`request ${JSON.stringify(h.do)} is unknown`);
  if (!session) throw new Error('run before open');
  const feeds = Object.create(null);
  (h.tensors || []).forEach((t, i) => { feeds[t.name] = toTensor(ort, t, inputs[i]); });
  let results, nanos;
  if (h.repeat > 0) {
    nanos = [];
    for (let i = 0; i < h.repeat; i++) {
      const start = process.hrtime.bigint();
      results = await session.run(feeds);
      nanos.push(Number(process.hrtime.bigint() - start));
    }
  } else {
    results = await session.run(feeds);
  }
  const tensors = [], bodies = [];
  for (const name of session.outputNames) {
    const [th, body] = fromTensor(name, results[name]);
    tensors.push(th);
    bodies.push(body);
  }
  return [{ tensors, nanos }, bodies];
}

// take yields exactly n bytes, or a whole line where n is undefined, from the chunks of standard input.
class Input {
  constructor(stream) {
    this.chunks = [];
    this.length = 0;
    this.wake = null;
    stream.on('data', (c) => { this.chunks.push(c); this.length += c.length; if (this.wake) this.wake(); });
    stream.on('end', () => process.exit(0)); // the parent is gone or has closed us: abandon whatever runs
    stream.on('error', () => process.exit(0));
  }
  more() { return new Promise((resolve) => { this.wake = () => { this.wake = null; resolve(); }; }); }
  async take(n) {
    while (this.length < n) await this.more();
    const whole = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks);
    this.chunks = whole.length > n ? [whole.subarray(n)] : [];
    this.length -= n;
    return whole.subarray(0, n);
  }
  async line() {
    let seen = 0;
    for (;;) {
      let at = 0;
      for (const c of this.chunks) {
        if (at + c.length > seen) {
          const i = c.indexOf(10, Math.max(0, seen - at));
          if (i >= 0) return (await this.take(at + i + 1)).toString('utf8');
        }
        at += c.length;
      }
      seen = at;
      await this.more();
    }
  }
}

async function requests(ort, runtime) {
  const version = (ort.env && ort.env.versions && ort.env.versions[runtime.short]) || '';
  send({ hello: 1, runtime: `${[runtime.name, version].join(' ').trim()}, node ${process.version}` });
  const input = new Input(process.stdin);
  for (;;) {
    const h = JSON.parse(await input.line());
    const model = h.model ? await input.take(h.model) : null;
    const inputs = [];
    for (const t of h.tensors || []) inputs.push(await input.take(t.bytes));
    let reply;
    try {
      reply = await answer(ort, runtime, h, model, inputs);
    } catch (e) {
      if (e instanceof WebAssembly.RuntimeError) throw e; // a trap leaves memory as it happened to be
      const message = String((e && e.message) || e);
      const u = e && e.lacking ? { why: message } : unsupported(message);
      reply = [u ? { unsupported: u } : { error: message }, []];
    }
    send(...reply);
  }
}

// serve speaks the protocol for a package: its name, the short name that env.versions has for it, the provider of a session that
// is asked for none, and the names of all that a session may ask for.
function serve(runtime) {
  let ort;
  try {
    ort = load(runtime.name);
  } catch (e) {
    if (e.remedy) send({ hello: 1, missing: e.message, remedy: e.remedy });
    else send({ hello: 1, error: `${e.message}: reinstall the npm package ${runtime.name}` }); // it is here, and broken
    process.exitCode = 0;
    return;
  }
  requests(ort, runtime).catch((e) => {
    const trap = e instanceof WebAssembly.RuntimeError;
    console.error(trap ? String(e) : e); // the stack of a trap is numbers
    if (trap) process.kill(process.pid, 'SIGABRT');
    process.exit(3);
  });
}
