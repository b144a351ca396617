// The descent lab in the browser: two sliders, the path on the map of a valley, the loss beside it. The arithmetic is
// that of emotion_utils/widgets/descent.py; a test holds the two equal.

const VALLEYS = {
  "long valley": {
    loss: (x, y) => 0.5 * (x * x + 20 * y * y),
    slope: (x, y) => [x, 20 * y],
  },
  plateau: {
    loss: (x, y) => (8 * x * x) / (1 + x * x) + 5 * y * y,
    slope: (x, y) => [(16 * x) / ((1 + x * x) * (1 + x * x)), 10 * y],
  },
};

// Walk down as torch.optim.SGD does: velocity = momentum × velocity + gradient; weights −= rate × velocity.
export function path(valley, start, rate, momentum, steps, limits) {
  const { loss, slope } = VALLEYS[valley];
  let [x, y] = start;
  let velocity = null;
  const weights = [], losses = [];
  for (let step = 0; step <= steps; step += 1) {
    weights.push([x, y]);
    losses.push(loss(x, y));
    if (step === steps || !(losses[step] <= limits.runaway * losses[0])) break;
    const gradient = slope(x, y);
    velocity = velocity === null ? gradient : velocity.map((v, i) => momentum * v + gradient[i]);
    x -= rate * velocity[0];
    y -= rate * velocity[1];
  }
  return { weights, losses, ...outcomeOf(losses, momentum, limits) };
}

function outcomeOf(losses, momentum, limits) {
  const last = losses.length - 1;
  if (!(losses[last] <= 2 * losses[0])) return { outcome: "runs away", step: last };
  const above = losses.findLastIndex((loss) => loss > limits.enough * losses[0]);
  if (above + limits.for_long <= last) return { outcome: "arrives", step: above + 1 };
  return { outcome: momentum === 1 ? "never settles" : "is still on its way", step: last };
}

const short = (value) => String(Number(value.toPrecision(3)));
const share = (value) => `${Math.round(100 * value)} %`;

function sentence(found, rate, momentum) {
  const last = found.losses.length - 1, factor = found.losses[last] / found.losses[0];
  const ends = {
    arrives: `arrives: from step ${found.step} on, the loss stays under 1 % of the first`,
    "is still on its way": `is still on its way: after ${last} steps the loss is ${share(factor)} of the first`,
    "runs away": `runs away: at step ${last} the loss is ${short(factor)} times the first, and no step brings it back`,
    "never settles": `never settles: nothing brakes, and after ${last} steps the loss is ${share(factor)} of the first`,
  };
  return `Rate ${short(rate)}, momentum ${momentum.toFixed(2)}: the path ${ends[found.outcome]}.`;
}

const raised = (power) => [...String(power)].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("");
const MAP = { width: 480, height: 260 }; // in units of the drawing
const PLOT = { width: 300, height: 260, left: 40, top: 12, right: 14, bottom: 34 };
const PATH = "#D55E00";

class Descent {
  constructor(model, el) {
    this.model = model;
    this.facts = model.get("_facts");
    this.build(el);
    this.stops = ["valley", "learning_rate", "momentum", "steps"].map((name) => {
      const follow = () => this.show();
      model.on(`change:${name}`, follow);
      return () => model.off(`change:${name}`, follow);
    });
    this.watch = new ResizeObserver(() => this.shade());
    this.watch.observe(this.canvas);
    this.show();
  }

  destroy() {
    this.stops.forEach((stop) => stop());
    this.watch.disconnect();
  }

  build(el) {
    const { rates } = this.facts;
    this.rate = slider("learning rate", 0, 300, 1, (value) => this.set({ learning_rate: this.rateAt(value) }));
    this.momentum = slider("momentum", 0, 1, 0.01, (value) => this.set({ momentum: value }));
    this.toPlace = (rate) => (300 * Math.log(rate / rates[0])) / Math.log(rates[1] / rates[0]);
    this.rateAt = (place) => Number((rates[0] * (rates[1] / rates[0]) ** (place / 300)).toPrecision(3));
    this.valleys = segmented(
      "loss", Object.keys(VALLEYS).map((name) => [name, name]), this.model.get("valley"),
      (valley) => this.set({ valley }),
    );
    this.presets = Object.entries(this.facts.presets).map(([name, preset]) => {
      const button = h("button", { type: "button", class: "eu-button", onclick: () => this.set(preset) }, name);
      return { button, preset };
    });
    this.canvas = h("canvas", { class: "eu-descent-shade", "aria-hidden": "true" });
    this.over = s("svg", { viewBox: `0 0 ${MAP.width} ${MAP.height}`, class: "eu-descent-over", role: "img" });
    this.plot = s("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, class: "eu-descent-plot", role: "img" });
    this.status = h("p", { class: "eu-status", "aria-live": "polite" });
    el.append(h(
      "div", { class: "eu-lab eu-descent" },
      h("div", { class: "eu-row" }, this.valleys.box),
      h("div", { class: "eu-row" }, ...this.presets.map((one) => one.button)),
      h("div", { class: "eu-row eu-sliders" }, this.rate.box, this.momentum.box),
      h("div", { class: "eu-descent-stage" },
        h("div", {},
          h("div", { class: "eu-title" }, h("b", {}, "The path"), " from the dot at the left to the cross"),
          h("div", { class: "eu-descent-map" }, this.canvas, this.over)),
        h("div", {}, h("div", { class: "eu-title" }, h("b", {}, "The loss"), " after each step, as a multiple of the first"), this.plot)),
      this.status,
    ));
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
    this.show();
  }

  show() {
    const get = (name) => this.model.get(name);
    const [valley, rate, momentum, steps] = ["valley", "learning_rate", "momentum", "steps"].map(get);
    const place = this.facts.valleys[valley];
    const found = path(valley, place.start, rate, momentum, steps, this.facts.limits);
    this.rate.show(this.toPlace(rate), short(rate));
    this.momentum.show(momentum, momentum.toFixed(2));
    this.valleys.show(valley);
    for (const { button, preset } of this.presets) {
      const same = Object.entries(preset).every(([name, value]) => get(name) === value);
      button.setAttribute("aria-pressed", String(same));
    }
    this.drawPath(found, place);
    this.drawLosses(found);
    const told = sentence(found, rate, momentum);
    this.status.textContent = told;
    this.over.setAttribute("aria-label", told);
    this.plot.setAttribute("aria-label", told);
    if (this.shaded !== valley) this.shade();
  }

  drawPath(found, place) {
    const at = ([x, y]) => [
      (MAP.width * (x / place.width + 1)) / 2, (MAP.height * (1 - y / place.height)) / 2,
    ];
    // Far outside, a place keeps its direction: the line leaves the map where the path does.
    const bounded = found.weights.map((w) => at(w).map((value) => Math.max(-1e4, Math.min(1e4, value))));
    const inside = ([x, y]) => x >= 0 && x <= MAP.width && y >= 0 && y <= MAP.height;
    const out = bounded.findIndex((point) => !inside(point));
    const [cx, cy] = at([0, 0]);
    const parts = [
      s("polyline", { points: bounded.map((p) => p.join(",")).join(" "), fill: "none", stroke: PATH, "stroke-width": 2 }),
      ...bounded.filter(inside).map(([x, y], i) => s("circle", { cx: x, cy: y, r: i ? 3 : 6, fill: PATH })),
      s("path", { d: `M${cx - 7} ${cy}h14M${cx} ${cy - 7}v14`, stroke: "currentColor", "stroke-width": 2 }),
    ];
    if (out >= 0) {
      const text = `leaves the map at step ${out}`;
      parts.push(s("text", { x: MAP.width - 10, y: 22, "text-anchor": "end", class: "eu-descent-note" }, text));
    }
    this.over.replaceChildren(...parts);
  }

  drawLosses(found) {
    const first = found.losses[0], floor = 1e-4;
    const shares = found.losses.map((loss) => Math.max(floor, loss / first));
    const top = 10 ** Math.max(0.35, Math.ceil(Math.log10(Math.max(...shares)) - 1e-9));
    const steps = this.model.get("steps");
    const { left, top: above, right, bottom, width, height } = PLOT;
    const x = (step) => left + ((width - left - right) * step) / steps;
    const y = (value) => above + ((height - above - bottom) * Math.log(top / value)) / Math.log(top / floor);
    const parts = [];
    const tens = Math.max(1, Math.ceil(Math.log10(top / floor) / 6));
    for (let power = -4; 10 ** power <= top; power += tens) {
      const value = 10 ** power, text = power === -4 ? "≤ 10⁻⁴" : Math.abs(power) < 3 ? String(value) : `10${raised(power)}`;
      parts.push(s("path", { d: `M${left} ${y(value)}H${width - right}`, class: "eu-descent-grid" }));
      parts.push(s("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, text));
    }
    for (const step of [0, steps / 2, steps].map(Math.round))
      parts.push(s("text", { x: x(step), y: height - 16, "text-anchor": "middle" }, String(step)));
    parts.push(s("text", { x: width - right, y: height - 2, "text-anchor": "end" }, "step"));
    const points = shares.map((value, step) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    parts.push(s("polyline", { points, fill: "none", stroke: PATH, "stroke-width": 2 }));
    this.plot.replaceChildren(...parts);
  }

  // The valley from above: bands of equal loss, darker where it is higher; the bands halve towards the minimum.
  shade() {
    const valley = this.model.get("valley"), place = this.facts.valleys[valley];
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round((width * MAP.height) / MAP.width));
    Object.assign(this.canvas, { width, height });
    this.shaded = valley;
    const context = this.canvas.getContext("2d"), image = context.createImageData(width, height);
    const most = VALLEYS[valley].loss(place.width, place.height);
    for (let i = 0; i < height; i += 1)
      for (let j = 0; j < width; j += 1) {
        const loss = VALLEYS[valley].loss(
          place.width * ((2 * (j + 0.5)) / width - 1), place.height * (1 - (2 * (i + 0.5)) / height),
        );
        const band = Math.floor(2 * Math.log2(most / Math.max(loss, 1e-9)));
        const alpha = Math.max(6, 128 - 9 * band);
        image.data.set([0, 114, 178, alpha], 4 * (i * width + j));
      }
    context.putImageData(image, 0, 0);
  }
}

function render({ model, el }) {
  const lab = new Descent(model, el);
  return () => lab.destroy();
}

export default { render };
