// The network drawn: blocks as buttons, and the feature maps of the one that is chosen.

const SORTS = { image: "#bbbbbb", convolution: "#56B4E9", pooling: "#E69F00", linear: "#009E73", function: "#CC79A7", other: "#d9d9d9" };
const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function faded(colour, strength) {
  const parts = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  return rgb(parts.map((part) => Math.round(255 * (1 - strength) + part * strength)));
}

// A block in 84 × 84: face and depth grow with each doubling of the map's side and of the channels.
function drawBlock(block, largest) {
  const picture = svg("svg", { viewBox: "0 0 84 84", width: 84, height: 84, "aria-hidden": "true" });
  const colour = SORTS[block.sort];
  const polygon = (points, strength) =>
    picture.append(svg("polygon", { points: points.map((p) => p.join(",")).join(" "), fill: faded(colour, strength), stroke: "#333", "stroke-linejoin": "round" }));
  if (block.side === 0) {
    const half = Math.max(5, Math.min(38, 3.6 * block.depth));
    polygon([[37, 42 - half], [47, 42 - half], [47, 42 + half], [37, 42 + half]], 1);
    return picture;
  }
  const side = (52 * block.side) / largest;
  const [depth, lean] = [Math.max(3, 3.6 * block.depth), side * 0.36];
  const up = lean * 0.6;
  const [left, right] = [42 - (depth + lean) / 2, 42 + (depth - lean) / 2];
  const [top, low] = [42 - side / 2 + up / 2, 42 + side / 2 + up / 2];
  polygon([[left, low], [right, low], [right, top], [left, top]], 1);
  polygon([[left, top], [right, top], [right + lean, top - up], [left + lean, top - up]], 0.55);
  polygon([[right, low], [right + lean, low - up], [right + lean, top - up], [right, top]], 0.8);
  return picture;
}

class View {
  constructor(model, el) {
    this.model = model;
    this.el = h("div", { class: "eu-lab eu-network", role: "group", "aria-label": "The network, block by block" });
    this.el.setAttribute("data-lm-suppress-shortcuts", "true");
    this.strip = h("div", { class: "eu-strip", role: "listbox", "aria-label": "blocks of the network", "aria-orientation": "horizontal" });
    this.faces = h("div", { class: "eu-faces", role: "listbox", "aria-label": "faces", "aria-orientation": "horizontal" });
    this.steps = h("div", { class: "eu-row" });
    this.about = h("div", { class: "eu-about" });
    this.maps = h("canvas", { class: "eu-maps", role: "img" });
    this.bar = h("div", { class: "eu-bar", "aria-hidden": "true" });
    this.spoken = h("p", { class: "eu-status", role: "status", "aria-live": "polite" });
    this.el.append(
      h("div", { class: "eu-title" }, h("b", {}, model.get("_headline"))), this.strip,
      h("div", { class: "eu-panel" }, this.about, this.steps, this.faces, this.maps, this.bar, this.spoken));
    el.append(this.el);
    this.buildStrip();
    this.buildFaces();
    this.el.addEventListener("keydown", (event) => event.stopPropagation());
    this.follow = () => this.show();
    this.names = ["selected", "step", "face", "_maps"];
    for (const name of this.names) model.on(`change:${name}`, this.follow);
    this.watch = new ResizeObserver(() => this.el.clientWidth !== this.drawnAt && this.drawMaps());
    this.watch.observe(this.el);
    this.show();
  }

  buildStrip() {
    const blocks = this.model.get("_blocks");
    const largest = Math.max(...blocks.map((block) => block.side)) || 1;
    this.buttons = blocks.map((block, i) => {
      const far = block.sources.filter((source) => source !== i - 1);
      const details = [block.parameters ? `${block.parameters.toLocaleString("en")} parameters` : "", ...far.map((source) => `↶ from ${blocks[source].label}`)];
      const button = h(
        "div", { class: "eu-block", role: "option", tabindex: "-1", onclick: () => this.choose(i) },
        drawBlock(block, largest), h("b", {}, block.label), h("span", {}, block.size),
        h("span", { class: "eu-kind" }, block.kind.replace(/([a-z])[123]d\b/g, "$1")),
        ...details.filter(Boolean).map((text) => h("span", { class: text[0] === "↶" ? "eu-far" : "" }, text)));
      button.setAttribute("aria-label", `${block.name}, ${block.kind || "input"}, ${block.size}${details.filter(Boolean).map((text) => `, ${text.replace("↶", "also")}`).join("")}`);
      return button;
    });
    this.strip.append(...this.buttons);
    this.walk(this.strip, () => this.buttons, (i) => this.choose(i));
  }

  buildFaces() {
    const { names, height, width, values } = this.model.get("_faces");
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.thumbs = names.map((name, i) => {
      const canvas = h("canvas", { "aria-hidden": "true" });
      const context = sharp(canvas, 48);
      paintMap(context, bytes.slice(i * height * width, (i + 1) * height * width), height, width, { signed: false, limit: 255 }, 0, 0, 48, 48);
      return h("div", { class: "eu-thumb", role: "option", tabindex: "-1", title: name, "aria-label": name, onclick: () => this.set({ face: i }) }, canvas, h("span", {}, name));
    });
    this.faces.append(...this.thumbs);
    this.walk(this.faces, () => this.thumbs, (i) => this.set({ face: i }));
  }

  // Arrow keys, Home and End move within a list of which one is in the order of Tab.
  walk(box, items, choose) {
    box.addEventListener("keydown", (event) => {
      const list = items();
      const now = list.findIndex((item) => item === document.activeElement);
      const next = { ArrowRight: now + 1, ArrowDown: now + 1, ArrowLeft: now - 1, ArrowUp: now - 1, Home: 0, End: list.length - 1, Enter: now, " ": now }[event.key];
      if (next === undefined || now < 0) return;
      event.preventDefault();
      const target = Math.min(list.length - 1, Math.max(0, next));
      list[target].focus();
      choose(target);
    });
  }

  choose(i) {
    this.set({ selected: i, step: Math.max(0, this.model.get("_blocks")[i].steps.length - 1) });
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
    this.show();
  }

  show() {
    const blocks = this.model.get("_blocks");
    const [selected, step, face] = ["selected", "step", "face"].map((name) => this.model.get(name));
    const mark = (list, chosen) => list.forEach((item, i) => {
      item.setAttribute("aria-selected", String(i === chosen));
      item.tabIndex = i === chosen ? 0 : -1;
    });
    mark(this.buttons, selected);
    mark(this.thumbs, face);
    const block = blocks[selected];
    const numbers = [block.size, block.parameters ? `${block.parameters.toLocaleString("en")} parameters` : "", block.work ? `${block.work.toLocaleString("en")} multiply-adds` : ""];
    this.about.replaceChildren(h("b", {}, block.name), ` ${[block.kind, ...numbers].filter(Boolean).join(" · ")}`);
    this.showSteps(block, step);
    const maps = this.model.get("_maps");
    const current = maps.error || (maps.selected === selected && maps.step === step && maps.face === face);
    this.el.classList.toggle("eu-waiting", !current);
    if (!current) return;
    this.tell(block, maps, this.thumbs[face].getAttribute("aria-label"));
    this.drawMaps();
  }

  showSteps(block, step) {
    const key = `${block.name} ${block.steps.length}`;
    if (this.stepKey !== key) {
      this.stepKey = key;
      const options = block.steps.map((one, i) => [i, block.steps.length > 6 ? `${one.name} ${one.kind}` : one.kind === "function" ? one.name : one.kind]);
      this.choice = block.steps.length > 1 && block.steps.length <= 6 ? segmented("maps after", options, step, (i) => this.set({ step: i })) : null;
      if (block.steps.length > 6) {
        const list = h("select", { class: "eu-button", "aria-label": "maps after", onchange: () => this.set({ step: Number(list.value) }) },
          ...options.map(([i, text]) => h("option", { value: String(i) }, `${text} ${block.steps[i].size}`)));
        this.choice = { box: h("label", {}, "maps after ", list), show: (i) => (list.value = String(i)) };
      }
      this.steps.replaceChildren(...(this.choice ? [this.choice.box] : []));
    }
    this.choice?.show(step);
  }

  tell(block, maps, face) {
    if (maps.error) {
      this.spoken.textContent = maps.error;
      return;
    }
    const range = `${number(maps.low)} to ${number(maps.high)}`;
    const shown = maps.count && maps.total > maps.count ? `, the first ${maps.count} of them` : "";
    const what = maps.count ? `${maps.total} map${maps.total > 1 ? "s" : ""} of ${maps.shape[1]} × ${maps.shape[2]}${shown}` : `${maps.shape.join(" × ") || 1} number${maps.total > 1 ? "s" : ""}`;
    const text = `${block.label} makes ${what} of ${face}, from ${range}.`;
    if (this.spoken.textContent !== text) this.spoken.textContent = text;
    this.maps.setAttribute("aria-label", text);
    this.bar.hidden = !maps.count;
    this.bar.className = `eu-bar ${maps.signed ? "eu-signed" : "eu-grey"}`;
    this.bar.replaceChildren(h("span", {}, number(maps.signed ? -maps.limit : 0)), h("i", {}), h("span", {}, number(maps.limit)));
  }

  drawMaps() {
    const maps = this.model.get("_maps");
    const width = this.el.clientWidth - 4;
    this.drawnAt = this.el.clientWidth;
    if (width < 20 || !maps.shape) return this.maps.height = 0;
    const bytes = new Uint8Array(maps.values.buffer, maps.values.byteOffset, maps.values.byteLength);
    const step = maps.limit / (maps.signed ? 127.5 : 255);
    const values = Float32Array.from(bytes, (level) => (maps.signed ? level - 127.5 : level) * step);
    return maps.count ? this.drawGrid(maps, values, width) : this.drawBars(maps, values, width);
  }

  drawGrid({ count, height, width, signed, limit }, values, room) {
    const side = count === 1 ? Math.min(room, 192) : Math.max(56, Math.min(96, Math.floor(room / Math.min(count, 10)) - 6));
    const columns = Math.max(1, Math.floor((room + 6) / (side + 6)));
    const rows = Math.ceil(count / columns);
    const total = rows * (side + 6);
    this.maps.style.height = `${total}px`;
    this.maps.style.width = `${room}px`;
    const context = sharp(this.maps, room, total);
    const fit = side / Math.max(height, width);
    for (let i = 0; i < count; i += 1) {
      const [x, y] = [(i % columns) * (side + 6), Math.floor(i / columns) * (side + 6)];
      paintMap(context, values.subarray(i * height * width, (i + 1) * height * width), height, width, { signed, limit }, x, y, width * fit, height * fit);
      context.strokeStyle = "#999";
      context.strokeRect(x + 0.5, y + 0.5, width * fit - 1, height * fit - 1);
    }
  }

  // A list of numbers: bars up and down from a line; the classes by name where there are few.
  drawBars({ names, width, low, high }, values, room) {
    const tall = names.length ? 24 * names.length : 120;
    this.maps.style.height = `${tall}px`;
    this.maps.style.width = `${room}px`;
    const context = sharp(this.maps, room, tall);
    const ink = getComputedStyle(this.el).color;
    const [from, to] = [Math.min(0, low), Math.max(0, high)];
    const share = (value) => (value - from) / (to - from || 1);
    if (names.length) {
      const start = Math.min(150, room / 3);
      context.font = "13px system-ui, sans-serif";
      context.textBaseline = "middle";
      const best = values.indexOf(Math.max(...values));
      const scale = (value) => start + share(value) * (room - start - 60);
      names.forEach((name, i) => {
        const y = 24 * i;
        context.fillStyle = ink;
        context.fillText(name, 0, y + 12, start - 8);
        context.fillText(number(values[i]), Math.max(scale(values[i]), scale(0)) + 6, y + 12);
        context.fillStyle = i === best ? "#D55E00" : "#0072B2";
        context.fillRect(Math.min(scale(0), scale(values[i])), y + 4, Math.max(1, Math.abs(scale(values[i]) - scale(0))), 16);
      });
      return;
    }
    const wide = room / width;
    values.slice(0, width).forEach((value, i) => {
      const [zero, end] = [tall * (1 - share(0)), tall * (1 - share(value))];
      context.fillStyle = value < 0 ? "#0072B2" : "#D55E00";
      context.fillRect(i * wide, Math.min(zero, end), Math.max(0.6, wide - (wide > 3 ? 1 : 0)), Math.max(0.5, Math.abs(end - zero)));
    });
  }

  close() {
    for (const name of this.names) this.model.off(`change:${name}`, this.follow);
    this.watch.disconnect();
    this.el.remove();
  }
}

function render({ model, el }) {
  const view = new View(model, el);
  return () => view.close();
}

export default { render };
