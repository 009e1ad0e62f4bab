// The schedule composer: a chart on which β is drawn over the epochs, and a button that is pressed once at a time.

function svg(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function html(name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

function listen(model, views) {
  for (const [events, view] of Object.entries(views)) {
    model.on(events, view);
    view();
  }
  return () => {
    for (const [events, view] of Object.entries(views)) model.off(events, view);
  };
}

function renderArea({ model, el }) {
  const [left, right, top, height] = model.get("box");
  const [most, step, epochs] = model.get("limits");
  const n = model.get("values").length;
  let wanted = null; // what the hand has drawn since the last frame of the screen
  let column = 0; // the one that the arrow keys change
  let last = null; // column and β of the drag under way, at its last event

  const plane = html("div", "vae-beta");
  plane.tabIndex = 0;
  plane.dataset.lmSuppressShortcuts = "true"; // the arrow keys change β, not the selected cell
  const label = "β over the epochs: left and right choose the epochs, up and down change β there";
  const roles = { role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": most };
  for (const [key, value] of Object.entries(roles)) plane.setAttribute(key, value);
  const back = html("div", "vae-behind");
  const front = svg("svg", { class: "vae-front", "aria-hidden": "true" });
  const place = { x: `${left}%`, y: top, width: `${right - left}%`, height };
  const plot = svg("svg", { ...place, viewBox: `0 0 ${n} ${most}`, preserveAspectRatio: "none", overflow: "visible" });
  const pick = svg("rect", { class: "vae-pick", width: 1, height: most, y: 0 });
  const fill = svg("path", { class: "vae-beta-fill" });
  const line = svg("path", { class: "vae-beta-line" });
  const sweep = svg("path", { class: "vae-sweep" });
  const readout = svg("text", { x: `${right}%`, y: top - 8, "text-anchor": "end", class: "vae-newest-name" });
  plot.append(pick, fill, line, sweep);
  front.append(plot, readout);
  plane.append(back, front);
  const hint = "Drag, or use ← → and ↑ ↓ (Shift: larger steps).";
  el.append(plane, html("div", "vae-hint", hint));

  const now = () => wanted ?? model.get("values");
  const rounded = (value) => Math.round(Math.min(most, Math.max(0, value)) / step) / Math.round(1 / step);

  function show() {
    const values = now();
    const steps = values.map((value, k) => `${k} ${most - value} H ${k + 1}`).join(" L ");
    line.setAttribute("d", `M ${steps}`);
    fill.setAttribute("d", `M 0 ${most} L ${steps} V ${most} Z`);
    pick.setAttribute("x", column);
    const from = Math.floor((column * epochs) / n) + 1;
    const to = Math.floor(((column + 1) * epochs) / n);
    const text = `epochs ${from}–${to}: β = ${values[column].toFixed(1)}`;
    readout.textContent = text;
    plane.setAttribute("aria-valuenow", values[column]);
    plane.setAttribute("aria-valuetext", text);
  }

  // Many pointer events arrive within one frame of the screen: they are sent together.
  let frame = 0;
  function change(values) {
    wanted = values;
    show();
    frame = frame || requestAnimationFrame(send);
  }
  function send() {
    cancelAnimationFrame(frame);
    frame = 0;
    if (!wanted) return;
    model.set("values", wanted);
    wanted = null;
    model.save_changes();
  }

  function placeOf(event) {
    const box = plane.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - left / 100) / ((right - left) / 100);
    const k = Math.min(n - 1, Math.max(0, Math.floor(share * n)));
    return [k, rounded(most * (1 - (event.clientY - box.top - top) / height))];
  }

  // A fast drag leaves out columns: those between two events lie on a line.
  function drag(event) {
    const [k, value] = placeOf(event);
    const [from, start] = last ?? [k, value];
    const values = [...now()];
    const way = Math.abs(k - from);
    for (let j = 1; j < way; j++) values[from + j * Math.sign(k - from)] = rounded(start + ((value - start) * j) / way);
    values[k] = value;
    column = k;
    last = [k, value];
    change(values);
  }
  plane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    plane.setPointerCapture(event.pointerId);
    plane.focus({ preventScroll: true });
    last = null;
    drag(event);
  });
  plane.addEventListener("pointermove", (event) => {
    if (plane.hasPointerCapture(event.pointerId)) drag(event);
  });
  plane.addEventListener("lostpointercapture", send);

  const sideways = { ArrowLeft: (k) => k - 1, ArrowRight: (k) => k + 1, Home: () => 0, End: () => n - 1 };
  const upward = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
  plane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in sideways) {
      column = Math.min(n - 1, Math.max(0, sideways[event.key](column)));
      show();
    } else if (event.key in upward) {
      const by = upward[event.key] * step * (event.shiftKey ? 5 : 1);
      change(now().map((value, k) => (k === column ? rounded(value + by) : value)));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });

  const stop = listen(model, {
    "change:values": show,
    "change:drawing": () => (back.innerHTML = model.get("drawing")),
    "change:progress": () => {
      const progress = model.get("progress");
      sweep.setAttribute("d", progress ? `M ${progress * n} 0 V ${most}` : "");
    },
  });
  return () => {
    send();
    stop();
  };
}

function renderButton({ model, el }) {
  const button = html("button", "lm-Widget jupyter-widgets jupyter-button widget-button mod-primary", "Train");
  button.type = "button";
  const said = html("div", "vae-said");
  said.setAttribute("role", "status");
  el.append(button, said);
  const busy = () => model.get("pressed") > model.get("done");
  button.addEventListener("click", () => {
    if (busy()) return; // at once, not when Python says so: a double click trains once
    model.set("pressed", model.get("pressed") + 1);
    model.save_changes();
  });
  return listen(model, {
    "change:pressed change:done": () => {
      button.textContent = busy() ? "Training …" : "Train";
      button.setAttribute("aria-disabled", busy());
    },
    "change:said": () => (said.textContent = model.get("said")),
  });
}

export default {
  render: (context) => (context.model.get("kind") === "button" ? renderButton : renderArea)(context),
};
