// The confidence lab in the browser: temperature moves the reliability diagram, the threshold moves along the curve of
// accuracy against coverage. The interval comes from the kernel; all else is computed here, as in evaluation/.

// Confidence and cross-entropy of each image at a temperature, from logits (N, C).
export function judge(logits, labels, classes, temperature) {
  const count = labels.length;
  const confidence = new Float64Array(count), right = new Uint8Array(count);
  let nll = 0;
  for (let i = 0; i < count; i += 1) {
    let best = 0;
    for (let c = 1; c < classes; c += 1) if (logits[i * classes + c] > logits[i * classes + best]) best = c;
    let sum = 0;
    const most = logits[i * classes + best];
    for (let c = 0; c < classes; c += 1) sum += Math.exp((logits[i * classes + c] - most) / temperature);
    confidence[i] = 1 / sum;
    right[i] = best === labels[i] ? 1 : 0;
    nll += Math.log(sum) - (logits[i * classes + labels[i]] - most) / temperature;
  }
  return { confidence, right, nll: nll / count };
}

// Mean confidence and accuracy in bins of equal width, and their mean distance; as `calibration`.
export function calibrate({ confidence, right }, bins) {
  const made = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, right: 0 }));
  confidence.forEach((value, i) => {
    const bin = made[Math.min(bins - 1, Math.max(0, Math.ceil(value * bins) - 1))];
    bin.count += 1;
    bin.confidence += value;
    bin.right += right[i];
  });
  const ece = made.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.right), 0) / confidence.length;
  return { bins: made, ece };
}

// Accuracy among the images of at least a confidence, for each threshold that makes a difference; the surest first.
export function coverageCurve({ confidence, right }) {
  const order = Array.from(confidence.keys()).sort((a, b) => confidence[b] - confidence[a]);
  const curve = [];
  let sum = 0;
  order.forEach((i, place) => {
    sum += right[i];
    const last = place + 1 === order.length || confidence[order[place + 1]] < confidence[i];
    if (last) curve.push({ coverage: (place + 1) / order.length, accuracy: sum / (place + 1), kept: place + 1 });
  });
  return curve;
}

export function select({ confidence, right }, threshold) {
  let kept = 0, sum = 0;
  confidence.forEach((value, i) => {
    if (value >= threshold) { kept += 1; sum += right[i]; }
  });
  return { kept, coverage: kept / confidence.length, accuracy: kept ? sum / kept : NaN };
}

const percent = (value, digits = 1) => `${(100 * value).toFixed(digits)} %`;
const BOX = { width: 340, height: 300, left: 44, top: 8, right: 12, bottom: 38 };
const COUNTS = 58; // height of the counts below the reliability diagram

class Confidence {
  constructor(model, el) {
    this.model = model;
    this.facts = model.get("_facts");
    const labels = model.get("_labels");
    this.logits = floats(model.get("_logits"));
    this.labels = new Int32Array(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength).slice().buffer);
    this.build(el);
    this.stops = ["temperature", "threshold", "_interval"].map((name) => {
      const follow = () => this.show();
      model.on(`change:${name}`, follow);
      return () => model.off(`change:${name}`, follow);
    });
    this.show();
  }

  destroy() {
    this.stops.forEach((stop) => stop());
  }

  build(el) {
    const [low, high] = this.facts.range, span = Math.log(high / low);
    this.toPlace = (value) => Math.max(0, Math.min(200, (200 * Math.log(value / low)) / span));
    const at = (place) => Number((low * Math.exp((span * place) / 200)).toPrecision(3));
    this.temperature = slider("temperature", 0, 200, 1, (place) => this.set({ temperature: at(place) }));
    this.threshold = slider("threshold", 0, 1, 0.01, (threshold) => this.set({ threshold }));
    const presets = [["as trained, T = 1", 1], [`fitted here, T = ${plain(this.facts.fitted)}`, this.facts.fitted]];
    this.presets = presets.map(([text, temperature]) => ({
      temperature,
      button: h("button", { type: "button", class: "eu-button", onclick: () => this.set({ temperature }) }, text),
    }));
    this.reliability = s("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height + COUNTS}`, class: "eu-chart", role: "img" });
    this.curve = s("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height + COUNTS}`, class: "eu-chart", role: "img" });
    this.left = h("p", { class: "eu-status" });
    this.right = h("p", { class: "eu-status" });
    this.spoken = h("p", { class: "eu-spoken", "aria-live": "polite" });
    el.append(h(
      "div", { class: "eu-lab eu-confidence" },
      h("div", { class: "eu-row" }, ...this.presets.map((one) => one.button)),
      h("div", { class: "eu-confidence-stage" },
        h("div", {}, this.temperature.box,
          h("div", { class: "eu-title" }, h("b", {}, "Reliability"), " accuracy against confidence"), this.reliability, this.left),
        h("div", {}, this.threshold.box,
          h("div", { class: "eu-title" }, h("b", {}, "Coverage"), " accuracy among the faces it answers for"), this.curve, this.right)),
      this.spoken,
    ));
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
    this.show();
  }

  show() {
    const temperature = this.model.get("temperature"), threshold = this.model.get("threshold");
    if (this.judgedAt !== temperature) {
      this.judgedAt = temperature;
      this.judged = judge(this.logits, this.labels, this.facts.classes, temperature);
      this.calibrated = calibrate(this.judged, this.facts.bins);
      this.points = coverageCurve(this.judged);
    }
    const chosen = select(this.judged, threshold);
    this.temperature.show(this.toPlace(temperature), plain(temperature));
    this.threshold.show(threshold, threshold.toFixed(2));
    for (const { button, temperature: own } of this.presets) button.setAttribute("aria-pressed", String(own === temperature));
    this.drawReliability();
    this.drawCurve(chosen);
    const left = `Calibration error ${percent(this.calibrated.ece)}, cross-entropy ${this.judged.nll.toFixed(3)} nats.`;
    const answers = `Answers for ${chosen.kept.toLocaleString("en")} of ${this.labels.length.toLocaleString("en")} faces (${percent(chosen.coverage)})`;
    const right = chosen.kept
      ? `${answers}; of these ${percent(chosen.accuracy)} right${this.intervalText(temperature, threshold)}.`
      : `${answers}: the threshold is above every confidence.`;
    this.left.textContent = left;
    this.right.textContent = right;
    this.reliability.setAttribute("aria-label", left);
    this.curve.setAttribute("aria-label", right);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.spoken.textContent = `${left} ${right}`; }, 700);
  }

  intervalText(temperature, threshold) {
    const found = this.model.get("_interval");
    const same = found.temperature === temperature && found.threshold === threshold;
    return same ? ` (95 %: ${percent(found.low)} to ${percent(found.high)})` : " (interval: the kernel is asked)";
  }

  frame(xlabel, ylabel, low = 0) {
    const { left, top, right, bottom, width, height } = BOX;
    const x = (value) => left + (width - left - right) * value;
    const y = (value) => top + ((height - top - bottom) * (1 - value)) / (1 - low);
    const parts = [];
    for (let i = 0; i <= 4; i += 1) {
      const value = low + ((1 - low) * i) / 4;
      parts.push(s("path", { d: `M${x(0)} ${y(value)}H${x(1)}`, class: "eu-grid" }));
      parts.push(s("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, String(Math.round(100 * value))));
      parts.push(s("text", { x: x(i / 4), y: height - 20, "text-anchor": "middle" }, String(25 * i)));
    }
    parts.push(s("text", { x: x(1), y: height - 4, "text-anchor": "end" }, xlabel));
    parts.push(s("text", { x: 12, y: y((1 + low) / 2), "text-anchor": "middle", transform: `rotate(-90 12 ${y((1 + low) / 2)})` }, ylabel));
    return { x, y, parts };
  }

  drawReliability() {
    const { x, y, parts } = this.frame("confidence (%)", "correct (%)");
    const { bins } = this.calibrated, most = Math.max(1, ...bins.map((bin) => bin.count));
    parts.push(s("path", { d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}`, class: "eu-diagonal" }));
    const some = bins.filter((bin) => bin.count)
      .map((bin) => ({ count: bin.count, at: x(bin.confidence / bin.count), is: y(bin.right / bin.count), want: y(bin.confidence / bin.count) }));
    for (const { at, is, want } of some) parts.push(s("path", { d: `M${at} ${is}V${want}`, class: "eu-gap" }));
    parts.push(s("polyline", { points: some.map(({ at, is }) => `${at},${is}`).join(" "), class: "eu-line" }));
    for (const { at, is, count } of some)
      parts.push(s("circle", { cx: at, cy: is, r: 2.5 + 4 * Math.sqrt(count / most), class: "eu-dot" }, s("title", {}, `${count} faces`)));
    const floor = BOX.height + COUNTS - 2, wide = x(1 / bins.length) - x(0);
    bins.forEach(({ count }, i) => {
      const tall = ((COUNTS - 18) * count) / most;
      parts.push(s("rect", { x: x(i / bins.length) + 0.5, y: floor - tall, width: wide - 1, height: tall, class: "eu-count" },
        s("title", {}, `${count} faces`)));
      if (count) parts.push(s("text", { x: x((i + 0.5) / bins.length), y: floor - tall - 3, "text-anchor": "middle", class: "eu-tiny" }, String(count)));
    });
    parts.push(s("text", { x: BOX.left - 6, y: floor - 2, "text-anchor": "end", class: "eu-tiny" }, "faces"));
    this.reliability.replaceChildren(...parts);
  }

  drawCurve(chosen) {
    const few = Math.max(1, Math.floor(this.labels.length / 50)); // among fewer faces, chance alone moves the curve
    const shown = this.points.filter((point) => point.kept >= few);
    const lowest = Math.min(...shown.map((point) => point.accuracy), chosen.kept ? chosen.accuracy : 1);
    const low = Math.min(0.8, Math.floor(5 * lowest) / 5); // five ticks at whole percents
    const { x, y, parts } = this.frame("coverage (% of the faces)", "correct (%)", low);
    const step = Math.max(1, Math.floor(shown.length / 400));
    const points = shown.filter((_, i) => i % step === 0 || i === shown.length - 1);
    parts.push(s("polyline", { points: points.map((p) => `${x(p.coverage).toFixed(1)},${y(p.accuracy).toFixed(1)}`).join(" "), class: "eu-line" }));
    if (chosen.kept) {
      const [cx, cy] = [x(chosen.coverage), y(chosen.accuracy)];
      parts.push(s("path", { d: `M${cx} ${y(low)}V${cy}H${x(0)}`, class: "eu-gap" }));
      parts.push(s("circle", { cx, cy, r: 7, class: "eu-mark" }));
    }
    this.curve.replaceChildren(...parts);
  }
}

function render({ model, el }) {
  const lab = new Confidence(model, el);
  return () => lab.destroy();
}

export default { render };
