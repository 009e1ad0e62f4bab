// A square map with a point on it. Pointer and keyboard move the point; Python decodes what is there.
// Where its standard deviations are above 0, the point is the center of an ellipse, and handles drag its half-widths.
// What never moves by hand: an ellipse elsewhere, a path with the ends a and b.

const STEM = 34; // from the ellipse to its handle: the point stays within reach, however small the ellipse is
const REACH = 20; // a press this near to a handle means the handle
const HANDLES = [
  { std: "std_x", text: "σ₁", axis: 0, cursor: "ew-resize" },
  { std: "std_y", text: "σ₂", axis: 1, cursor: "ns-resize" },
];

function svg(name, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  set(node, attributes);
  if (text !== undefined) node.textContent = text;
  return node;
}

function set(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
}

const doubled = ["vae-halo", "vae-cross"]; // every line has a light one beneath: it is seen on any ground

function drawAxes(extent, size, place) {
  const axes = svg("svg", { viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" });
  const middle = size / 2;
  axes.append(svg("line", { x1: 0, x2: size, y1: middle, y2: middle, class: "vae-axis" }));
  axes.append(svg("line", { y1: 0, y2: size, x1: middle, x2: middle, class: "vae-axis" }));
  const small = size < 300;
  const step = Number((extent / (small ? 2 : 3)).toPrecision(1)) || extent;
  for (let k = -9; k <= 9; k++) {
    const value = Number((k * step).toPrecision(6));
    if (k === 0 || Math.abs(value) > (small ? 0.85 : 0.93) * extent) continue;
    const text = String(value).replace("-", "−");
    axes.append(svg("text", { x: place(value), y: size - 6, "text-anchor": "middle" }, text));
    axes.append(svg("text", { x: 6, y: size - place(value) + 4 }, text));
  }
  axes.append(svg("text", { x: size - 6, y: middle - 6, "text-anchor": "end" }, "z₁"));
  axes.append(svg("text", { x: middle + 6, y: 14 }, "z₂"));
  return axes;
}

// An ellipse at two and at one standard deviation; returns what places it, and hides it where a radius is 0.
function drawSigmas(drawing) {
  const group = drawing.appendChild(svg("g", { visibility: "hidden" }));
  const rings = [2, 1].flatMap((times) =>
    doubled.map((name) => ({ times, node: svg("ellipse", { class: `${name} vae-sigma-${times}` }) })),
  );
  group.append(...rings.map(({ node }) => node));
  return ([x, y], radii) => {
    group.setAttribute("visibility", radii[0] && radii[1] ? "visible" : "hidden");
    for (const { times, node } of rings) set(node, { cx: x, cy: y, rx: times * radii[0], ry: times * radii[1] });
  };
}

// The handles of an ellipse; returns what places them.
function drawHandles(drawing, size) {
  const group = drawing.appendChild(svg("g", {}));
  const stems = doubled.map((name) => svg("path", { class: `${name} vae-stem` }));
  const handles = HANDLES.map(({ text }) => [
    svg("rect", { width: 13, height: 13, rx: 3, class: "vae-handle" }),
    svg("text", { class: "vae-name", "text-anchor": "middle" }, text),
  ]);
  group.append(...stems, ...handles.flat());

  return ([x, y], ends) => {
    group.setAttribute("visibility", ends.length ? "visible" : "hidden");
    if (!ends.length) return;
    for (const stem of stems) stem.setAttribute("d", ends.map((end) => `M ${x} ${y} L ${end[0]} ${end[1]}`).join(" "));
    ends.forEach(([right, down], k) => {
      const [square, name] = handles[k];
      set(square, { x: right - 6.5, y: down - 6.5 });
      const above = { x: right, y: down < 26 ? down + 22 : down - 12 };
      set(name, k === 0 ? above : { x: right > size - 26 ? right - 17 : right + 17, y: down + 4 });
    });
  };
}

// A line through points on the map, with a dot and a letter at each end; the letters stay on the map.
function drawPath(group, points, size) {
  if (points.length < 2) return group.replaceChildren();
  const d = points.map(([x, y], k) => `${k ? "L" : "M"} ${x} ${y}`).join(" ");
  const ends = [["a", points[0], points.at(-1)], ["b", points.at(-1), points[0]]];
  const within = (value) => Math.min(size - 8, Math.max(8, value));
  const letters = ends.flatMap(([letter, [x, y], [other, _]]) => [
    svg("circle", { cx: x, cy: y, r: 3.5, class: "vae-dot" }),
    svg("text", { x: within(x + (x < other ? -10 : 10)), y: within(y + 4), "text-anchor": "middle", class: "vae-name" }, letter),
  ]);
  group.replaceChildren(...doubled.map((name) => svg("path", { d, class: `${name} vae-path` })), ...letters);
}

function render({ model, el }) {
  const extent = model.get("extent");
  const size = model.get("size"); // the map in the units of its drawing
  const scale = 10 ** model.get("decimals");
  const passive = model.get("passive");
  const place = (value) => ((value / extent + 1) * size) / 2;
  const rounded = (value, least) => Math.round(Math.min(extent, Math.max(least, value)) * scale) / scale;
  const onMap = (value) => rounded(value, -extent);

  const plane = document.createElement("div");
  plane.className = passive ? "vae-plane vae-passive" : "vae-plane";
  const roles = {
    role: "slider",
    "aria-roledescription": "two-dimensional slider",
    "aria-label": "Latent space: arrow keys move the point, with Shift in larger steps, Home goes to the center",
    "aria-valuemin": -extent,
    "aria-valuemax": extent,
  };
  set(plane, passive ? { role: "img" } : roles);

  const codes = document.createElement("img");
  codes.alt = "Map of the codes of the test images, each marked with the digit of its class";
  codes.draggable = false;
  const url = URL.createObjectURL(new Blob([model.get("background")], { type: "image/png" }));
  codes.src = url;

  const pointer = svg("svg", { viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" });
  const path = pointer.appendChild(svg("g", {}));
  const placeOther = drawSigmas(pointer.appendChild(svg("g", { class: "vae-elsewhere" })));
  const placeEllipse = drawSigmas(pointer);
  const placeHandles = drawHandles(pointer, size);
  const marks = doubled.map((name) => pointer.appendChild(svg("path", { class: name })));
  const dots = pointer.appendChild(svg("g", {}));

  const hint = document.createElement("div");
  hint.className = "vae-hint";
  hint.textContent = model.get("hint");

  plane.append(drawAxes(extent, size, place), codes, pointer);
  el.append(plane, ...(hint.textContent ? [hint] : []));

  let wanted = {}; // what the hand has done since the last frame of the screen
  let grabbed = null; // the handle under way
  let sides = [1, 1]; // the ends of the ellipse that have the handles: 1 is right and top

  const now = (name) => wanted[name] ?? model.get(name);
  const onScreen = ([x, y]) => [place(x), size - place(y)];
  const length = (value) => (value * size) / (2 * extent);
  const center = () => onScreen([model.get("x"), model.get("y")]);
  const radii = () => HANDLES.map(({ std }) => length(model.get(std)));
  const out = (k) => (k === 0 ? sides[0] : -sides[1]); // on the screen, down is positive

  // Where the handles are; one that would lie outside the map is at the other end, unless it is being dragged.
  function handlePlaces() {
    if (passive || !model.get("std_x") || !model.get("std_y")) return [];
    return HANDLES.map((_, k) => {
      const end = [...center()];
      const fits = (value) => value > 14 && value < size - 14;
      const far = radii()[k] + STEM;
      if (!grabbed) sides[k] = fits(end[k] + (k ? -far : far)) || !fits(end[k] + (k ? far : -far)) ? 1 : -1;
      end[k] = Math.min(size - 14, Math.max(14, end[k] + out(k) * far));
      return end;
    });
  }

  function show() {
    const [x, y] = center();
    const ends = handlePlaces();
    placeEllipse([x, y], radii());
    placeHandles([x, y], ends);
    const r = size < 300 ? 6 : model.get("ellipse").length ? 4 : 8;
    const ring = `M ${x - r} ${y} a ${r} ${r} 0 1 0 ${2 * r} 0 a ${r} ${r} 0 1 0 ${-2 * r} 0`;
    const arms = `M ${x - 18} ${y} h 10 M ${x + 8} ${y} h 10 M ${x} ${y - 18} v 10 M ${x} ${y + 8} v 10`;
    const cross = model.get("path").length || model.get("ellipse").length ? ring : `${ring} ${arms}`; // arms would hide them
    for (const mark of marks) mark.setAttribute("d", ends.length ? "" : cross);
    if (!passive) plane.setAttribute("aria-valuenow", model.get("x"));
  }

  function showDots() {
    const circle = ([cx, cy]) => svg("circle", { cx, cy, r: 2.5, class: "vae-dot" });
    dots.replaceChildren(...model.get("dots").map(onScreen).map(circle));
  }

  function showEllipse() {
    const [x, y, ...stds] = model.get("ellipse");
    if (stds.length) placeOther(onScreen([x, y]), stds.map(length));
    else placeOther([0, 0], [0, 0]);
    show();
  }

  function showPath() {
    drawPath(path, model.get("path").map(onScreen), size);
    show();
  }

  function describe() {
    plane.setAttribute(passive ? "aria-label" : "aria-valuetext", model.get("text"));
  }

  // Many pointer events arrive within one frame of the screen; only the last one counts.
  let frame = 0;
  function change(values) {
    wanted = { ...wanted, ...values };
    frame = frame || requestAnimationFrame(send);
  }
  function move(x, y) {
    change({ x: onMap(x), y: onMap(y) });
  }
  function send() {
    frame = 0;
    const values = wanted;
    wanted = {};
    if (Object.keys(values).every((name) => values[name] === model.get(name))) return;
    model.set(values);
    model.save_changes();
  }

  function placeOf(event) {
    const box = plane.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * size, ((event.clientY - box.top) / box.height) * size];
  }
  function handleAt(at) {
    return handlePlaces().findIndex((end) => Math.hypot(end[0] - at[0], end[1] - at[1]) <= REACH);
  }
  function drag(at) {
    if (!grabbed) {
      move(((2 * at[0]) / size - 1) * extent, (1 - (2 * at[1]) / size) * extent);
      return;
    }
    const { k, slack } = grabbed;
    const radius = (at[k] - center()[k]) * out(k) - slack;
    change({ [HANDLES[k].std]: rounded((radius * 2 * extent) / size, 10 / scale) });
  }

  function onPress(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    plane.setPointerCapture(event.pointerId);
    plane.focus({ preventScroll: true });
    const at = placeOf(event);
    const k = handleAt(at);
    if (k < 0) return drag(at);
    grabbed = { k, slack: (at[k] - center()[k]) * out(k) - radii()[k] }; // a press alone changes nothing
  }
  function onMove(event) {
    const at = placeOf(event);
    if (plane.hasPointerCapture(event.pointerId)) return drag(at);
    const k = handleAt(at);
    plane.style.cursor = k < 0 ? "" : HANDLES[k].cursor;
  }
  function onRelease() {
    grabbed = null;
    show();
  }

  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = (event.shiftKey ? 0.1 : 0.02) * extent;
    if (event.key in directions) {
      const [right, up] = directions[event.key];
      move(now("x") + right * step, now("y") + up * step);
    } else if (event.key === "Home") {
      move(0, 0);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  if (!passive) {
    plane.tabIndex = 0;
    plane.dataset.lmSuppressShortcuts = "true"; // the arrow keys move the point, not the selected cell
    plane.addEventListener("pointerdown", onPress);
    plane.addEventListener("pointermove", onMove);
    plane.addEventListener("lostpointercapture", onRelease);
    plane.addEventListener("keydown", onKey);
  }

  const views = {
    "change:x change:y change:std_x change:std_y": show,
    "change:dots": showDots,
    "change:ellipse": showEllipse,
    "change:path": showPath,
    "change:text": describe,
  };
  for (const [events, view] of Object.entries(views)) {
    model.on(events, view);
    view();
  }
  return () => {
    cancelAnimationFrame(frame);
    for (const [events, view] of Object.entries(views)) model.off(events, view);
    URL.revokeObjectURL(url);
  };
}

export default { render };
