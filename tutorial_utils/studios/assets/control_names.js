// Accessible names and states of the controls of a studio, which ipywidgets leaves out, for screen readers.

function put(node, name, value) {
  if (node && value && node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// Arrow keys move between cells, whatever has the focus. In these controls, each itself, they choose a value.
const MOVED_BY_ARROWS = ".noUi-handle, .widget-radio input, .widget-dropdown select";

// The handle has the slider's label as its name, and the number beside the slider as its value.
function nameSlider(slider) {
  const handle = slider.querySelector(".noUi-handle");
  put(handle, "aria-label", slider.querySelector(".widget-label")?.textContent);
  if (!slider.closest(".vae-sliders")) put(handle, "aria-valuetext", slider.querySelector(".widget-readout")?.textContent);
}

// A group of buttons has its label as its name; buttons that stay pressed have that state.
function nameGroup(group) {
  put(group, "role", group.classList.contains("widget-radio") ? "radiogroup" : "group");
  put(group, "aria-label", group.querySelector(".widget-label")?.textContent);
  for (const button of group.querySelectorAll(".widget-toggle-button"))
    put(button, "aria-pressed", `${button.classList.contains("mod-active")}`);
}

// Radio buttons of one name are one stop of the Tab key, and arrow keys choose among them.  Another studio on the page
// must not have that name: it runs this script by itself, so a counter would not do.
function joinRadios(group) {
  group.dataset.radios ||= `vae-radios-${Math.random()}`;
  for (const input of group.querySelectorAll("input")) put(input, "name", group.dataset.radios);
}

// A studio may have two image choosers: each has its own word for the class.
function nameChooser(chooser) {
  const word = chooser.querySelector(".widget-dropdown .widget-label")?.textContent;
  if (!word) return;
  const button = chooser.querySelector(".widget-button");
  put(button, "aria-label", button && `${button.textContent.trim()} (${word})`);
  put(chooser.querySelector(".widget-text input"), "aria-label", `index (${word})`);
}

// The buttons that play a slider show an icon only.
const ICONS = { "fa-play": "Play", "fa-pause": "Pause", "fa-stop": "Stop", "fa-retweet": "Repeat" };

function namePlay(button) {
  const icon = Object.keys(ICONS).find((icon) => button.querySelector(`.${icon}`));
  put(button, "aria-label", ICONS[icon]);
}

function nameControls(root) {
  const exact = root.querySelectorAll(".vae-values p"); // the code, with more digits than its sliders have
  root.querySelectorAll(".vae-sliders .noUi-handle").forEach((handle, k) => put(handle, "aria-valuetext", exact[k]?.textContent));
  root.querySelectorAll(".widget-slider").forEach(nameSlider);
  root.querySelectorAll(".widget-radio, .widget-toggle-buttons").forEach(nameGroup);
  root.querySelectorAll(".widget-radio").forEach(joinRadios);
  root.querySelectorAll(".vae-end").forEach(nameChooser);
  root.querySelectorAll(".widget-play button").forEach(namePlay);
  for (const control of root.querySelectorAll(MOVED_BY_ARROWS)) control.dataset.lmSuppressShortcuts = "true";
}

function render({ el }) {
  let root = null;
  let frame = 0;
  const observer = new MutationObserver(() => nameControls(root));

  function start() {
    root = el.closest(".vae-root");
    if (!root) return void (frame = requestAnimationFrame(start)); // not on the page yet
    observer.observe(root, { subtree: true, childList: true, characterData: true, attributeFilter: ["class", "aria-valuetext"] });
    nameControls(root);
  }

  start();
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
  };
}

export default { render };
