// An image from PNG bytes, with the text that stands for it where it cannot be seen.

// In Notebook 7 the arrow keys mean something to the notebook, whatever has the focus. Beside a picture they move the slider.
function keepArrowKeys(event) {
  const handle = event.target.closest?.(".vae-studio .noUi-handle, .vae-explorer .noUi-handle");
  if (handle) handle.dataset.lmSuppressShortcuts = "true";
}

function render({ model, el }) {
  const img = document.createElement("img");
  img.draggable = false;
  el.append(img);

  function show() {
    const before = img.src;
    img.src = URL.createObjectURL(new Blob([model.get("value")], { type: "image/png" }));
    if (before) URL.revokeObjectURL(before);
  }
  function describe() {
    img.alt = model.get("alt");
  }

  document.addEventListener("focusin", keepArrowKeys);
  model.on("change:value", show);
  model.on("change:alt", describe);
  show();
  describe();
  return () => {
    document.removeEventListener("focusin", keepArrowKeys);
    model.off("change:value", show);
    model.off("change:alt", describe);
    URL.revokeObjectURL(img.src);
  };
}

export default { render };
