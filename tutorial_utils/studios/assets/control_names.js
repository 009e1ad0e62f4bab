// What a screen reader needs to know of sliders and of buttons that stay pressed: ipywidgets does not tell it.

function put(node, name, value) {
  if (node && value !== undefined && node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// A slider's handle gets the slider's label and the number beside it; buttons get their state, their group its name.
function nameControls(root) {
  const exact = root.querySelectorAll(".vae-values p");
  root.querySelectorAll(".vae-sliders .noUi-handle").forEach((handle, k) => put(handle, "aria-valuetext", exact[k]?.textContent));
  for (const control of root.querySelectorAll(".widget-slider, .widget-toggle-buttons")) {
    const label = control.querySelector(".widget-label")?.textContent;
    if (control.classList.contains("widget-slider")) {
      const handle = control.querySelector(".noUi-handle");
      put(handle, "aria-label", label);
      if (!control.closest(".vae-sliders")) put(handle, "aria-valuetext", control.querySelector(".widget-readout")?.textContent);
    } else {
      put(control, "role", "group");
      put(control, "aria-label", label);
      for (const button of control.querySelectorAll("button")) put(button, "aria-pressed", `${button.classList.contains("mod-active")}`);
    }
  }
}

function render({ el }) {
  let root = null;
  let frame = 0;
  const observer = new MutationObserver(() => nameControls(root));

  function start() {
    root = el.closest(".vae-explorer");
    if (!root) return void (frame = requestAnimationFrame(start)); // not on the page yet
    observer.observe(root, { subtree: true, childList: true, characterData: true, attributeFilter: ["class", "aria-valuetext"] });
    nameControls(root);
  }

  el.style.display = "none";
  start();
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
  };
}

export default { render };
