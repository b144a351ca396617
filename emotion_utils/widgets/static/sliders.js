// Shared by the labs with sliders: elements of SVG, and a slider with its name and number.

const SVG = "http://www.w3.org/2000/svg";
function s(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function slider(name, min, max, step, choose) {
  const input = h("input", { type: "range", min: String(min), max: String(max), step: String(step), "aria-label": name });
  input.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab would take the arrow keys
  const output = h("output", {});
  input.addEventListener("input", () => choose(Number(input.value)));
  const show = (place, text) => {
    input.value = String(place);
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  return { box: h("label", { class: "eu-slider" }, h("span", {}, name), input, output), show };
}
