// Shared by the widgets of this folder: elements without markup, colours that everybody can tell apart, numbers.

// Build an element; texts become text nodes, so that no name is ever read as markup.
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list" && typeof value !== "string") element[name] = value;
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Blue, white, red: the map RdBu_r of matplotlib and ColorBrewer, as in the series' figures.
const RED_BLUE = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
  [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
];

// Colour of a number: `scale` is {signed, limit}; signed runs from -limit to limit, else from 0 (black) to limit.
function colourOf(value, scale) {
  if (!Number.isFinite(value)) return [128, 128, 128];
  const share = scale.limit > 0 ? value / scale.limit : 0;
  if (!scale.signed) {
    const grey = Math.round(255 * Math.min(1, Math.max(0, share)));
    return [grey, grey, grey];
  }
  const place = (Math.min(1, Math.max(-1, share)) + 1) * 5;
  const low = Math.min(9, Math.floor(place));
  return RED_BLUE[low].map((from, i) => Math.round(from + (place - low) * (RED_BLUE[low + 1][i] - from)));
}

const rgb = (colour) => `rgb(${colour.join(",")})`;
const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#000" : "#fff");

// Short and with a true minus sign; what rounds to zero has no sign.
function number(value, digits = 2) {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

// As a learner would write it: 0.1111, 2, -0.5.
const plain = (value) => String(Number(value.toPrecision(4)));

// A number that a learner typed: 0.5, -1, 1/9, with a comma too; null where it is none.
function parse(text) {
  const parts = text.trim().replace("−", "-").replace(",", ".").split("/");
  const values = parts.map((part) => (part.trim() === "" ? NaN : Number(part)));
  const value = values.length === 1 ? values[0] : values.length === 2 ? values[0] / values[1] : NaN;
  return Number.isFinite(value) ? value : null;
}

// A row of radio buttons that looks like one; arrow keys move between them as everywhere.
let groups = 0;
function segmented(label, options, chosen, choose) {
  const name = `emotion-choice-${(groups += 1)}`;
  const inputs = options.map(([value]) =>
    h("input", { type: "radio", name, value: String(value), onchange: () => choose(value) }),
  );
  const box = h(
    "fieldset", { class: "eu-choice" },
    h("legend", {}, label),
    h("div", { class: "eu-segments" },
      ...options.map(([, text], i) => h("label", {}, inputs[i], h("span", {}, String(text))))),
  );
  const show = (value, allowed = () => true) =>
    options.forEach(([option], i) => {
      inputs[i].checked = option === value;
      inputs[i].disabled = !allowed(option) && option !== value;
    });
  show(chosen);
  return { box, show };
}

// Floats from the kernel: a DataView over little-endian float32, wherever in the buffer they begin.
function floats(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return new Float32Array(bytes.slice().buffer);
}

// Size a canvas for a sharp picture on this screen; returns its context, scaled to CSS pixels, and its width there.
function sharp(canvas, width, height = width) {
  const dots = window.devicePixelRatio || 1;
  const [w, hgt] = [Math.round(width * dots), Math.round(height * dots)];
  if (canvas.width !== w || canvas.height !== hgt) Object.assign(canvas, { width: w, height: hgt });
  const context = canvas.getContext("2d");
  context.setTransform(dots, 0, 0, dots, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Paint numbers (rows × columns) as little squares into a rectangle of a context.
function paintMap(context, values, rows, columns, scale, x, y, width, height) {
  const picture = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i += 1) {
    const [r, g, b] = colourOf(values[i], scale);
    picture.data.set([r, g, b, 255], 4 * i);
  }
  const small = document.createElement("canvas");
  Object.assign(small, { width: columns, height: rows });
  small.getContext("2d").putImageData(picture, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, x, y, width, height);
}
