// An image from PNG bytes, with the text that stands for it where it cannot be seen.

function render({ model, el }) {
  const img = document.createElement("img");
  img.draggable = false;
  img.style.maxHeight = "100%"; // all of an image that is not square is in the square frame
  img.style.objectFit = "contain";
  el.append(img);

  function show() {
    const before = img.src;
    img.src = URL.createObjectURL(new Blob([model.get("value")], { type: "image/png" }));
    if (before) URL.revokeObjectURL(before);
  }
  function describe() {
    img.alt = model.get("alt");
  }

  model.on("change:value", show);
  model.on("change:alt", describe);
  show();
  describe();
  return () => {
    model.off("change:value", show);
    model.off("change:alt", describe);
    URL.revokeObjectURL(img.src);
  };
}

export default { render };
