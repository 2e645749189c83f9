// The page: what its controls do. The model is in the page itself, and noise.js and runtime.js run it.
'use strict';

const element = (id) => document.getElementById(id);
const about = JSON.parse(element('about').textContent);

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

const fileOf = (id) => fromBase64(element(id).textContent.trim());

// ---- points and pictures

const width = about.generator.width; // of a point: how many numbers it has
const classes = about.generator.class ? about.generator.class.names : [];
let generator = null;
let encoder = null;
let noise = null;

// place is where element i of a picture (C, H, W) lies in a layout.
const place = (layout, i, channels, area) => (layout === 'nchw' ? i : (i % area) * channels + Math.floor(i / area));

// draw shows the picture of a point, of the class of a number where the model takes one.
async function draw(canvas, point, number) {
  const { input, dims, images } = about.generator;
  const inputs = { [input]: { dims: [1, ...dims], data: point, type: 'float32' } };
  if (classes.length > 0) inputs[about.generator.class.input] = { dims: [1], data: [number], type: 'int64' };
  const made = (await generator.run(inputs))[images.name];
  const [channels, h, w] = images.shape;
  const pixels = new ImageData(w, h);
  // As the graphs with bytes and petrify sample do it: scaled in float32; the array itself clamps, and rounds halves to the even number.
  const factor = Math.fround(255 / (images.high - images.low)), offset = Math.fround((-images.low * 255) / (images.high - images.low));
  for (let i = 0; i < h * w; i++) {
    for (let c = 0; c < 3; c++) {
      const v = made.data[place(images.layout, Math.min(c, channels - 1) * h * w + i, channels, h * w)];
      pixels.data[4 * i + c] = Math.fround(Math.fround(Math.fround(v) * factor) + offset);
    }
    pixels.data[4 * i + 3] = 255;
  }
  canvas.width = w;
  canvas.height = h;
  canvas.getContext('2d').putImageData(pixels, 0, 0);
}

// between is the way from a to b: the arc for a space of noise, else the line.
function between(a, b, t) {
  let p = 1 - t, q = t;
  if (about.noise) {
    let aa = 0, bb = 0, ab = 0;
    for (let i = 0; i < width; i++) { aa += a[i] * a[i]; bb += b[i] * b[i]; ab += a[i] * b[i]; }
    const angle = Math.acos(Math.min(Math.max(ab / Math.sqrt(aa * bb), -1), 1));
    const sin = Math.sin(angle);
    if (sin > 1e-6) { p = Math.sin((1 - t) * angle) / sin; q = Math.sin(t * angle) / sin; }
  }
  return a.map((v, i) => p * v + q * b[i]);
}

const ease = (t) => t * t * (3 - 2 * t);

// ---- what is shown

const state = {
  seed: 1n, image: 0, truncation: 0, class: 0,
  base: new Float64Array(width), name: 'the middle', file: 'middle',
  moved: about.axes.map(() => 0),
  a: null, b: null, // {point, class}
  walking: 0, // the request for the next frame of a walk
};

function point() {
  const z = state.base.slice();
  about.axes.forEach((axis, k) => { if (state.moved[k]) axis.direction.forEach((d, i) => { z[i] += state.moved[k] * d; }); });
  return z;
}

// Work that waits for the next frames: the picture before the small ones.
let due = false;
let kept = []; // pictures A and B
let small = [];
let frame = 0;

function show() {
  due = true;
  later();
}

function later() {
  if (!frame) frame = requestAnimationFrame(work);
}

async function work() {
  try {
    if (due) {
      due = false;
      await draw(element('picture'), point(), state.class);
    }
    while (kept.length > 0) await kept.shift()();
    for (const end = performance.now() + 12; small.length > 0 && performance.now() < end;) await small.shift()();
  } catch (e) {
    fail(e);
  }
  frame = 0;
  if (due || kept.length > 0 || small.length > 0) later();
}

// say tells what has happened, once it stays: a screen reader should not hear every step of a slider.
let saying = 0;
function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => { element('status').textContent = text; }, 250);
}

// describe names the picture, and says so.
function describe(text) {
  element('picture').setAttribute('aria-label', `Picture: ${text}`);
  say(text);
}

// called is the name of what is shown, and where it was moved to from there.
const called = () => (state.moved.some(Boolean) ? `${state.name}, moved` : state.name);

function start(base, name, file) {
  state.base = base;
  state.name = name;
  state.file = file;
  recentre();
  show();
  describe(name);
}

const noiseOf = (image) => noise.point(state.seed, image, width, state.truncation);

function choose(image) {
  state.image = image;
  press('thumbs', image);
  const parts = [['seed', state.seed], ['picture', image + 1]];
  if (classes.length > 0) parts.push(['class', classes[state.class]]);
  if (state.truncation) parts.push(['truncation', state.truncation]);
  const file = parts.map(([key, value]) => (key === 'picture' ? value : `${key}-${String(value).replace(/[^A-Za-z0-9.]+/g, '-')}`)).join('-');
  start(noiseOf(image), parts.map((p) => p.join(' ')).join(', '), file);
  soon('classes', (button, number) => draw(button.firstChild, noiseOf(image), number));
  link();
}

// soon draws the small pictures of a group anew, in the place of those of the group that were still to be drawn.
function soon(group, task) {
  small = small.filter((t) => t.group !== group);
  [...element(group).children].forEach((button, i) => small.push(Object.assign(() => task(button, i), { group })));
  later();
}

// ---- groups of buttons with a picture each, one of them pressed, which arrows lead through

function makeGroup(group, labels, take) {
  const place = element(group);
  labels.forEach(([label, text], i) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.setAttribute('aria-label', label);
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    button.append(canvas, text);
    button.addEventListener('click', () => { stop(); take(i); });
    place.append(button);
  });
  place.addEventListener('keydown', (e) => {
    const columns = getComputedStyle(place).gridTemplateColumns.split(' ').length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[e.key];
    const at = [...place.children].indexOf(document.activeElement);
    const to = e.key === 'Home' ? 0 : e.key === 'End' ? labels.length - 1 : at + step;
    if (!(to >= 0 && to < labels.length)) return;
    e.preventDefault();
    stop();
    take(to);
    place.children[to].focus();
  });
}

function press(group, chosen) {
  [...element(group).children].forEach((b, i) => {
    b.setAttribute('aria-pressed', String(i === chosen));
    b.tabIndex = i === chosen ? 0 : -1;
  });
}

// ---- classes: a button for each, or a list of many

const MOST_BUTTONS = 20;

function makeClasses() {
  const list = element('class');
  classes.forEach((name, i) => list.append(new Option(name, i)));
  list.addEventListener('change', () => { stop(); takeClass(Number(list.value)); });
  list.hidden = classes.length <= MOST_BUTTONS;
  element('classes').hidden = !list.hidden;
  if (list.hidden) makeGroup('classes', classes.map((name) => [`Class ${name}`, name]), takeClass);
}

function takeClass(number) {
  setClass(number);
  refresh(state.image);
}

function setClass(number) {
  state.class = number;
  element('class').value = String(number);
  press('classes', number);
}

// ---- seed, small pictures, truncation

const THUMBS = 16;

function refresh(image) {
  soon('thumbs', (button, i) => draw(button.firstChild, noiseOf(i), state.class));
  choose(image);
}

// readSeed takes what stands in the field, if it is a seed.
function readSeed() {
  const input = element('seed');
  const good = /^[0-9]{1,20}$/.test(input.value.trim()) && BigInt(input.value.trim()) < 1n << 64n;
  input.setAttribute('aria-invalid', String(!good));
  if (good) state.seed = BigInt(input.value.trim());
  else say('a seed is a whole number from 0 to 18446744073709551615');
  return good;
}

function takeSeed() {
  if (!readSeed()) return;
  stop();
  refresh(0);
}

function takeTruncation() {
  const input = element('truncation');
  const most = input.value === input.max;
  state.truncation = most ? 0 : Number(input.value);
  tell(input, most ? 'none' : input.value, most ? 'no limit' : `${input.value} standard deviations`);
}

// tell shows where a slider is, in short and in words. Its line is coloured from the middle, if that is 0, or else from its end.
function tell(input, text, words) {
  const part = (v) => (v - input.min) / (input.max - input.min);
  const [from, to] = [input.min < 0 ? part(0) : -1, part(input.value)].sort((a, b) => a - b);
  input.style.setProperty('--from', from);
  input.style.setProperty('--to', to);
  input.previousElementSibling.textContent = text;
  input.setAttribute('aria-valuetext', words);
}

// ---- directions

function makeAxes() {
  about.axes.forEach((axis, k) => {
    const row = document.createElement('div');
    row.className = 'slider';
    const label = document.createElement('label');
    label.htmlFor = `axis-${k}`;
    label.textContent = axis.name;
    const out = Object.assign(document.createElement('span'), { className: 'value', ariaHidden: 'true' }); // the slider itself says it
    const input = Object.assign(document.createElement('input'), { type: 'range', id: `axis-${k}`, min: -about.reach, max: about.reach, step: about.reach / 40, value: 0 });
    input.addEventListener('input', () => {
      stop();
      state.moved[k] = Number(input.value);
      tellAxis(input);
      show();
      describe(called());
    });
    row.append(label, out, input);
    element('axes').append(row);
    tellAxis(input);
  });
}

function tellAxis(input) {
  const text = Number(input.value).toFixed(1);
  tell(input, text, Number(input.value) ? text : `${text}, the middle`);
}

function recentre() {
  state.moved.fill(0);
  about.axes.forEach((_, k) => {
    const input = element(`axis-${k}`);
    input.value = 0;
    tellAxis(input);
  });
}

// ---- between two pictures

function keep(which) {
  const at = { point: point(), class: state.class };
  state[which] = at;
  kept.push(() => draw(element(which), at.point, at.class));
  later();
  element(which).setAttribute('aria-label', `Picture ${which.toUpperCase()}: ${called()}`);
  say(`kept as ${which.toUpperCase()}`);
}

function tellMix() {
  const percent = element('mix').value;
  tell(element('mix'), `${percent} %`, { 0: 'at A', 100: 'at B' }[percent] || `${percent} % of the way from A to B`);
}

// takeMix shows a picture on the way: of A's class before the middle, and of B's from there on.
function takeMix() {
  const percent = Number(element('mix').value);
  tellMix();
  if (classes.length > 0) setClass((percent < 50 ? state.a : state.b).class);
  start(between(state.a.point, state.b.point, percent / 100), `${percent} % of the way from A to B`, `between-${percent}`);
}

// ---- a walk: from stop to stop, slowing down at each; who prefers less motion sees the stops alone

const LEG = 2400; // milliseconds

function stop() {
  if (!state.walking) return;
  cancelAnimationFrame(state.walking);
  state.walking = 0;
  element('walk').textContent = 'Walk';
  element('walk').setAttribute('aria-pressed', 'false');
}

function walk() {
  if (state.walking) {
    stop();
    describe('a point of the walk');
    return;
  }
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let from = point(), to = null, began = 0, leg = 0, shown = -1;
  const next = () => {
    leg++;
    return about.noise ? noiseOf(state.image + leg) : (leg % 2 ? state.b : state.a).point;
  };
  to = next();
  const move = (now) => {
    state.walking = requestAnimationFrame(move);
    began = began || now;
    if (now - began >= LEG) {
      from = to;
      to = next();
      began = now;
    }
    if (still.matches && shown === leg) return;
    shown = leg;
    state.base = still.matches ? from : between(from, to, ease((now - began) / LEG));
    show();
  };
  recentre();
  state.file = 'walk';
  state.name = 'a point of the walk';
  element('walk').textContent = 'Pause';
  element('walk').setAttribute('aria-pressed', 'true');
  state.walking = requestAnimationFrame(move);
  describe('a walk through the latent space');
}

// ---- pictures out, and in

function save() {
  const from = element('picture');
  const scale = Math.max(1, Math.floor(448 / from.width));
  const large = Object.assign(document.createElement('canvas'), { width: from.width * scale, height: from.height * scale });
  const context = large.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(from, 0, 0, large.width, large.height);
  large.toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${about.name}-${state.file}${state.moved.some(Boolean) ? '-moved' : ''}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say(`saved as ${link.download}`);
  }, 'image/png');
}

// encode shows what the model keeps of the field; while that is under way, it is done once more afterwards.
let encoding = null;
let changed = false;
function encode() {
  changed = true;
  encoding = encoding || (async () => {
    try {
      while (changed) {
        changed = false;
        await encodeOnce();
      }
    } finally {
      encoding = null;
    }
  })();
  return encoding;
}

async function encodeOnce() {
  const { input, dims, images } = about.encoder;
  const [channels, h, w] = images.shape;
  const small = Object.assign(document.createElement('canvas'), { width: w, height: h });
  const context = small.getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.drawImage(element('pad'), 0, 0, w, h);
  const rgba = context.getImageData(0, 0, w, h).data;
  const data = new Float64Array(channels * h * w);
  const value = (byte) => (images.bytes ? byte : images.low + (byte / 255) * (images.high - images.low));
  for (let i = 0; i < h * w; i++) {
    const [r, g, b] = rgba.subarray(4 * i);
    const grey = Math.floor((299 * r + 587 * g + 114 * b + 500) / 1000);
    for (let c = 0; c < channels; c++) {
      data[place(images.layout, c * h * w + i, channels, h * w)] = value(channels === 1 ? grey : rgba[4 * i + c]);
    }
  }
  const results = await encoder.run({ [input]: { dims: [1, ...dims], data, type: images.bytes ? 'uint8' : 'float32' } });
  const code = Object.values(results).find((t) => t.data.length === width);
  start(Float64Array.from(code.data), 'what the model keeps of your picture', 'yours');
}

function makePad() {
  const pad = element('pad');
  const context = pad.getContext('2d');
  let last = null;
  const at = (e) => {
    const box = pad.getBoundingClientRect();
    return [((e.clientX - box.left) / box.width) * pad.width, ((e.clientY - box.top) / box.height) * pad.height];
  };
  const clear = () => {
    context.fillStyle = '#000';
    context.fillRect(0, 0, pad.width, pad.height);
  };
  const line = (from, to) => {
    Object.assign(context, { strokeStyle: '#fff', lineWidth: pad.width / 12, lineCap: 'round', lineJoin: 'round' });
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  };
  pad.addEventListener('pointerdown', (e) => {
    stop();
    pad.setPointerCapture(e.pointerId);
    last = at(e);
    line(last, last);
    encode();
  });
  pad.addEventListener('pointermove', (e) => {
    if (!last) return;
    const here = at(e);
    line(last, here);
    last = here;
    encode();
  });
  for (const end of ['pointerup', 'pointercancel']) pad.addEventListener(end, () => { last = null; });
  element('clear').addEventListener('click', () => { stop(); clear(); encode(); });

  const take = async (file) => {
    try {
      const image = await createImageBitmap(file);
      const side = Math.min(image.width, image.height);
      clear();
      context.imageSmoothingQuality = 'high';
      context.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, pad.width, pad.height);
      stop();
      encode();
    } catch {
      say(`${file.name} is no picture that this browser reads`);
    }
  };
  element('file').addEventListener('change', (e) => { if (e.target.files[0]) take(e.target.files[0]); });
  for (const kind of ['dragover', 'dragleave', 'drop']) {
    element('pad-section').addEventListener(kind, (e) => {
      e.preventDefault();
      pad.classList.toggle('over', kind === 'dragover');
      if (kind === 'drop' && e.dataTransfer.files[0]) take(e.dataTransfer.files[0]);
    });
  }
  clear();
  const seven = [[84, 78], [196, 78], [176, 120], [140, 214]];
  return () => { for (let i = 1; i < seven.length; i++) line(seven[i - 1], seven[i]); };
}

// ---- the beginning

// The address names the picture of a seed, as in index.html#seed=7&picture=5&class=3&truncation=0.5: link writes it once the picture stays
// (browsers count such changes), and readAddress reads it.
let linking = 0;
function link() {
  clearTimeout(linking);
  linking = setTimeout(() => {
    const parts = new URLSearchParams({ seed: state.seed, picture: state.image + 1 });
    if (classes.length > 0) parts.set('class', classes[state.class]);
    if (state.truncation) parts.set('truncation', state.truncation);
    history.replaceState(null, '', `#${parts}`);
  }, 500);
}

function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  element('truncation').value = wanted.get('truncation') || element('truncation').max;
  takeTruncation();
  element('seed').value = wanted.get('seed') ?? '1';
  if (classes.length > 0) setClass(Math.max(classes.indexOf(wanted.get('class')), 0));
  const picture = Number(wanted.get('picture') || 1);
  state.image = Number.isInteger(picture) && picture >= 1 && picture <= THUMBS ? picture - 1 : 0;
  return readSeed();
}

function followAddress() {
  stop();
  if (readAddress()) refresh(state.image);
}

// keepInSight shows the picture small in a corner while its place is above the window, as on a phone at the sliders.
function keepInSight() {
  new IntersectionObserver((places) => {
    const place = places.at(-1);
    element('picture').classList.toggle('away', !place.isIntersecting && place.boundingClientRect.bottom <= 0);
  }).observe(element('picture').parentElement);
}

// fail says what does not work.
function fail(e) {
  element('status').textContent = `The model does not run here: ${e.message}`;
  console.error(e);
}

async function begin() {
  generator = await openModel(fileOf('generator-file'));
  if (about.encoder) encoder = await openModel(fileOf('encoder-file'));
  const quantiles = fromBase64(about.scheme.quantiles);
  noise = new Noise({ ...about.scheme, quantiles: new Int32Array(quantiles.buffer) });
  for (const e of document.querySelectorAll('.noise')) e.hidden = !about.noise;
  for (const e of document.querySelectorAll('.encoder')) e.hidden = !about.encoder;
  for (const e of document.querySelectorAll('.class')) e.hidden = classes.length === 0;

  makeAxes();
  element('walk').addEventListener('click', walk);
  element('save').addEventListener('click', save);
  element('reset').addEventListener('click', () => { stop(); recentre(); show(); describe(called()); });
  for (const which of ['a', 'b']) element(`keep-${which}`).addEventListener('click', () => keep(which));
  element('mix').addEventListener('input', () => { stop(); takeMix(); });
  tellMix();
  keepInSight();
  const scribble = about.encoder ? makePad() : null;

  if (about.noise) {
    makeGroup('thumbs', Array.from({ length: THUMBS }, (_, i) => [`Picture ${i + 1} of this seed`, '']), choose);
    makeClasses();
    element('seed').addEventListener('change', takeSeed);
    element('another').addEventListener('click', () => {
      element('seed').value = String(BigInt.asUintN(64, state.seed + 1n));
      takeSeed();
    });
    element('truncation').addEventListener('input', () => { stop(); takeTruncation(); refresh(state.image); });
    const good = readAddress();
    const picture = state.image;
    for (const [i, which] of ['a', 'b'].entries()) {
      choose(i);
      keep(which);
    }
    refresh(picture);
    if (!good) readSeed(); // which says why
    addEventListener('hashchange', followAddress);
    if (scribble) scribble();
    return;
  }
  if (encoder) await encode(); // of nothing
  keep('a');
  if (encoder) {
    scribble();
    await encode();
  }
  keep('b');
  start(state.base, encoder ? 'what the model keeps of your picture' : 'the middle', 'start');
}

begin().catch(fail);
