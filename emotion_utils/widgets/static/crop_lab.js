// The crop lab in the browser: a square over a picture, moved, resized and turned by mouse, touch and keys.

const HANDLE = 9; // CSS pixels, radius of a handle
const REACH = 22; // CSS pixels from a handle within which a finger holds it
const STALK = 26; // CSS pixels from the upper edge to the handle that turns
const [SMALLEST, LARGEST] = [4, 3]; // pixels, and times the longer side of the picture; as in Python

const sameBox = (a, b) => a.every((value, i) => Math.abs(value - b[i]) < 1e-9);

class CropLab {
  constructor(model, el) {
    this.model = model;
    this.fingers = new Map();
    this.photo = model.get("_photo");
    this.box = [...model.get("box")];
    this.build(el);
    this.names = ["box", "_answer"];
    this.heard = () => this.hear();
    for (const name of this.names) model.on(`change:${name}`, this.heard);
    this.listen();
    this.load();
    this.answer();
  }

  build(el) {
    const { width, height } = this.photo;
    const longest = Math.max(width, height);
    this.screen = h("canvas", {
      class: "eu-screen eu-hand", tabindex: "0", role: "application",
      "aria-label": "picture with the square; arrow keys move it, + and − change its size, comma and full stop turn it",
    });
    this.crop = h("canvas", { class: "eu-crop", role: "img", "aria-label": "what the network gets" });
    this.bars = new Bars();
    this.limits = [SMALLEST, LARGEST * Math.max(longest, SMALLEST)];
    this.size = slider("side", SMALLEST, Math.max(2 * longest, SMALLEST), 1, (side) => this.change({ side }));
    this.turn = slider("turned by", -180, 180, 1, (degrees) => this.change({ degrees }));
    this.again = h("button", { type: "button", class: "eu-button", onclick: () => this.reset() }, "Begin again");
    this.status = h("p", { class: "eu-status" });
    this.spoken = h("p", { class: "eu-spoken", role: "status", "aria-live": "polite" });
    this.el = h(
      "div", { class: "eu-lab eu-faces", role: "group", "aria-label": "Crop lab" },
      h("div", { class: "eu-look" },
        h("div", {}, h("div", { class: "eu-title" }, h("b", {}, "picture"), ` ${width} × ${height} pixels`), this.screen),
        h("div", {}, h("div", { class: "eu-title" }, h("b", {}, "what the network gets")), this.crop, this.bars.box)),
      h("div", { class: "eu-row eu-sliders" }, this.size.box, this.turn.box, this.again),
      this.status, this.spoken,
    );
    this.el.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab would take the arrow keys
    el.append(this.el);
  }

  async load() {
    const bytes = bytesOf(this.photo.jpeg);
    this.image = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    this.draw();
  }

  // ---- the square --------------------------------------------------------------------------------------------

  change({ x = this.box[0], y = this.box[1], side = this.box[2], degrees = this.box[3] }) {
    const { width, height } = this.photo;
    const within = (value, low, high) => Math.min(high, Math.max(low, value));
    let turned = ((((degrees + 180) % 360) + 360) % 360) - 180;
    if (turned === -180 && degrees > 0) turned = 180;
    this.box = [within(x, 0, width), within(y, 0, height), within(side, ...this.limits), turned];
    this.draw();
    this.tell();
  }

  reset() {
    const [x, y, side, degrees] = this.model.get("_start");
    this.change({ x, y, side, degrees });
  }

  // One box is on its way at a time: the next leaves when the answer has come, and is then the newest one.
  tell() {
    this.wanted = true;
    if (this.asked) return;
    this.wanted = false;
    if (sameBox(this.box, this.model.get("box"))) return; // nothing would be answered
    this.asked = this.box;
    this.model.set("box", [...this.box]);
    this.model.save_changes();
    this.waiting = setTimeout(() => (this.status.textContent = BUSY), PATIENCE);
  }

  hear() {
    const [theirs, answer] = [this.model.get("box"), this.model.get("_answer")];
    if (this.asked && !sameBox(answer.box, this.asked)) return; // of an older box
    if (this.asked) clearTimeout(this.waiting);
    this.asked = null;
    if (!this.wanted && !this.fingers.size && !sameBox(theirs, this.box)) this.box = [...theirs]; // set from Python
    this.answer();
    this.draw();
    if (this.wanted) this.tell();
  }

  answer() {
    const { classes, probabilities, reasons, said, size, crop } = this.model.get("_answer");
    paintGrey(this.crop, bytesOf(crop), size);
    this.bars.show(classes, probabilities, reasons.length > 0);
    const words = verdict(classes, probabilities, reasons);
    this.status.textContent = said ? `${words} ${said}` : words;
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => (this.spoken.textContent = words), 700);
  }

  // ---- hands -------------------------------------------------------------------------------------------------

  scale() {
    return this.photo.width / (this.screen.clientWidth || 1); // pixels of the picture for a CSS pixel
  }

  place(event) {
    const frame = this.screen.getBoundingClientRect();
    return [(event.clientX - frame.left) * this.scale(), (event.clientY - frame.top) * this.scale()];
  }

  handle() {
    const { top } = corners(this.box);
    const turn = (this.box[3] * Math.PI) / 180;
    const far = STALK * this.scale();
    const [x, y] = [top[0] + far * Math.sin(turn), top[1] - far * Math.cos(turn)];
    // Where it would leave the picture, it hangs inside the square.
    const inside = x > 0 && x < this.photo.width && y > 0 && y < this.photo.height;
    return inside ? [x, y] : [top[0] - far * Math.sin(turn), top[1] + far * Math.cos(turn)];
  }

  grip([x, y]) {
    const near = ([a, b]) => Math.hypot(x - a, y - b) < REACH * this.scale();
    if (near(this.handle())) return "turn";
    if (corners(this.box).points.some(near)) return "size";
    return "move";
  }

  listen() {
    const { screen } = this;
    screen.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      screen.focus();
      screen.setPointerCapture(event.pointerId);
      const at = this.place(event);
      this.fingers.set(event.pointerId, at);
      this.hold = { what: this.grip(at), from: at, box: this.box, fingers: new Map(this.fingers) };
    });
    screen.addEventListener("pointermove", (event) => {
      if (!this.fingers.has(event.pointerId)) return;
      this.fingers.set(event.pointerId, this.place(event));
      this.fingers.size > 1 ? this.pinch() : this.drag(this.place(event));
    });
    const leave = (event) => {
      this.fingers.delete(event.pointerId);
      const [rest] = this.fingers.values();
      if (rest) this.hold = { what: "move", from: rest, box: this.box, fingers: new Map(this.fingers) };
    };
    screen.addEventListener("pointerup", leave);
    screen.addEventListener("pointercancel", leave);
    screen.addEventListener("keydown", (event) => this.key(event));
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(screen.parentElement);
  }

  drag([x, y]) {
    const { what, from, box } = this.hold;
    const angle = (place) => (Math.atan2(place[1] - box[1], place[0] - box[0]) * 180) / Math.PI;
    const far = (place) => Math.hypot(place[0] - box[0], place[1] - box[1]);
    if (what === "move") this.change({ x: box[0] + x - from[0], y: box[1] + y - from[1] });
    else if (what === "turn") this.change({ degrees: box[3] + angle([x, y]) - angle(from) });
    else this.change({ side: (box[2] * far([x, y])) / Math.max(far(from), 1e-6) });
  }

  // Two fingers: what lies under each stays under it.
  pinch() {
    const ids = [...this.fingers.keys()].filter((id) => this.hold.fingers.has(id)).slice(0, 2);
    if (ids.length < 2) return;
    const [a, b] = ids.map((id) => this.hold.fingers.get(id));
    const [c, d] = ids.map((id) => this.fingers.get(id));
    const between = (p, q) => [q[0] - p[0], q[1] - p[1]];
    const [before, now] = [between(a, b), between(c, d)];
    const grown = Math.hypot(...now) / Math.max(Math.hypot(...before), 1e-6);
    const turned = Math.atan2(now[1], now[0]) - Math.atan2(before[1], before[0]);
    const [dx, dy] = between(a, this.hold.box);
    const { box } = this.hold;
    this.change({
      x: c[0] + grown * (dx * Math.cos(turned) - dy * Math.sin(turned)),
      y: c[1] + grown * (dx * Math.sin(turned) + dy * Math.cos(turned)),
      side: box[2] * grown,
      degrees: box[3] + (turned * 180) / Math.PI,
    });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [x, y, side, degrees] = this.box;
    const step = (event.shiftKey ? 10 : 1) * Math.max(1, Math.round(this.scale()));
    const act = {
      ArrowLeft: { x: x - step }, ArrowRight: { x: x + step }, ArrowUp: { y: y - step }, ArrowDown: { y: y + step },
      "+": { side: side * 1.05 }, "=": { side: side * 1.05 }, "-": { side: side / 1.05 }, "−": { side: side / 1.05 },
      ",": { degrees: degrees - 2 }, ".": { degrees: degrees + 2 }, "<": { degrees: degrees - 10 }, ">": { degrees: degrees + 10 },
    }[event.key];
    if (!act && event.key !== "Home") return;
    event.preventDefault();
    event.stopPropagation();
    act ? this.change(act) : this.reset();
  }

  // ---- drawing -----------------------------------------------------------------------------------------------

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    const wide = this.screen.clientWidth;
    if (!wide || !this.image) return;
    const { width, height } = this.photo;
    const zoom = wide / width;
    this.screen.style.aspectRatio = `${width} / ${height}`;
    const context = sharp(this.screen, wide, (wide * height) / width);
    context.imageSmoothingEnabled = zoom < 4;
    context.drawImage(this.image, 0, 0, wide, (wide * height) / width);
    const [x, y, side, degrees] = this.box;
    const square = [x * zoom, y * zoom, side * zoom, degrees];
    const { points } = corners(square);
    context.fillStyle = "rgba(0,0,0,0.35)"; // all but the square lies in the shade
    context.beginPath();
    context.rect(0, 0, wide, (wide * height) / width);
    points.forEach(([a, b], i) => (i ? context.lineTo(a, b) : context.moveTo(a, b)));
    context.closePath();
    context.fill("evenodd");
    outline(context, square);
    const handle = this.handle().map((value) => value * zoom);
    const { top } = corners(square);
    context.strokeStyle = SQUARE;
    context.beginPath();
    context.moveTo(...top);
    context.lineTo(...handle);
    context.stroke();
    for (const [a, b] of [...points, handle]) {
      context.fillStyle = "#fff";
      context.beginPath();
      context.arc(a, b, HANDLE - 2, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
    this.size.show(side, `${Math.round(side)} pixels`);
    this.turn.show(degrees, `${Math.round(degrees)}°`);
  }

  close() {
    for (const name of this.names) this.model.off(`change:${name}`, this.heard);
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.waiting);
    clearTimeout(this.speaking);
    this.el.remove();
  }
}

function render({ model, el }) {
  const lab = new CropLab(model, el);
  return () => lab.close();
}

export default { render };
