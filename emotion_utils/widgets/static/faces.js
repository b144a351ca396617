// Shared by the crop lab and the camera: a square that may be turned, the bars of a network, the crop it gets.

const SQUARE = "#D55E00";
const PATIENCE = 4000; // milliseconds without an answer, after which a lab says so
const BUSY = "The kernel does not answer. Is another cell running? If the kernel was restarted, run this cell again.";

// Corners of a square [x of the centre, y, side, degrees clockwise], and the handle that turns it, above its upper edge.
function corners([x, y, side, degrees]) {
  const turn = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const at = (a, b) => [x + (side / 2) * (a * cos - b * sin), y + (side / 2) * (a * sin + b * cos)];
  return { points: [at(-1, -1), at(1, -1), at(1, 1), at(-1, 1)], top: at(0, -1), at };
}

// Draw the outline of a square, in the pixels of a context; dashed where it stands in for a face that was not found.
function outline(context, square, { dashed = false, dimmed = false } = {}) {
  const { points } = corners(square);
  context.save();
  context.setLineDash(dashed ? [7, 5] : []);
  for (const [colour, width] of [["rgba(0,0,0,0.55)", 5], [dimmed ? "#bbbbbb" : SQUARE, 2.5]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.stroke();
  }
  context.restore();
}

// Bytes that came from the kernel, wherever in their buffer they begin.
const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();

// Paint grey levels, size × size, onto a canvas of that many pixels.
function paintGrey(canvas, levels, size) {
  const picture = new ImageData(size, size);
  for (let i = 0; i < size * size; i += 1) picture.data.set([levels[i], levels[i], levels[i], 255], 4 * i);
  Object.assign(canvas, { width: size, height: size });
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// A bar and a number for each class; the rows stay, their widths follow.
class Bars {
  constructor() {
    this.box = h("div", { class: "eu-bars", role: "group", "aria-label": "probabilities" });
    this.rows = [];
  }

  show(classes, probabilities, silent) {
    if (this.key !== classes.join("\n")) {
      this.key = classes.join("\n");
      this.rows = classes.map((name) => {
        const [fill, value] = [h("i", {}), h("span", { class: "eu-share" }, "")];
        const row = h("div", { class: "eu-bars-row" }, h("span", { class: "eu-name", title: name }, name), h("b", {}, fill), value);
        return { row, fill, value };
      });
      this.box.replaceChildren(...this.rows.map(({ row }) => row));
    }
    const best = Math.max(...probabilities);
    this.rows.forEach(({ row, fill, value }, i) => {
      row.classList.toggle("eu-best", probabilities[i] === best && !silent);
      fill.style.width = `${(100 * probabilities[i]).toFixed(1)}%`;
      value.textContent = probabilities[i].toFixed(2);
    });
    this.box.classList.toggle("eu-silent", silent);
  }
}

// What the network says, in words: the label, or why it should not be heard.
function verdict(classes, probabilities, reasons) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  const said = `${classes[best]}, ${Math.round(100 * probabilities[best])} %`;
  return reasons.length ? `No answer: ${reasons.join(", ")} (most probable: ${said}).` : `${said}.`;
}
