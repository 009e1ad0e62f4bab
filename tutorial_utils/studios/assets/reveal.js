// HTML that comes later: a screen reader reads it out, and whoever asked for it has it in focus.

function render({ model, el }) {
  const text = el.appendChild(document.createElement("div"));
  text.className = "vae-revealed";
  text.tabIndex = -1;
  text.setAttribute("role", "status");
  text.setAttribute("aria-live", "polite");

  function show() {
    text.innerHTML = model.get("html");
  }
  // The answer may come late, from a busy kernel: then the focus stays where the learner has gone.
  function reveal() {
    const at = document.activeElement;
    show();
    if (at === document.body || el.closest(".vae-root")?.contains(at)) text.focus();
  }

  model.on("change:html", reveal);
  show();
  return () => model.off("change:html", reveal);
}

export default { render };
