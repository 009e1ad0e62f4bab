// The playground: a trained encoder and decoder, and what a hand can do with them. No library, no network.

"use strict";

const N_FRAMES = 9;
const DRAWING = "drawing"; // the choice that is no class
const NOTHING = "nothing drawn yet";
const $ = (id) => document.getElementById(id);

// ---- the numbers in the page ----

async function inflate(base64) {
  const letters = atob(base64);
  const packed = new Uint8Array(letters.length);
  for (let k = 0; k < packed.length; k++) packed[k] = letters.charCodeAt(k);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

function reader(buffer) {
  let place = 0;
  const bytes = (n) => buffer.slice(place, (place += n));
  const floats = (n) => new Float32Array(bytes(4 * n));
  // Rows of whole numbers, each with its scale: one byte each, or all low bytes and then all high bytes.
  function rows(n, length, levels) {
    const scales = floats(n);
    const low = levels > 127 ? new Uint8Array(bytes(n * length)) : null;
    const high = new Int8Array(bytes(n * length));
    const out = new Float32Array(n * length);
    for (let row = 0, k = 0; row < n; row++) {
      for (const end = k + length; k < end; k++) out[k] = (low ? 256 * high[k] + low[k] : high[k]) * scales[row];
    }
    return out;
  }
  return { floats, rows, labels: (n) => new Uint8Array(bytes(n)) };
}

// ---- the network ----

// The error function to 1.5e-7: Abramowitz and Stegun (1964), 7.1.26.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

const ACTIVATIONS = {
  SiLU: () => (x) => x * sigmoid(x),
  GELU: () => (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  ReLU: () => (x) => (x > 0 ? x : 0),
  Tanh: () => Math.tanh,
  Sigmoid: () => sigmoid,
  LeakyReLU: (slope) => (x) => (x > 0 ? x : slope * x),
  Softplus: (beta, threshold) => (x) => (beta * x > threshold ? x : Math.log1p(Math.exp(beta * x)) / beta),
};

function linear(nIn, nOut, levels, read) {
  const bias = read.floats(nOut);
  const weights = read.rows(nOut, nIn, levels);
  const out = new Float32Array(nOut);
  return (x) => {
    for (let row = 0, k = 0; row < nOut; row++) {
      let sum = bias[row];
      for (let column = 0; column < nIn; column++, k++) sum += weights[k] * x[column];
      out[row] = sum;
    }
    return out;
  };
}

function elementwise(f, n) {
  const out = new Float32Array(n);
  return (x) => {
    for (let k = 0; k < n; k++) out[k] = f(x[k]);
    return out;
  };
}

// A function from numbers to numbers; what it returns is overwritten by the next call.
function network(layers, read) {
  const steps = layers.map(([kind, nIn, nOut, ...settings]) =>
    kind === "Linear" ? linear(nIn, nOut, settings[0], read) : elementwise(ACTIVATIONS[kind](...settings), nOut),
  );
  return (x) => steps.reduce((values, step) => step(values), x);
}

// ---- an image of strokes, as tutorial_utils.drawing makes it ----

function strokesToImage(strokes, { box, dot, pen, size }) {
  const ends = strokes.flatMap((line) => line.map((point, k) => [...line[Math.max(0, k - 1)], ...point]));
  if (!ends.length) return new Float32Array(size * size);
  const center = [0, 1].map((axis) => {
    const values = ends.map((end) => end[axis + 2]);
    return [Math.min(...values), Math.max(...values)];
  });
  const side = Math.max(...center.map(([low, high]) => high - low));
  const scale = side < dot ? 1 : (box - pen) / side;
  const placed = (end) => end.map((value, k) => (value - (center[k % 2][0] + center[k % 2][1]) / 2) * scale + size / 2);
  const segments = ends.map(placed);
  const first = ink(segments, pen, size, 0, 0);
  const mass = [0, 0, 0];
  first.forEach((value, k) => {
    mass[0] += value * ((k % size) + 0.5);
    mass[1] += value * (Math.floor(k / size) + 0.5);
    mass[2] += value;
  });
  return ink(segments, pen, size, size / 2 - mass[0] / mass[2], size / 2 - mass[1] / mass[2]);
}

function ink(segments, pen, size, right, down) {
  const image = new Float32Array(size * size);
  for (let k = 0; k < image.length; k++) {
    const x = (k % size) + 0.5 - right;
    const y = Math.floor(k / size) + 0.5 - down;
    let least = Infinity;
    for (const [xa, ya, xb, yb] of segments) {
      const dx = xb - xa;
      const dy = yb - ya;
      const share = ((x - xa) * dx + (y - ya) * dy) / Math.max(dx * dx + dy * dy, 1e-12);
      const along = share < 0 ? 0 : share > 1 ? 1 : share;
      const ex = x - xa - along * dx;
      const ey = y - ya - along * dy;
      least = Math.min(least, ex * ex + ey * ey);
    }
    image[k] = Math.min(1, Math.max(0, pen / 2 + 0.5 - Math.sqrt(least)));
  }
  return image;
}

// ---- paths, as tutorial_utils.paths has them ----

function straightLine(a, b, t, out) {
  for (let k = 0; k < a.length; k++) out[k] = (1 - t) * a[k] + t * b[k];
  return out;
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

function greatCircle(a, b, t, out) {
  const [lengthA, lengthB] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
  const cosine = dot(a, b) / (lengthA * lengthB);
  if (!(cosine > -1)) return straightLine(a, b, t, out); // no great circle is the one
  const angle = Math.acos(Math.min(0.9999, Math.max(-0.9999, cosine)));
  const [partA, partB] = [Math.sin((1 - t) * angle) / lengthA, Math.sin(t * angle) / lengthB];
  for (let k = 0; k < a.length; k++) out[k] = partA * a[k] + partB * b[k];
  const factor = ((1 - t) * lengthA + t * lengthB) / Math.sqrt(dot(out, out));
  for (let k = 0; k < a.length; k++) out[k] *= factor;
  return out;
}

// ---- words ----

// Two decimals, a true minus sign, and none before zero.
const fixed = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2).replace("-", "−");
// The text with spaces at which no line ends within a number, a code, or "a 3".
const unbroken = (text) =>
  text.replace(/ = /g, "\u00a0=\u00a0").replace(/, (?=[\d−])/g, ",\u00a0").replace(/ (an?) (?=\d)/g, " $1\u00a0");
const below = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
const name = (axis) => `z${below(axis + 1)}`;
const withArticle = (label) => `${/^(8|11$|18$)/.test(label) ? "an" : "a"} ${label}`;

// ---- pictures ----

// A canvas of gray images side by side, one canvas pixel for each of theirs.
function picture(id, { width, height }, n = 1) {
  const canvas = $(id);
  canvas.width = n * width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true }); // few pixels: the graphics card is a detour
  const pixels = context.createImageData(n * width, height);
  pixels.data.fill(255);
  return (image, text, place = 0) => {
    for (let row = 0, k = 0; row < height; row++) {
      let at = 4 * (row * n * width + place * width);
      for (let column = 0; column < width; column++, k++, at += 4) {
        pixels.data[at] = pixels.data[at + 1] = pixels.data[at + 2] = 255 * image[k];
      }
    }
    if (place === n - 1) context.putImageData(pixels, 0, 0);
    if (text) canvas.setAttribute("aria-label", text);
  };
}

// The canvas at the resolution of the screen, drawn again when its size or the theme changes.
function sharp(canvas, draw) {
  const context = canvas.getContext("2d");
  const side = () => canvas.clientWidth || 1;
  function resize() {
    const pixels = Math.round(side() * (window.devicePixelRatio || 1));
    if (canvas.width !== pixels || canvas.height !== pixels) canvas.width = canvas.height = pixels;
    draw();
  }
  new ResizeObserver(resize).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  return { context, side, ratio: () => canvas.width / side() };
}

const color = (variable) => getComputedStyle(document.documentElement).getPropertyValue(`--${variable}`).trim();

// ---- the page ----

// A model: its networks, its codes of the test images, and the code at which map and sliders stand.
function readModel(meta, about, place, read) {
  const decoder = network(about.decoder, read);
  const encoder = network(about.encoder, read);
  const codes = read.rows(1, meta.codes * about.dim, about.code_levels);
  const imageCodes = read.floats(meta.images.length * about.dim);
  const what = about.vae ? "mean of p(x|z)" : "decoded image";
  const [right, up] = about.axes;
  const point = Float64Array.from(about.center);
  const between = new Float64Array(about.dim); // z of the morph
  return { ...about, place, decoder, encoder, codes, imageCodes, what, right, up, point, between };
}

function start(meta, read) {
  const { width, height } = meta;
  const nPixels = width * height;
  const labels = Array.from(read.labels(meta.codes), (place) => meta.classes[place]);
  const imageLabels = Array.from(read.labels(meta.images.length), (place) => meta.classes[place]);
  const imagePixels = Float32Array.from(read.labels(meta.images.length * nPixels), (value) => value / 255);
  const models = meta.models.map((about, place) => readModel(meta, about, place, read));
  let model = models[0]; // the chosen one

  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  const shown = { width, height };
  const show = {};
  for (const id of ["from-image", "morph-image", "to-image", "point-image", "seen-image", "again-image"]) {
    show[id] = picture(id, shown);
  }
  show.strip = picture("strip", shown, N_FRAMES);

  const examples = meta.images.map((index, k) => ({
    pixels: imagePixels.subarray(k * nPixels, (k + 1) * nPixels),
    codes: models.map(({ dim, imageCodes }) => imageCodes.subarray(k * dim, (k + 1) * dim)),
    label: imageLabels[k],
    text: `test image ${index.toLocaleString("en")}, ${withArticle(imageLabels[k])}`,
  }));

  const faded = new Float32Array(nPixels);
  const decoded = new Float32Array(nPixels);
  const drawing = { strokes: [], pixels: new Float32Array(nPixels), text: NOTHING };
  drawing.codes = models.map(({ dim }) => new Float32Array(dim));
  const codeOf = (image) => image.codes[model.place];
  const morph = { t: 0.5, path: "line", ends: [examples[0], examples[0]] };
  let playing = null;

  function decode(z) {
    const logits = model.decoder(z);
    for (let k = 0; k < nPixels; k++) decoded[k] = sigmoid(logits[k]);
    return decoded;
  }
  const encode = (pixels) => model.encoder(pixels).slice(0, model.dim);

  // ---- what is drawn anew, once per frame of the screen ----

  const seldom = { strokes: useStrokes, strip: drawStrip };
  const DRAW = { ...seldom, morph: drawMorph, point: drawPoint, sketch: drawSketch, map: drawMap };
  const stale = new Set();
  let frame = 0;
  function redraw(...parts) {
    for (const part of parts) stale.add(part);
    frame = frame || requestAnimationFrame(onFrame);
  }
  function onFrame(now) {
    frame = 0;
    if (playing) advance(now);
    flush();
    if (playing) redraw();
  }
  function flush() {
    for (const part in DRAW) if (stale.delete(part)) DRAW[part]();
  }

  // Told to those who do not see the page: the last sentence, at most one per second.
  let sentence = "";
  let telling = 0;
  function tell(text) {
    sentence = text;
    telling = telling || setTimeout(() => ((telling = 0), ($("live").textContent = sentence)), 1000);
  }

  // ---- one digit into another ----

  function codeBetween(t) {
    const [a, b] = morph.ends.map(codeOf);
    return (morph.path === "circle" ? greatCircle : straightLine)(a, b, t, model.between);
  }
  function imageBetween(t) {
    if (morph.path !== "fade") return decode(codeBetween(t));
    return straightLine(morph.ends[0].pixels, morph.ends[1].pixels, t, faded);
  }

  function drawStrip() {
    const kind = morph.path === "fade" ? "cross-fades of pixels" : model.vae ? "means of p(x|z)" : "decoded images";
    const text = `${N_FRAMES} ${kind} from t = 0, ${morph.ends[0].text}, to t = 1, ${morph.ends[1].text}`;
    for (let k = 0; k < N_FRAMES; k++) show.strip(imageBetween(k / (N_FRAMES - 1)), text, k);
    ["from", "to"].forEach((end, k) => show[`${end}-image`](morph.ends[k].pixels, morph.ends[k].text));
  }

  function drawMorph() {
    const { t, path } = morph;
    const at = `t = ${fixed(t)}`;
    const fade = `cross-fade of pixels at ${at}: no network`;
    const text = path === "fade" ? fade : `${model.what} at ${at}, ${showCode(codeBetween(t))}`;
    show["morph-image"](imageBetween(t), text);
    $("t").value = t;
    $("t").setAttribute("aria-valuetext", at);
    $("t-value").textContent = fixed(t);
    $("frame").style.left = `${(100 * Math.round(t * (N_FRAMES - 1))) / N_FRAMES}%`;
    $("morph-text").textContent = unbroken(text);
    if (!playing) tell(text);
  }

  function setT(t) {
    morph.t = Math.min(1, Math.max(0, t));
    redraw("morph", "map");
  }

  function setEnd(k, example) {
    morph.ends[k] = example;
    redraw("strip", "morph", "map");
  }

  // Forth and back, three seconds each way; in nine steps for those who want no motion.
  function advance(now) {
    if (playing.last === null) playing.last = now;
    const passed = (now - playing.last) / 1000;
    const step = reducedMotion.matches ? (passed < 0.8 ? 0 : 1 / (N_FRAMES - 1)) : Math.min(passed, 0.1) / 3;
    if (!step && passed) return;
    playing.last = now;
    if (morph.t >= 1) playing.direction = -1;
    if (morph.t <= 0) playing.direction = 1;
    setT(morph.t + playing.direction * step);
  }

  function play(on) {
    playing = on ? { last: null, direction: 1 } : null;
    $("play").textContent = on ? "Pause" : "Play";
    redraw("morph");
  }

  // ---- choosing images ----

  const ofClass = (label) => examples.filter((example) => String(example.label) === label);

  // A list of classes and a button for the next image of the class; `use` gets the image.
  function chooser(id, purpose, extra, use) {
    const [select, button] = [$(`${id}-class`) || $(id), $(`${id}-next`)];
    select.append(...[...extra, ...meta.classes].map((value) => new Option(value, value)));
    let current = null;
    function choose(example) {
      current = example;
      select.value = example === drawing ? DRAWING : example.label;
      button.textContent = example === drawing ? "Draw it" : `Another ${example.label}`;
      button.setAttribute("aria-label", `${button.textContent}, ${purpose}`);
      use(example);
    }
    function next() {
      const images = ofClass(select.value);
      choose(images[(images.indexOf(current) + 1) % images.length]);
    }
    select.addEventListener("change", () => choose(select.value === DRAWING ? drawing : ofClass(select.value)[0]));
    button.addEventListener("click", () => (select.value === DRAWING ? bringUp("draw-title") : next()));
    return choose;
  }

  function bringUp(id) {
    $(id).scrollIntoView({ behavior: reducedMotion.matches ? "auto" : "smooth", block: "start" });
  }

  // ---- the point: map, sliders, decoded digit ----

  const showCode = (z) => {
    if (model.dim <= 4) return `z = (${Array.from(z, (value) => fixed(value)).join(", ")})`;
    return `${name(model.right)} = ${fixed(z[model.right])}, ${name(model.up)} = ${fixed(z[model.up])}`;
  };

  function nearest(z) {
    let [best, least] = [0, Infinity];
    for (let k = 0, at = 0; k < meta.codes; k++, at += model.dim) {
      let sum = 0;
      for (let axis = 0; axis < model.dim; axis++) {
        const step = model.codes[at + axis] - z[axis];
        sum += step * step;
      }
      if (sum < least) [best, least] = [k, sum];
    }
    return [labels[best], Math.sqrt(least)];
  }

  function drawPoint() {
    const [label, distance] = nearest(model.point);
    const far = distance > model.far ? "; far from every test code: a digit here is luck" : "";
    const where = `${model.what} at ${showCode(model.point)}`;
    const near = `nearest test code is ${withArticle(label)}, ${fixed(distance)} away${far}`;
    show["point-image"](decode(model.point), where);
    $("point-text").textContent = unbroken(`${where}; ${near}`);
    $("pad").setAttribute("aria-valuetext", `${showCode(model.point)}; ${near}`);
    $("pad").setAttribute("aria-valuenow", model.point[model.right]);
    const map = `Map of the codes of ${meta.codes} test images, each with its class`;
    $("map").setAttribute("aria-label", `${map}; point at ${showCode(model.point)}`);
    for (const { axis, input, output } of sliders) {
      input.value = model.point[axis];
      input.setAttribute("aria-valuetext", fixed(model.point[axis]));
      output.textContent = fixed(model.point[axis]);
    }
    tell(`${where}; ${near}`);
  }

  function setPoint(z) {
    model.point.set(z);
    redraw("point", "map");
  }

  function movePoint(x, y) {
    const onMap = (value) => Math.min(model.extent, Math.max(-model.extent, value));
    [model.point[model.right], model.point[model.up]] = [onMap(x), onMap(y)];
    redraw("point", "map");
  }

  function makeSlider(axis) {
    const row = document.createElement("div");
    const [label, input, output] = ["label", "input", "output"].map((kind) => document.createElement(kind));
    label.textContent = name(axis);
    label.htmlFor = input.id = output.htmlFor = `z-${axis + 1}`;
    Object.assign(input, { type: "range", min: -model.extent, max: model.extent, step: model.step });
    input.addEventListener("input", () => {
      model.point[axis] = Number(input.value);
      redraw("point", "map");
    });
    row.append(label, input, output);
    $("sliders").append(row);
    return { axis, input, output };
  }

  // A draw of N(0, 1), by Box and Muller.
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
  const modified = (event) => event.ctrlKey || event.altKey || event.metaKey;
  function onPadKey(event) {
    if (modified(event)) return;
    const size = (event.shiftKey ? 0.1 : 0.02) * model.extent;
    if (event.key === "Home") movePoint(model.center[model.right], model.center[model.up]);
    else if (!(event.key in STEPS)) return;
    else {
      const [x, y] = STEPS[event.key];
      movePoint(model.point[model.right] + x * size, model.point[model.up] + y * size);
    }
    event.preventDefault();
  }
  function onPadPointer(event) {
    const box = $("pad").getBoundingClientRect();
    const x = (2 * (event.clientX - box.left)) / box.width - 1;
    const y = 1 - (2 * (event.clientY - box.top)) / box.height;
    movePoint(x * model.extent, y * model.extent);
  }

  // ---- the map ----

  const chart = sharp($("map"), () => (drawChart(), redraw("map")));
  const background = document.createElement("canvas");
  const theme = {};
  const place = (x, y) => [((1 + x / model.extent) * chart.side()) / 2, ((1 - y / model.extent) * chart.side()) / 2];
  const placeOf = (codes, k = 0) => place(codes[k * model.dim + model.right], codes[k * model.dim + model.up]);

  function ring(context, x, y, radius) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }

  // A line in `ink` with a border in `halo`, seen on every ground.
  function twice(context, ink, halo, width = 2) {
    for (const [style, extra] of [[halo, 3], [ink, 0]]) {
      context.strokeStyle = style;
      context.lineWidth = width + extra;
      context.stroke();
    }
  }

  // What does not move: axes, the prior's circles, a dot for each code, a digit where there is room.
  function drawChart() {
    for (const name of ["line", "control", "faint", "accent", "card"]) theme[name] = color(name);
    const side = chart.side();
    background.width = background.height = $("map").width;
    const context = background.getContext("2d");
    context.scale(chart.ratio(), chart.ratio());
    drawAxes(context, side);
    for (let k = 0; k < meta.codes; k++) {
      const [x, y] = placeOf(model.codes, k);
      context.fillStyle = `${colorOf(labels[k])}80`;
      ring(context, x, y, 1.5);
      context.fill();
    }
    drawGlyphs(context, side);
  }

  const colorOf = (label) => meta.colors[Math.max(0, meta.classes.indexOf(label)) % meta.colors.length];

  function drawAxes(context, side) {
    const middle = side / 2;
    context.strokeStyle = theme.line;
    context.strokeRect(-1, middle, side + 2, side);
    context.strokeRect(middle, -1, side, side + 2);
    context.fillStyle = theme.faint;
    context.font = "11px system-ui, sans-serif";
    for (const radius of model.vae ? [1, 2] : []) {
      context.strokeStyle = `${theme.control}a0`;
      ring(context, middle, middle, (radius / model.extent) * middle);
      context.stroke();
    }
    const step = Number((model.extent / 3).toPrecision(1));
    for (let k = -9; k <= 9; k++) {
      const value = Number((k * step).toPrecision(6));
      if (k === 0 || Math.abs(value) > 0.93 * model.extent) continue;
      const text = String(value).replace("-", "−");
      const [x, y] = place(value, value);
      context.textAlign = "center";
      context.fillText(text, x, side - 6);
      context.textAlign = "left";
      context.fillText(text, 6, y + 4);
    }
    context.fillText(name(model.up), middle + 6, 14);
    context.textAlign = "right";
    context.fillText(name(model.right), side - 6, middle - 6);
  }

  function drawGlyphs(context, side) {
    const spacing = Math.max(17, side / 22);
    const taken = [];
    context.font = `700 ${Math.round(0.8 * spacing)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 3;
    for (let k = 0; k < meta.codes; k++) {
      const [x, y] = placeOf(model.codes, k);
      if (taken.some((at) => Math.hypot(at[0] - x, at[1] - y) < spacing)) continue;
      taken.push([x, y]);
      context.strokeStyle = "#fff";
      context.strokeText(labels[k], x, y);
      context.fillStyle = colorOf(labels[k]);
      context.fillText(labels[k], x, y);
    }
  }

  function drawMap() {
    const { context } = chart;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, background.width, background.height);
    context.drawImage(background, 0, 0);
    context.scale(chart.ratio(), chart.ratio());
    if (model.dim === 2) drawPath(context);
    const [x, y] = placeOf(model.point);
    ring(context, x, y, 8);
    for (const [dx, dy] of Object.values(STEPS)) {
      context.moveTo(x + 8 * dx, y + 8 * dy);
      context.lineTo(x + 17 * dx, y + 17 * dy);
    }
    twice(context, "#000", "#fff");
  }

  // The morph on the map: its path, an end as a ring, t as a dot. A cross-fade of pixels has no path.
  function drawPath(context) {
    const [ink, halo] = [theme.accent, theme.card];
    if (morph.path !== "fade") {
      context.beginPath();
      for (let k = 0; k <= 40; k++) context.lineTo(...place(...codeBetween(k / 40)));
      twice(context, ink, halo);
    }
    for (const end of morph.ends) {
      ring(context, ...place(...codeOf(end)), 5);
      context.fillStyle = halo;
      context.fill();
      twice(context, ink, halo);
    }
    if (morph.path === "fade") return;
    ring(context, ...place(...codeBetween(morph.t)), 5);
    twice(context, ink, halo);
    context.fillStyle = ink;
    context.fill();
  }

  // ---- drawing ----

  const canDraw = width === meta.drawing.size && height === meta.drawing.size;
  const paper = sharp($("paper"), () => redraw("sketch"));

  function drawSketch() {
    const { context } = paper;
    const side = paper.side();
    context.setTransform(paper.ratio(), 0, 0, paper.ratio(), 0, 0);
    context.clearRect(0, 0, side, side);
    if (!drawing.strokes.length) {
      Object.assign(context, { fillStyle: "#b0b0b0", font: "15px system-ui, sans-serif", textAlign: "center" });
      context.fillText("draw here", side / 2, side / 2);
    }
    Object.assign(context, { strokeStyle: "#fff", lineWidth: side / 14, lineCap: "round", lineJoin: "round" });
    for (const line of drawing.strokes) {
      context.beginPath();
      context.moveTo(line[0][0] * side, line[0][1] * side);
      for (const [x, y] of line) context.lineTo(x * side, y * side);
      context.stroke();
    }
  }

  // The drawing has changed: encode it, put it on the map, and into the morph if it is one of its ends.
  function useDrawing(pixels, text) {
    drawing.pixels.set(pixels);
    drawing.text = text;
    encodeDrawing();
    if (text !== NOTHING) setPoint(codeOf(drawing));
    if (morph.ends.includes(drawing)) redraw("strip", "morph", "map");
    redraw("sketch");
  }

  function encodeDrawing() {
    const { text } = drawing;
    codeOf(drawing).set(encode(drawing.pixels));
    const z = showCode(codeOf(drawing));
    const code = `${model.vae ? "mean of q(z|x)" : "code"}: ${z}`;
    show["seen-image"](drawing.pixels, text);
    show["again-image"](decode(codeOf(drawing)), `reconstruction of ${text}: ${model.what} at ${z}`);
    $("paper").setAttribute("aria-label", drawing.strokes.length ? text : "black paper to draw on, empty");
    $("draw-text").textContent = unbroken(text === NOTHING ? text : `${text}; ${code}`);
  }

  function useStrokes() {
    const n = drawing.strokes.length;
    const text = n ? `your drawing, ${n} ${n === 1 ? "stroke" : "strokes"}` : NOTHING;
    useDrawing(strokesToImage(drawing.strokes, meta.drawing), text);
  }

  function addToStroke(event) {
    const box = $("paper").getBoundingClientRect();
    const events = event.getCoalescedEvents?.() ?? [];
    for (const { clientX, clientY } of events.length ? events : [event]) {
      const line = drawing.strokes.at(-1);
      const next = [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
      const last = line.at(-1);
      if (!last || Math.hypot(next[0] - last[0], next[1] - last[1]) > 0.01) line.push(next);
    }
    redraw("strokes");
  }

  // While a pointer is down, `move` hears where it goes, also beyond the edge.
  function onDrag(element, press, move) {
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      press(event);
    });
    element.addEventListener("pointermove", (event) => element.hasPointerCapture(event.pointerId) && move(event));
  }

  // ---- put together ----

  let sliders = [];

  // Everything that depends on the model follows: morph, map, sliders, the drawing's code, the words.
  function choose(chosen) {
    model = chosen;
    $("sliders").replaceChildren();
    sliders = model.axes.map(makeSlider);
    $("pad").setAttribute("aria-valuemin", -model.extent);
    $("pad").setAttribute("aria-valuemax", model.extent);
    write();
    encodeDrawing();
    drawChart();
    redraw("strip", "morph", "point", "map");
  }

  function offerModels() {
    $("models").hidden = models.length === 1;
    if (models.length === 1) return;
    for (const each of models) {
      const label = document.createElement("label");
      const radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name: "model", checked: each === model });
      radio.addEventListener("change", () => choose(each));
      label.append(radio, each.label);
      $("models").append(label);
    }
  }

  function write() {
    const others = model.dim - 2;
    const digits = "Dots and digits: codes of test images.";
    const circles = model.vae ? " Circles: radius 1 and 2 of the prior." : "";
    const most = `${name(model.right)} and ${name(model.up)} ${model.vae ? "have the largest KL" : "vary most"}`;
    const rest = others === 1 ? "the third stays where it is" : `the other ${others} stay where they are`;
    const axes = others ? ` ${most}; ${rest}.` : " Blue: the path of the morph.";
    const keys = "Drag, or use the arrow keys (Shift: larger steps, Home: center).";
    $("map-hint").textContent = `${keys} ${digits}${circles}${axes}`;
    const all = model.dim === 2 ? "two" : model.dim;
    const which = model.dim > sliders.length ? `${sliders.length} most active of ${model.dim}` : all;
    $("sliders-title").textContent = `The ${which} latent numbers`;
    $("random").textContent = model.vae ? "Random (draw from the prior)" : "Random (mean and spread of the codes)";
    const kind = model.vae ? "a variational autoencoder (VAE)" : "an autoencoder";
    const many = models.length > 1;
    const held = many ? `${models.length} neural networks` : `${kind}, a neural network`;
    $("about").textContent =
      `The page holds ${held} trained in a notebook of a tutorial on VAEs. ${many ? `This is ${kind}. ` : ""}` +
      `Its encoder turns an image into ${model.dim} numbers, its decoder turns ${model.dim} numbers into an image. ` +
      "All is computed here; nothing leaves this page.";
    document.body.classList.toggle("many", sliders.length > 4);
    if (canDraw) return;
    $("draw-title").textContent = "Encode an image";
    $("as-from").closest("section").querySelector(".easel").hidden = $("clear").hidden = true;
  }

  function listen() {
    $("t").addEventListener("input", () => (play(false), setT(Number($("t").value))));
    $("play").addEventListener("click", () => play(!playing));
    for (const radio of document.getElementsByName("path")) {
      radio.addEventListener("change", () => {
        morph.path = radio.value;
        redraw("strip", "morph", "map");
      });
    }
    document.addEventListener("keydown", (event) => {
      const [step] = STEPS[event.key] ?? [0];
      if (!step || modified(event) || document.activeElement !== document.body) return;
      play(false);
      setT(morph.t + step * (event.shiftKey ? 0.1 : 0.02));
      event.preventDefault();
    });
    $("pad").addEventListener("keydown", onPadKey);
    onDrag($("pad"), (event) => ($("pad").focus({ preventScroll: true }), onPadPointer(event)), onPadPointer);
    $("reset").addEventListener("click", () => setPoint(model.center));
    const draw = () => model.center.map((mean, axis) => mean + model.spread[axis] * normal());
    $("random").addEventListener("click", () => setPoint(draw()));
    onDrag($("paper"), (event) => (drawing.strokes.push([]), addToStroke(event)), addToStroke);
    $("clear").addEventListener("click", () => ((drawing.strokes = []), redraw("strokes")));
  }

  offerModels();
  choose(model);
  listen();
  const chooseEnds = [
    chooser("from", "to morph from", [DRAWING], (example) => setEnd(0, example)),
    chooser("to", "to morph to", [DRAWING], (example) => setEnd(1, example)),
  ];
  const chooseInstead = chooser("instead", "instead of a drawing", [], (example) => {
    drawing.strokes = [];
    useDrawing(example.pixels, example.text);
  });
  ["as-from", "as-to"].forEach((id, k) => {
    $(id).addEventListener("click", () => (chooseEnds[k](drawing), bringUp("morph-title")));
  });
  chooseEnds[0](examples.find((example) => example.label === meta.classes[Math.min(7, meta.classes.length - 1)]));
  chooseEnds[1](examples[0]);
  chooseInstead(examples.at(-1));
  setPoint(model.center);
  redraw(...Object.keys(DRAW).filter((part) => part !== "strokes"));
  onFrame(0);
  clearTimeout(telling); // nobody has asked yet
  telling = 0;

  // For tests, and for the curious in the console.
  window.playground = {
    decode: (z) => Array.from(decode(z)),
    encode: (pixels) => Array.from(encode(pixels)),
    imageOfStrokes: (strokes) => Array.from(strokesToImage(strokes, meta.drawing)),
    setPoint,
    flush,
    setT,
    get z() { return Array.from(model.point); },
    get t() { return morph.t; },
    get ends() {
      return morph.ends.map((end) => ({ pixels: [...end.pixels], code: [...codeOf(end)], text: end.text }));
    },
    get drawing() { return { strokes: drawing.strokes, code: [...codeOf(drawing)] }; },
  };
}

inflate($("numbers").textContent)
  .then((buffer) => start(JSON.parse($("meta").textContent), reader(buffer)))
  .catch((error) => {
    $("trouble").hidden = false;
    $("trouble").textContent = `This browser cannot show the page (${error.message}). One of 2023 or newer can.`;
    throw error;
  });
