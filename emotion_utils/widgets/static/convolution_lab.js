// The convolution lab in the browser: arithmetic, drawing, mouse, touch and keys. Python keeps the settings.

const ZOOMS = [[0, "whole"], [24, "closer"], [10, "numbers"]]; // pixels of the image that are seen in a row
const SPEEDS = [[4, "slow"], [40, "middle"], [600, "fast"]]; // places of the window in a second
const KINDS = { convolution: "Convolution", max: "Max pooling", average: "Average pooling" };
const SWEEP = 500; // milliseconds in which a new kernel's map appears
const WINDOW = "#D55E00";

// Size of the window, and of the feature map that it fills.
function geometry(image, s) {
  const side = s.mode === "convolution" ? s.kernel.length : s.pool_size;
  const reach = s.dilation * (side - 1) + 1;
  const out = (size) => Math.floor((size + 2 * s.padding - reach) / s.stride) + 1;
  return { side, reach, height: out(image.height), width: out(image.width) };
}

// The numbers under the window at one place of the map: k × k, null where it lies on the padding.
function windowAt(image, s, side, row, column) {
  const pixels = [];
  for (let i = 0; i < side; i += 1)
    for (let j = 0; j < side; j += 1) {
      const y = row * s.stride - s.padding + i * s.dilation;
      const x = column * s.stride - s.padding + j * s.dilation;
      const inside = y >= 0 && y < image.height && x >= 0 && x < image.width;
      pixels.push(inside ? image.values[y * image.width + x] : null);
    }
  return pixels;
}

// One step: products (or pixels), their sum, and the result that goes into the map.
function stepAt(image, s, side, row, column) {
  const pixels = windowAt(image, s, side, row, column);
  if (s.mode === "convolution") {
    const products = pixels.map((pixel, i) => (pixel ?? 0) * s.kernel[Math.floor(i / side)][i % side]);
    const sum = products.reduce((total, product) => total + product, 0);
    const result = sum + s.bias;
    return { pixels, products, sum, before: result, result: s.relu ? Math.max(0, result) : result };
  }
  if (s.mode === "average") {
    const sum = pixels.reduce((total, pixel) => total + (pixel ?? 0), 0);
    return { pixels, products: pixels, sum, before: sum, result: sum / pixels.length };
  }
  const result = Math.max(...pixels.filter((pixel) => pixel !== null));
  return { pixels, products: pixels, sum: result, before: result, result };
}

// The whole feature map.
function slide(image, s) {
  const { side, height, width } = geometry(image, s);
  const values = new Float32Array(height * width);
  for (let row = 0; row < height; row += 1)
    for (let column = 0; column < width; column += 1)
      values[row * width + column] = stepAt(image, s, side, row, column).result;
  return { height, width, values };
}

class Lab {
  constructor(model, el) {
    this.model = model;
    this.zoom = 0;
    this.speed = 40;
    this.playing = false;
    this.pending = {};
    this.timers = {};
    this.build(el);
    this.read();
    const [row, column] = this.position;
    this.filled.fill(1, 0, row * this.map.width + column + 1);
    this.listen(el);
    this.showAll();
  }

  // ---- settings, from Python and back ------------------------------------------------------------------------

  read() {
    const sent = this.model.get("image");
    if (sent !== this.sent) this.image = { height: sent.height, width: sent.width, values: floats(sent.values) };
    this.sent = sent;
    const names = ["kernel", "bias", "relu", "stride", "padding", "dilation", "mode", "pool_size"];
    this.s = Object.fromEntries(names.map((name) => [name, this.model.get(name)]));
    this.compute();
    if (!this.playing) this.position = this.inside(this.model.get("position"));
  }

  compute() {
    const before = this.map;
    this.map = slide(this.image, this.s);
    this.size = geometry(this.image, this.s);
    const same = before && before.height === this.map.height && before.width === this.map.width;
    if (!same) {
      const whole = this.filled && this.filled.every(Boolean);
      this.filled = new Uint8Array(this.map.values.length).fill(whole ? 1 : 0);
    }
    if (this.position) this.position = this.inside(this.position);
    const top = this.map.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const signed = this.map.values.some((value) => value < 0) || (this.s.mode === "convolution" && this.hasNegative());
    this.scale = { signed, limit: top };
    this.el.featureMap = this.map;
  }

  hasNegative() {
    return this.s.bias < 0 || this.s.kernel.flat().some((weight) => weight < 0);
  }

  inside([row, column]) {
    const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
    return [clamp(row, this.map.height), clamp(column, this.map.width)];
  }

  change(settings) {
    this.s = { ...this.s, ...settings };
    this.compute();
    this.pending = { ...this.pending, ...settings, position: this.position };
    this.sync(0);
    this.showAll();
  }

  // Tell Python, not more often than every so many milliseconds; the browser does not wait for it.
  sync(wait) {
    clearTimeout(this.timers.sync);
    this.timers.sync = setTimeout(() => {
      for (const [name, value] of Object.entries(this.pending)) this.model.set(name, value);
      this.pending = {};
      this.model.save_changes();
      this.catchUp();
    }, wait);
  }

  // Take over what Python has set while the hand was at work.
  catchUp() {
    if (!this.missed) return;
    this.missed = false;
    this.read();
    this.showAll();
  }

  moveTo(row, column, fill = true) {
    this.position = this.inside([row, column]);
    if (fill) this.filled[this.position[0] * this.map.width + this.position[1]] = 1;
    this.pending.position = this.position;
    if (!this.playing) this.sync(150);
    this.showStep();
  }

  // ---- elements ----------------------------------------------------------------------------------------------

  build(el) {
    this.el = h("div", { class: "eu-lab", role: "group", "aria-label": "Convolution lab" });
    this.el.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab would take the arrow keys
    this.modes = segmented("operation", Object.entries(KINDS), "convolution", (mode) => this.chooseMode(mode));
    this.sizes = segmented("window", [[2, "2 × 2"], [3, "3 × 3"], [4, "4 × 4"], [5, "5 × 5"]], 3, (n) => this.chooseSize(n));
    this.strides = segmented("stride", [1, 2, 3, 4].map((n) => [n, n]), 1, (stride) => this.change({ stride }));
    this.paddings = segmented("padding", [0, 1, 2, 3, 4].map((n) => [n, n]), 0, (padding) => this.change({ padding }));
    this.dilations = segmented("dilation", [1, 2, 3].map((n) => [n, n]), 1, (dilation) => this.change({ dilation }));
    this.presets = h("div", { class: "eu-presets", role: "group", "aria-label": "kernels" });
    this.face = h("canvas", { class: "eu-canvas eu-face", tabindex: "0", role: "application" });
    this.out = h("canvas", { class: "eu-canvas eu-map", role: "img" });
    this.faceTitle = h("div", { class: "eu-title" });
    this.mapTitle = h("div", { class: "eu-title" });
    this.bar = h("div", { class: "eu-bar", "aria-hidden": "true" });
    this.zooms = segmented("zoom", ZOOMS, 0, (zoom) => this.setZoom(zoom));
    this.math = h("div", { class: "eu-math" });
    this.status = h("p", { class: "eu-status" });
    this.spoken = h("p", { class: "eu-spoken", role: "status", "aria-live": "polite" });
    this.buildPlayer();
    this.el.append(
      h("div", { class: "eu-row" }, this.modes.box, this.sizes.box, this.strides.box, this.paddings.box, this.dilations.box),
      this.presets,
      h("div", { class: "eu-stage" },
        h("div", { class: "eu-pane" }, this.faceTitle, this.face, h("div", { class: "eu-below" }, this.zooms.box)),
        this.math,
        h("div", { class: "eu-pane" }, this.mapTitle, this.out, this.bar)),
      this.player, this.status, this.spoken,
    );
    el.append(this.el);
  }

  buildPlayer() {
    const button = (text, title, act) => h("button", { type: "button", class: "eu-button", title, onclick: act }, text);
    this.play = button("▶ Play", "let the window move by itself", () => (this.playing ? this.stop() : this.start()));
    this.speeds = segmented("speed", SPEEDS, 40, (speed) => (this.speed = speed));
    this.player = h(
      "div", { class: "eu-row eu-player" },
      this.play,
      button("Step", "move the window to the next place", () => (this.stop(), this.advance(1))),
      button("Fill the map", "compute all places at once", () => (this.stop(), this.sweep())),
      button("Empty it", "begin again at the top left", () => this.empty()),
      this.speeds.box,
    );
  }

  showAll() {
    const { s, size } = this;
    const pools = s.mode !== "convolution";
    this.modes.show(s.mode);
    this.sizes.show(size.side, (side) => this.fits({ ...(pools ? { pool_size: side } : { kernel: Array(side) }) }) && (pools || side % 2 === 1));
    this.strides.show(s.stride);
    this.paddings.show(s.padding, (padding) => this.fits({ padding }));
    this.dilations.show(s.dilation, (dilation) => (s.mode !== "average" || dilation === 1) && this.fits({ dilation }));
    this.presets.hidden = pools;
    if (!pools) this.showPresets();
    this.buildMath();
    this.faceTitle.replaceChildren(
      h("b", {}, "image"), ` ${this.image.height} × ${this.image.width}`,
      s.padding ? `, ${s.padding} ring${s.padding > 1 ? "s" : ""} of zeros` : "");
    this.mapTitle.replaceChildren(h("b", {}, "feature map"), ` ${this.map.height} × ${this.map.width}`);
    this.bar.className = `eu-bar ${this.scale.signed ? "eu-signed" : "eu-grey"}`;
    const { signed, limit } = this.scale;
    this.bar.replaceChildren(
      h("span", {}, number(signed ? -limit : 0)), h("i", {}), h("span", {}, number(limit)));
    this.showStep();
  }

  fits(settings) {
    const s = { ...this.s, ...settings };
    const { side, reach } = geometry(this.image, s);
    const room = s.mode === "convolution" || s.padding <= Math.floor(side / 2);
    return room && reach <= Math.min(this.image.height, this.image.width) + 2 * s.padding;
  }

  showPresets() {
    const offered = Object.entries(this.model.get("_presets")[String(this.s.kernel.length)]);
    const same = (a, b) => a.flat().every((weight, i) => Math.abs(weight - b.flat()[i]) < 1e-6);
    const current = offered.find(([, kernel]) => same(kernel, this.s.kernel))?.[0] ?? "your own";
    if (current === "your own") this.own = { ...this.own, [this.s.kernel.length]: this.s.kernel };
    const choices = [...offered, ["your own", this.own?.[this.s.kernel.length] ?? null]];
    const key = choices.map(([name]) => name).join();
    if (this.presetKey !== key) {
      this.presetButtons = choices.map(([name]) =>
        h("button", { type: "button", class: "eu-button", onclick: () => this.choosePreset(name) }, name));
      this.presets.replaceChildren(...this.presetButtons);
      this.presetKey = key;
    }
    this.presetButtons.forEach((button, i) => button.setAttribute("aria-pressed", String(choices[i][0] === current)));
  }

  choosePreset(name) {
    const size = this.s.kernel.length;
    const kernel = name === "your own"
      ? this.own?.[size] ?? this.s.kernel
      : this.model.get("_presets")[String(size)][name];
    if (name === "your own") this.own = { ...this.own, [size]: kernel };
    this.change({ kernel });
    this.sweep();
    if (name === "your own") this.weights[0]?.focus();
  }

  chooseMode(mode) {
    this.kept = { ...this.kept, [this.s.mode]: { stride: this.s.stride, padding: this.s.padding, dilation: this.s.dilation } };
    const usual = mode === "convolution" ? { stride: 1 } : { stride: this.s.pool_size };
    const settings = { padding: 0, dilation: 1, ...usual, ...this.kept[mode], mode };
    this.change(this.fits(settings) ? settings : { padding: 0, dilation: 1, stride: 1, mode });
    this.sweep();
  }

  chooseSize(side) {
    if (this.s.mode !== "convolution") return this.change({ pool_size: side, stride: side, padding: Math.min(this.s.padding, side >> 1) });
    const named = Object.entries(this.model.get("_presets")[String(this.s.kernel.length)]);
    const pressed = this.presetButtons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
    const name = named[pressed]?.[0];
    const kernel = name ? this.model.get("_presets")[String(side)][name] : this.resized(this.s.kernel, side);
    return this.change({ kernel });
  }

  // Your own weights stay in the middle of a larger window; a smaller one keeps the middle.
  resized(kernel, side) {
    const shift = (side - kernel.length) / 2;
    return Array.from({ length: side }, (_, i) => Array.from({ length: side }, (_, j) => kernel[i - shift]?.[j - shift] ?? 0));
  }

  // ---- the sum in numbers ------------------------------------------------------------------------------------

  buildMath() {
    const { side } = this.size;
    const key = `${this.s.mode} ${side}`;
    if (this.mathKey !== key) {
      this.mathKey = key;
      const cells = () => Array.from({ length: side * side }, () => h("span", {}));
      const table = (label, items) =>
        h("div", { class: "eu-table" }, h("div", { class: "eu-title" }, label),
          h("div", { class: "eu-cells", style: `--side:${side}` }, ...items));
      this.pixelCells = cells();
      this.productCells = cells();
      this.weights = [];
      if (this.s.mode === "convolution") {
        this.weights = Array.from({ length: side * side }, (_, i) => this.weightInput(i, side));
        this.math.replaceChildren(
          table("pixels", this.pixelCells), h("div", { class: "eu-sign", "aria-hidden": "true" }, "×"),
          table("weights: yours to change", this.weights), h("div", { class: "eu-sign", "aria-hidden": "true" }, "="),
          table("products", this.productCells), this.sumLine());
      } else {
        const name = this.s.mode === "max" ? "the largest pixel goes into the map" : "the mean goes into the map";
        this.math.replaceChildren(table("pixels in the window", this.pixelCells), this.sumLine(name));
      }
      this.el.dataset.side = side;
    }
    this.weights.forEach((input, i) => {
      const weight = this.s.kernel[Math.floor(i / side)][i % side];
      if (document.activeElement !== input) input.value = plain(weight).replace("-", "−");
      const colour = colourOf(weight, { signed: true, limit: 1.6 * Math.max(...this.s.kernel.flat().map(Math.abs), 1e-9) });
      Object.assign(input.style, { background: rgb(colour), color: inkOn(colour) });
      input.setAttribute("aria-valuenow", String(weight));
      input.removeAttribute("aria-invalid");
    });
    if (this.biasInput && document.activeElement !== this.biasInput) this.biasInput.value = plain(this.s.bias).replace("-", "−");
    if (this.reluInput) this.reluInput.checked = this.s.relu;
  }

  sumLine(name) {
    this.sumText = h("output", {});
    this.resultText = h("output", { class: "eu-result" });
    if (name) {
      this.biasInput = this.reluInput = null;
      return h("div", { class: "eu-sum" }, h("div", {}, name), h("div", {}, this.resultText));
    }
    this.biasInput = this.numberInput("bias", () => this.s.bias, (bias) => this.change({ bias }));
    this.reluInput = h("input", { type: "checkbox", onchange: () => this.change({ relu: this.reluInput.checked }) });
    return h(
      "div", { class: "eu-sum" },
      h("div", {}, "sum ", this.sumText, h("label", {}, "+ bias", this.biasInput)),
      h("div", {}, h("label", {}, this.reluInput, "ReLU"), "→", this.resultText),
    );
  }

  weightInput(i, side) {
    const [row, column] = [Math.floor(i / side), i % side];
    return this.numberInput(`weight in row ${row + 1}, column ${column + 1}`, () => this.s.kernel[row][column], (weight) => {
      const kernel = this.s.kernel.map((line) => [...line]);
      kernel[row][column] = Math.fround(weight);
      this.change({ kernel });
    });
  }

  // A field for a number: typed (1/9, too), or changed by the arrow keys up and down, with Shift by whole ones.
  numberInput(label, get, set) {
    const input = h("input", { type: "text", inputmode: "decimal", role: "spinbutton", "aria-label": label, autocomplete: "off", class: "eu-number" });
    const take = () => {
      const shown = plain(get());
      const value = parse(input.value);
      if (value === null || Math.abs(value) > 1000) {
        input.setAttribute("aria-invalid", "true");
        this.say(`“${input.value}” is no number from −1000 to 1000: the ${label} stays ${number(get())}.`);
      } else if (plain(value) !== shown) set(value);
    };
    input.addEventListener("change", () => {
      take();
      if (input.getAttribute("aria-invalid")) input.value = plain(get()).replace("-", "−");
    });
    input.addEventListener("focus", () => input.select());
    input.addEventListener("keydown", (event) => {
      const turn = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (event.key === "Enter") take();
      if (!turn) return;
      event.preventDefault();
      const value = Math.round(10 * (get() + turn * (event.shiftKey ? 1 : 0.1))) / 10;
      set(Math.min(1000, Math.max(-1000, value)));
      input.value = plain(get()).replace("-", "−");
    });
    return input;
  }

  showStep() {
    const { s, size } = this;
    const [row, column] = this.position;
    const step = stepAt(this.image, s, size.side, row, column);
    const top = Math.max(...step.products.map((value) => Math.abs(value ?? 0)), 1e-9);
    step.pixels.forEach((pixel, i) => {
      const cell = this.pixelCells[i];
      const colour = colourOf(pixel ?? 0, { signed: false, limit: 1 });
      cell.textContent = pixel === null ? (s.mode === "max" ? "–" : "0") : number(pixel);
      Object.assign(cell.style, { background: rgb(colour), color: inkOn(colour) });
      cell.className = pixel === null ? "eu-pad" : s.mode === "max" && pixel === step.result ? "eu-largest" : "";
    });
    if (s.mode === "convolution") {
      step.products.forEach((product, i) => {
        const colour = colourOf(product, { signed: true, limit: 1.3 * top });
        this.productCells[i].textContent = number(product);
        Object.assign(this.productCells[i].style, { background: rgb(colour), color: inkOn(colour) });
      });
      this.sumText.textContent = number(step.sum);
    }
    this.resultText.textContent = number(step.result);
    const colour = colourOf(step.result, this.scale);
    Object.assign(this.resultText.style, { background: rgb(colour), color: inkOn(colour) });
    this.tell(step);
    this.draw();
  }

  // One sentence, to read at once and to be spoken when the window has come to rest.
  tell(step) {
    const [row, column] = this.position;
    const n = step.pixels.length;
    const where = `Row ${row}, column ${column} of the map:`;
    const then = [this.s.bias ? `with the bias ${number(this.s.bias)} that is ${number(step.before)}` : "", this.s.relu ? `after ReLU ${number(step.result)}` : ""].filter(Boolean).join(", ");
    const text = {
      convolution: `${where} ${n} products sum to ${number(step.sum)}${then ? `; ${then}` : ""}.`,
      max: `${where} the largest of ${n} pixels is ${number(step.result)}.`,
      average: `${where} the mean of ${n} pixels is ${number(step.result)}.`,
    }[this.s.mode];
    this.say(text);
  }

  say(text) {
    this.status.textContent = text;
    this.status.setAttribute("aria-hidden", "true"); // it is spoken by the line below, which waits
    clearTimeout(this.timers.say);
    this.timers.say = setTimeout(() => (this.spoken.textContent = text), 350);
  }

  // ---- pictures ----------------------------------------------------------------------------------------------

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.drawFace();
      this.drawMap();
    });
  }

  // Which part of a picture is seen: {x, y, n, cell} in its own squares, `n` of them in a row of `width` CSS pixels.
  view(height, width, border, seen, [cy, cx], pixels) {
    const most = Math.max(height, width) + 2 * border;
    const n = seen && seen < most ? seen : most;
    const start = (size, centre) => {
      const all = size + 2 * border;
      return all <= n ? -border - (n - all) / 2 : Math.min(size + border - n, Math.max(-border, Math.round(centre - n / 2)));
    };
    return { y: start(height, cy), x: start(width, cx), n, cell: pixels / n };
  }

  faceView(pixels) {
    const { s, size } = this;
    const [row, column] = this.position;
    const centre = (place) => place * s.stride - s.padding + size.reach / 2;
    return this.view(this.image.height, this.image.width, s.padding, this.zoom, [centre(row), centre(column)], pixels);
  }

  mapView(pixels) {
    const [row, column] = this.position;
    const seen = this.zoom && Math.max(3, Math.ceil(this.zoom / this.s.stride));
    return this.view(this.map.height, this.map.width, 0, seen, [row + 0.5, column + 0.5], pixels);
  }

  drawFace() {
    const pixels = this.face.clientWidth;
    if (!pixels) return;
    const context = sharp(this.face, pixels);
    const { image, s, size } = this;
    const v = (this.seenFace = this.faceView(pixels));
    const place = (y, x) => [(x - v.x) * v.cell, (y - v.y) * v.cell];
    if (s.padding) {
      const [left, top] = place(-s.padding, -s.padding);
      this.hatch(context, left, top, (image.width + 2 * s.padding) * v.cell, (image.height + 2 * s.padding) * v.cell, "#000", "#555");
    }
    const [left, top] = place(0, 0);
    const scale = { signed: false, limit: 1 };
    paintMap(context, image.values, image.height, image.width, scale, left, top, image.width * v.cell, image.height * v.cell);
    if (v.cell >= 22) this.write(context, v, image, (value) => inkOn(colourOf(value, scale)));
    const [row, column] = this.position;
    const [y, x] = [row * s.stride - s.padding, column * s.stride - s.padding];
    const [wx, wy] = place(y, x);
    if (s.dilation > 1)
      for (let i = 0; i < size.side; i += 1)
        for (let j = 0; j < size.side; j += 1) {
          const [px, py] = place(y + i * s.dilation, x + j * s.dilation);
          context.strokeStyle = WINDOW;
          context.lineWidth = 2;
          context.strokeRect(px, py, v.cell, v.cell);
        }
    this.frameAround(context, wx, wy, size.reach * v.cell);
    this.face.setAttribute("aria-label",
      `image of ${image.height} by ${image.width} pixels. Arrow keys move the window, with Shift by five places; Home and End go to the ends of a row; plus and minus zoom; space plays.`);
  }

  drawMap() {
    const pixels = this.out.clientWidth;
    if (!pixels) return;
    const context = sharp(this.out, pixels);
    const { map, scale } = this;
    const v = (this.seenMap = this.mapView(pixels));
    const [left, top] = [-v.x * v.cell, -v.y * v.cell];
    const rows = this.swept ? Math.ceil(map.height * Math.min(1, (performance.now() - this.swept) / SWEEP)) : map.height;
    const shown = map.values.map((value, i) => (this.filled[i] && i < rows * map.width ? value : NaN));
    paintMap(context, map.values, map.height, map.width, scale, left, top, map.width * v.cell, map.height * v.cell);
    const style = getComputedStyle(this.el);
    const [paper, line] = [style.getPropertyValue("--eu-empty").trim(), style.getPropertyValue("--eu-line").trim()];
    this.cover(context, shown, v, paper, line);
    if (v.cell >= 22) this.write(context, v, { ...map, values: shown }, (value) => inkOn(colourOf(value, scale)));
    const [row, column] = this.position;
    this.frameAround(context, (column - v.x) * v.cell, (row - v.y) * v.cell, v.cell);
    this.out.setAttribute("aria-label", `feature map of ${map.height} by ${map.width} numbers, ${number(Math.min(...map.values))} to ${number(Math.max(...map.values))}`);
    if (this.swept && rows < map.height) this.draw();
    else this.swept = 0;
  }

  // Hide what is not computed yet: runs of empty squares, row by row.
  cover(context, shown, v, paper, line) {
    const { height, width } = this.map;
    for (let row = 0; row < height; row += 1)
      for (let column = 0; column < width; ) {
        let end = column;
        while (end < width && Number.isNaN(shown[row * width + end])) end += 1;
        if (end > column) {
          context.fillStyle = paper;
          context.fillRect((column - v.x) * v.cell - 0.5, (row - v.y) * v.cell - 0.5, (end - column) * v.cell + 1, v.cell + 1);
        }
        column = end + 1;
      }
    context.strokeStyle = line;
    context.lineWidth = 1;
    context.strokeRect(-v.x * v.cell + 0.5, -v.y * v.cell + 0.5, width * v.cell - 1, height * v.cell - 1);
  }

  hatch(context, x, y, width, height, dark, light) {
    context.save();
    context.beginPath();
    context.rect(x, y, width, height);
    context.clip();
    context.fillStyle = dark;
    context.fillRect(x, y, width, height);
    context.strokeStyle = light;
    context.lineWidth = 1;
    context.beginPath();
    for (let at = -height; at < width; at += 7) {
      context.moveTo(x + at, y + height);
      context.lineTo(x + at + height, y);
    }
    context.stroke();
    context.restore();
  }

  write(context, v, { height, width, values }, ink) {
    context.font = `${Math.min(13, v.cell * 0.36)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let y = Math.max(0, Math.floor(v.y)); y < Math.min(height, v.y + v.n); y += 1)
      for (let x = Math.max(0, Math.floor(v.x)); x < Math.min(width, v.x + v.n); x += 1) {
        const value = values[y * width + x];
        if (Number.isNaN(value)) continue;
        context.fillStyle = ink(value);
        context.fillText(number(value), (x - v.x + 0.5) * v.cell, (y - v.y + 0.5) * v.cell);
      }
  }

  frameAround(context, x, y, side) {
    const around = Math.max(0, (6 - side) / 2); // a place of few dots still shows
    for (const [colour, line] of [["#fff", 5], [WINDOW, 2.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect(x - around, y - around, side + 2 * around, side + 2 * around);
    }
  }

  // ---- hands -------------------------------------------------------------------------------------------------

  listen(el) {
    this.el.addEventListener("keydown", (event) => event.stopPropagation());
    this.face.addEventListener("keydown", (event) => this.key(event));
    this.dragging(this.face, (x, y, start) => {
      const { s, size } = this;
      const v = this.seenFace;
      const [py, px] = [v.y + y / v.cell, v.x + x / v.cell];
      if (start) this.held = this.grip(py, px);
      const place = (at, held) => Math.round((at - held + s.padding) / s.stride);
      this.moveTo(place(py, this.held[0]), place(px, this.held[1]));
    });
    this.dragging(this.out, (x, y) => {
      const v = this.seenMap;
      this.moveTo(Math.floor(v.y + y / v.cell), Math.floor(v.x + x / v.cell));
    });
    this.names = ["image", "kernel", "bias", "relu", "stride", "padding", "dilation", "mode", "pool_size", "position"];
    this.follow = () => {
      this.missed = true;
      if (!Object.keys(this.pending).length && !this.playing) this.catchUp();
    };
    for (const name of this.names) this.model.on(`change:${name}`, this.follow);
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(el);
    this.watch.observe(this.face);
  }

  // Where in the window the hand holds it; a press outside of it brings its middle there.
  grip(py, px) {
    const { s, size } = this;
    const [y, x] = this.position.map((place) => place * s.stride - s.padding);
    const within = py >= y && py < y + size.reach && px >= x && px < x + size.reach;
    return within ? [py - y, px - x] : [size.reach / 2, size.reach / 2];
  }

  dragging(canvas, move) {
    const at = (event, start) => {
      const box = canvas.getBoundingClientRect();
      move(event.clientX - box.left - canvas.clientLeft, event.clientY - box.top - canvas.clientTop, start);
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.stop();
      canvas.setPointerCapture(event.pointerId);
      this.dragged = true;
      at(event, true);
    });
    canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && at(event, false));
    canvas.addEventListener("pointerup", () => (this.dragged = false));
  }

  key(event) {
    const [row, column] = this.position;
    const by = event.shiftKey ? 5 : 1;
    const act = {
      ArrowUp: () => this.moveTo(row - by, column),
      ArrowDown: () => this.moveTo(row + by, column),
      ArrowLeft: () => this.moveTo(row, column - by),
      ArrowRight: () => this.moveTo(row, column + by),
      Home: () => this.moveTo(row, 0),
      End: () => this.moveTo(row, this.map.width - 1),
      PageUp: () => this.moveTo(0, column),
      PageDown: () => this.moveTo(this.map.height - 1, column),
      "+": () => this.setZoom(this.zoom === 0 ? 24 : 10),
      "-": () => this.setZoom(this.zoom === 10 ? 24 : 0),
      " ": () => (this.playing ? this.stop() : this.start()),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (event.key !== " ") this.stop();
    act();
  }

  setZoom(zoom) {
    this.zoom = zoom;
    this.zooms.show(zoom);
    this.draw();
  }

  // ---- the window moves by itself ----------------------------------------------------------------------------

  start() {
    if (this.filled.every(Boolean)) this.empty();
    this.playing = true;
    this.play.textContent = "❚❚ Pause";
    let last = performance.now();
    let due = 0;
    const tick = (now) => {
      if (!this.playing) return;
      due += ((now - last) * this.speed) / 1000;
      last = now;
      const places = Math.floor(due);
      due -= places;
      if (places) this.advance(places);
      this.ticking = requestAnimationFrame(tick);
    };
    this.ticking = requestAnimationFrame(tick);
  }

  stop() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.ticking);
    this.play.textContent = "▶ Play";
    this.sync(0);
  }

  advance(places) {
    const { height, width } = this.map;
    const now = this.position[0] * width + this.position[1];
    const next = Math.min(now + places, height * width - 1);
    this.filled.fill(1, now, next + 1);
    this.moveTo(Math.floor(next / width), next % width);
    if (next === height * width - 1) this.stop();
  }

  sweep() {
    this.filled.fill(1);
    const still = window.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
    this.swept = still ? 0 : performance.now();
    this.draw();
  }

  empty() {
    this.stop();
    this.filled.fill(0);
    this.moveTo(0, 0);
  }

  close() {
    this.stop();
    for (const name of this.names) this.model.off(`change:${name}`, this.follow);
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
    Object.values(this.timers).forEach(clearTimeout);
    this.el.remove();
  }
}

function render({ model, el }) {
  const lab = new Lab(model, el);
  return () => lab.close();
}

export { slide };
export default { render };
