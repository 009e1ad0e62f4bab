// Panels drawn beforehand: a slider's widget shows one of them, and so does the page that holds all of them.

function element(name, className, text) {
  const node = document.createElement(name);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// Where a picture's bytes lie: in the page as base64, from a notebook's kernel as they are.
function address(png) {
  if (typeof png === "string") return `data:image/png;base64,${png}`;
  return URL.createObjectURL(new Blob([png], { type: "image/png" }));
}

// A picture whose pixels are there already: what replaces another one does so without an empty frame.
async function picture(part) {
  const img = new Image();
  img.draggable = false;
  img.alt = part.alt;
  img.setAttribute("src", address(part.png));
  await img.decode().catch(() => {});
  return img;
}

function release(img) {
  if (img?.src.startsWith("blob:")) URL.revokeObjectURL(img.src);
}

// One part: its title, its content, its caption. Only what differs from before is exchanged.
function makeFigure() {
  const node = element("figure", "");
  const title = node.appendChild(element("figcaption", "vae-title"));
  const content = node.appendChild(element("div", "vae-content vae-chart"));
  const caption = node.appendChild(element("p", "vae-beneath"));
  let img = null;
  return {
    node,
    show(part, next) {
      node.className = `vae-part vae-${part.kind}`;
      title.textContent = part.title;
      caption.textContent = part.caption;
      release(img);
      img = next;
      if (img) {
        content.replaceChildren(img);
      } else {
        const chart = element("div", "");
        chart.innerHTML = part.html;
        content.replaceChildren(chart);
      }
    },
    remove() {
      release(img);
      node.remove();
    },
  };
}

// A place for panels: returns what shows one, given its parts and what a screen reader says of it.
function makeView(root) {
  const grid = root.appendChild(element("div", "vae-parts"));
  const live = root.appendChild(element("div", "vae-unseen"));
  live.setAttribute("role", "status");
  let figures = [];
  let asked = 0;
  let shown = 0;
  let saying = 0;

  async function show(parts, text) {
    const turn = ++asked;
    const pictures = await Promise.all(parts.map((part) => part.png && picture(part)));
    if (turn < shown) return pictures.forEach(release); // a later one was faster
    shown = turn;
    while (figures.length > parts.length) figures.pop().remove();
    while (figures.length < parts.length) {
      figures.push(makeFigure());
      grid.append(figures.at(-1).node);
    }
    figures.forEach((figure, k) => figure.show(parts[k], pictures[k]));
    clearTimeout(saying); // while the slider moves, nothing is said
    saying = setTimeout(() => (live.textContent = text), 400);
  }

  function clear() {
    shown = asked = Infinity;
    clearTimeout(saying);
    figures.forEach((figure) => figure.remove());
  }
  return { show, clear };
}

// ---- in a notebook ----

function render({ model, el }) {
  const view = makeView(el);
  const show = () => view.show(model.get("parts"), model.get("text"));
  model.on("change:parts", show);
  show();
  return () => {
    model.off("change:parts", show);
    view.clear();
  };
}

// ---- as a page ----

function startPage(data) {
  const [slider, value, back, on, play, ticks] = ["slider", "value", "back", "on", "play", "ticks"].map((id) =>
    document.getElementById(id),
  );
  const view = makeView(document.getElementById("panel"));
  const last = data.labels.length - 1;
  let index = data.start;
  let playing = 0;

  function go(to) {
    index = Math.min(Math.max(to, 0), last);
    slider.value = index;
    slider.setAttribute("aria-valuetext", `${data.name} = ${data.labels[index]}`);
    value.textContent = data.labels[index];
    back.setAttribute("aria-disabled", index === 0);
    on.setAttribute("aria-disabled", index === last);
    Array.from(ticks.children).forEach((tick, k) => tick.classList.toggle("here", k === index));
    view.show(data.panels[index], data.texts[index]);
  }

  function stop() {
    clearInterval(playing);
    playing = 0;
    play.textContent = "Play";
  }

  function start() {
    if (index === last) go(0);
    play.textContent = "Pause";
    playing = setInterval(() => {
      go(index + 1);
      if (index === last) stop();
    }, data.milliseconds);
  }

  function byHand(to) {
    stop();
    go(to);
  }

  data.labels.forEach((label, k) => {
    const tick = ticks.appendChild(element("span", "", label));
    tick.style.setProperty("--at", last ? k / last : 0.5);
    tick.addEventListener("click", () => byHand(k));
  });
  value.style.minWidth = `${Math.max(...data.labels.map((label) => label.length))}ch`; // the rail stays where it is
  slider.max = last;
  slider.addEventListener("input", () => byHand(Number(slider.value)));
  back.addEventListener("click", () => byHand(index - 1));
  on.addEventListener("click", () => byHand(index + 1));
  play.addEventListener("click", () => (playing ? stop() : start()));
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target === slider || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    byHand(index + step);
  });
  go(index);
}

const data = document.getElementById("vae-panels");
if (data) startPage(JSON.parse(data.textContent));

export default { render };
