// The latent pad: a square map with a point on it. Pointer and keyboard move the point; Python decodes what is there.

const SIZE = 400; // the map in the units of its drawing

function svg(name, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function drawAxes(extent, place) {
  const axes = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true" });
  const middle = SIZE / 2;
  axes.append(svg("line", { x1: 0, x2: SIZE, y1: middle, y2: middle, class: "vae-axis" }));
  axes.append(svg("line", { y1: 0, y2: SIZE, x1: middle, x2: middle, class: "vae-axis" }));
  const step = Number((extent / 3).toPrecision(1)) || extent;
  for (let k = -9; k <= 9; k++) {
    const value = Number((k * step).toPrecision(6));
    if (k === 0 || Math.abs(value) > 0.93 * extent) continue;
    const text = String(value).replace("-", "−");
    axes.append(svg("text", { x: place(value), y: SIZE - 6, "text-anchor": "middle" }, text));
    axes.append(svg("text", { x: 6, y: SIZE - place(value) + 4 }, text));
  }
  axes.append(svg("text", { x: SIZE - 6, y: middle - 6, "text-anchor": "end" }, "z₁"));
  axes.append(svg("text", { x: middle + 6, y: 14 }, "z₂"));
  return axes;
}

function render({ model, el }) {
  const extent = model.get("extent");
  const scale = 10 ** model.get("decimals");
  const place = (value) => ((value / extent + 1) * SIZE) / 2;
  const onMap = (value) => Math.round(Math.min(extent, Math.max(-extent, value)) * scale) / scale;

  const plane = document.createElement("div");
  plane.className = "vae-plane";
  plane.tabIndex = 0;
  plane.dataset.lmSuppressShortcuts = "true"; // the arrow keys move the point, not the selected cell
  const roles = {
    role: "slider",
    "aria-roledescription": "two-dimensional slider",
    "aria-label": "Latent space: arrow keys move the point, with Shift in larger steps, Home goes to the center",
    "aria-valuemin": -extent,
    "aria-valuemax": extent,
  };
  for (const [name, value] of Object.entries(roles)) plane.setAttribute(name, value);

  const codes = document.createElement("img");
  codes.alt = "Map of the codes of the test images, each marked with the digit of its class";
  codes.draggable = false;
  const url = URL.createObjectURL(new Blob([model.get("background")], { type: "image/png" }));
  codes.src = url;

  const pointer = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, "aria-hidden": "true" });
  const marks = ["vae-halo", "vae-cross"].map((name) => pointer.appendChild(svg("path", { class: name })));

  const hint = document.createElement("div");
  hint.className = "vae-hint";
  hint.textContent = "Drag, or use the arrow keys (Shift: larger steps, Home: center).";

  plane.append(drawAxes(extent, place), codes, pointer);
  el.append(plane, hint);

  function show() {
    const x = place(model.get("x"));
    const y = SIZE - place(model.get("y"));
    const ring = `M ${x - 8} ${y} a 8 8 0 1 0 16 0 a 8 8 0 1 0 -16 0`;
    const arms = `M ${x - 18} ${y} h 10 M ${x + 8} ${y} h 10 M ${x} ${y - 18} v 10 M ${x} ${y + 8} v 10`;
    for (const mark of marks) mark.setAttribute("d", `${ring} ${arms}`);
    plane.setAttribute("aria-valuenow", model.get("x"));
  }

  function describe() {
    plane.setAttribute("aria-valuetext", model.get("text"));
  }

  // Many pointer events arrive within one frame of the screen; only the last one counts.
  let wanted = null;
  let frame = 0;
  function move(x, y) {
    wanted = [onMap(x), onMap(y)];
    frame = frame || requestAnimationFrame(send);
  }
  function send() {
    frame = 0;
    const [x, y] = wanted;
    wanted = null;
    if (x === model.get("x") && y === model.get("y")) return;
    model.set({ x, y });
    model.save_changes();
  }

  function moveTo(event) {
    const box = plane.getBoundingClientRect();
    const right = (event.clientX - box.left) / box.width;
    const up = 1 - (event.clientY - box.top) / box.height;
    move((2 * right - 1) * extent, (2 * up - 1) * extent);
  }

  plane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    plane.setPointerCapture(event.pointerId);
    plane.focus({ preventScroll: true });
    moveTo(event);
  });
  plane.addEventListener("pointermove", (event) => {
    if (plane.hasPointerCapture(event.pointerId)) moveTo(event);
  });

  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
  plane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = (event.shiftKey ? 0.1 : 0.02) * extent;
    const [x, y] = wanted || [model.get("x"), model.get("y")];
    if (event.key in directions) {
      const [right, up] = directions[event.key];
      move(x + right * step, y + up * step);
    } else if (event.key === "Home") {
      move(0, 0);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });

  model.on("change:x change:y", show);
  model.on("change:text", describe);
  show();
  describe();
  return () => {
    cancelAnimationFrame(frame);
    model.off("change:x change:y", show);
    model.off("change:text", describe);
    URL.revokeObjectURL(url);
  };
}

export default { render };
