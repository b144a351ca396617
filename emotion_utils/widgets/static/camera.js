// The camera in the browser: asks for it, sends small frames to the kernel, shows what comes back. Nothing is kept.

const LARGEST_FRAME = 320; // pixels, the longer side of a frame that is sent
const LARGEST_STILL = 640; // of a picture from a file
const RATE = 15; // frames a second that are sent at most
const MOST_UNDERWAY = 2; // frames on their way to the kernel and back; so far machines are not waited for, and none pile up
const HEAT_LASTS = 1000; // milliseconds for which a map stays over the face
const HEAT = [213, 94, 0];
const PROMISE =
  "A click on “Start the camera” turns on the camera of the computer before you, once the browser allows it. Small " +
  "pictures go to the kernel of this notebook, and over the network if it runs elsewhere. It looks at each and forgets " +
  "it: nothing is stored. Ask everybody who can be seen. The bars say what a face looks like, not what somebody feels.";
const REFUSED = {
  NotAllowedError: "The browser may not use the camera. Allow it beside the address of this page, then start again; or choose a picture, or the drawn film.",
  NotFoundError: "This computer has no camera. Choose a picture or the drawn film instead.",
  NotReadableError: "The camera gives no picture: another program may be using it. Close that, then start again.",
  OverconstrainedError: "The camera has no picture of a size that fits. Choose a picture or the drawn film instead.",
  SecurityError: "This page is not allowed to ask for a camera. Choose a picture or the drawn film instead.",
};
const NO_DOOR =
  "This page has no way to a camera: browsers offer one on https:// pages and on localhost only. Choose a picture or the drawn film instead.";
const UNPLUGGED = "The camera was unplugged or turned off. Start it again, or choose a picture or the drawn film.";
const MUTED = "The camera gives no pictures just now.";

class Camera {
  constructor(model, el) {
    this.model = model;
    this.view = `view-${Math.random().toString(36).slice(2)}`; // another output of this widget has its own pictures
    this.number = 0;
    this.shown = 0;
    this.underway = new Map();
    this.answers = [];
    this.small = document.createElement("canvas");
    this.build(el);
    this.heard = (content, buffers) => this.hear(content, buffers ?? []);
    this.followed = () => this.follow();
    this.names = ["smoothing", "overlay", "mirror"];
    model.on("msg:custom", this.heard);
    for (const name of this.names) model.on(`change:${name}`, this.followed);
    this.follow();
    this.tick = () => {
      this.frame = requestAnimationFrame(this.tick); // stands still while the page cannot be seen
      this.step();
    };
  }

  build(el) {
    const button = (text, act) => h("button", { type: "button", class: "eu-button", onclick: act }, text);
    const tick = (text, name) => {
      const box = h("input", { type: "checkbox", onchange: () => this.set(name, box.checked) });
      return { box, label: h("label", { class: "eu-tick" }, box, text) };
    };
    this.start = button("Start the camera", () => (this.source === "camera" ? this.stop() : this.open()));
    this.file = h("input", { type: "file", accept: "image/*", tabindex: "-1", "aria-hidden": "true", onchange: () => this.choose(this.file.files[0]) });
    this.pick = button("Choose a picture…", () => this.file.click());
    this.drawn = button("Play the drawn film", () => (this.source === "film" ? this.stop() : this.askForFilm()));
    this.video = h("video", { playsInline: true, muted: true, "aria-hidden": "true" });
    this.screen = h("canvas", { class: "eu-screen", role: "img", "aria-label": "picture with the face" });
    this.bars = new Bars();
    this.overlay = tick("where the network looks (Grad-CAM)", "overlay");
    this.mirror = tick("as in a mirror", "mirror");
    this.smoothing = slider("smoothing", 0, 3, 0.1, (seconds) => this.set("smoothing", seconds));
    this.status = h("p", { class: "eu-status" });
    this.rate = h("p", { class: "eu-title" }, "");
    this.spoken = h("p", { class: "eu-spoken", role: "status", "aria-live": "polite" });
    this.el = h(
      "div", { class: "eu-lab eu-faces", role: "group", "aria-label": "Camera", onkeydown: (event) => this.key(event) },
      h("p", { class: "eu-promise" }, PROMISE),
      h("div", { class: "eu-row" }, this.start, this.pick, this.drawn, this.file),
      this.video,
      h("div", { class: "eu-look" }, this.screen, h("div", {}, this.bars.box, this.rate)),
      h("div", { class: "eu-row eu-sliders" }, this.smoothing.box, this.overlay.label, this.mirror.label),
      this.status, this.spoken,
    );
    this.el.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab would take keys
    this.screen.hidden = true;
    el.append(this.el);
    if (!this.model.get("_can_explain")) {
      this.overlay.box.disabled = true;
      this.overlay.label.title = "This network has no feature maps that could be shown.";
    }
  }

  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
    this.follow();
    if (this.source === "picture") this.due = true; // look at it once more
  }

  follow() {
    const seconds = this.model.get("smoothing");
    this.smoothing.show(seconds, `${Number(seconds.toFixed(2))} s`);
    this.overlay.box.checked = this.model.get("overlay");
    this.mirror.box.checked = this.model.get("mirror");
    if (!this.model.get("overlay")) this.heat = null;
  }

  key(event) {
    if (event.key !== "Escape" || !this.source) return;
    event.preventDefault();
    event.stopPropagation();
    this.stop();
  }

  say(text) {
    this.status.textContent = text;
    if (text) this.speak(text);
  }

  // Read aloud what has stood still for a while, not each flicker.
  speak(text) {
    if (text === this.saying) return;
    this.saying = text;
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => (this.spoken.textContent = text), 1200);
  }

  // ---- where pictures come from ------------------------------------------------------------------------------

  async open() {
    this.stop();
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (!navigator.mediaDevices?.getUserMedia) return this.say(NO_DOOR);
    this.say("The browser asks whether this page may use the camera…");
    let stream;
    try {
      const wish = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
      stream = await navigator.mediaDevices.getUserMedia({ video: wish, audio: false });
    } catch (error) {
      if (turn === this.turn) this.say(REFUSED[error.name] ?? `The camera did not start (${error.name}). Choose a picture or the drawn film instead.`);
      return undefined;
    }
    if (turn !== this.turn || this.closed) return stream.getTracks().forEach((track) => track.stop()); // stopped meanwhile
    this.stream = stream;
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => {
      if (this.stream === stream) this.stop(UNPLUGGED);
    });
    track.addEventListener("mute", () => this.stream === stream && this.say(MUTED));
    track.addEventListener("unmute", () => this.stream === stream && this.say(""));
    this.video.srcObject = stream;
    try {
      await this.video.play();
    } catch (error) {
      return this.stream === stream ? this.stop(`The camera's picture does not play (${error.name}).`) : undefined;
    }
    return this.begin("camera", "Stop the camera");
  }

  async choose(file) {
    this.file.value = "";
    if (!file) return;
    this.stop();
    const turn = this.turn;
    try {
      const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
      if (turn !== this.turn) return;
      this.picture = picture;
    } catch {
      this.say(`“${file.name}” is no picture that this browser can read. Choose a JPEG or PNG.`);
      return;
    }
    this.begin("picture");
    this.due = true;
  }

  askForFilm() {
    this.stop();
    this.say("The kernel draws the film…");
    this.waitsForFilm = setTimeout(() => this.say(BUSY), 3 * PATIENCE);
    this.model.send({ kind: "film", view: this.view });
  }

  async playFilm(rate, buffers) {
    clearTimeout(this.waitsForFilm);
    const turn = this.turn;
    const film = await Promise.all(buffers.map((part) => createImageBitmap(new Blob([bytesOf(part)], { type: "image/jpeg" }))));
    if (turn !== this.turn || this.source || this.closed) return;
    Object.assign(this, { film, filmRate: rate });
    this.begin("film", "Stop the film");
  }

  begin(source) {
    Object.assign(this, { source, first: true, sent: -Infinity, answer: null, heat: null });
    this.shown = this.number; // answers to what was sent before are not shown
    this.underway.clear();
    this.answers = [];
    this.began = performance.now();
    this.screen.hidden = false;
    this.start.textContent = source === "camera" ? "Stop the camera" : "Start the camera";
    this.drawn.textContent = source === "film" ? "Stop the film" : "Play the drawn film";
    this.say("");
    cancelAnimationFrame(this.frame);
    this.tick();
  }

  stop(text = "") {
    this.turn = (this.turn ?? 0) + 1;
    clearTimeout(this.waitsForFilm);
    cancelAnimationFrame(this.frame);
    this.stream?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
    Object.assign(this, { stream: null, source: null, answer: null, heat: null, film: null, picture: null });
    this.start.textContent = "Start the camera";
    this.drawn.textContent = "Play the drawn film";
    this.screen.hidden = true;
    this.rate.textContent = "";
    this.say(text);
  }

  // What is to be seen now, with its size; null while there is nothing yet.
  image() {
    if (this.source === "camera") {
      const { videoWidth: width, videoHeight: height } = this.video;
      return width ? { image: this.video, width, height } : null;
    }
    const image = this.source === "film"
      ? this.film[Math.floor(((performance.now() - this.began) / 1000) * this.filmRate) % this.film.length]
      : this.picture;
    return image ? { image, width: image.width, height: image.height } : null;
  }

  // ---- frames to the kernel ----------------------------------------------------------------------------------

  step() {
    const now = performance.now();
    const seen = this.image();
    if (seen) this.paint(seen, now);
    const oldest = Math.min(...this.underway.values());
    if (now - oldest > PATIENCE) this.say(BUSY);
    const wanted = this.source === "picture" ? this.due : now - this.sent >= 1000 / RATE;
    if (seen && wanted && this.underway.size < MOST_UNDERWAY) this.post(seen, now);
  }

  post({ image, width, height }, now) {
    const still = this.source === "picture";
    const shrink = Math.min(1, (still ? LARGEST_STILL : LARGEST_FRAME) / Math.max(width, height));
    const [w, hgt] = [width, height].map((side) => Math.max(1, Math.round(side * shrink)));
    if (this.small.width !== w || this.small.height !== hgt) Object.assign(this.small, { width: w, height: hgt });
    this.small.getContext("2d").drawImage(image, 0, 0, w, hgt);
    const number = (this.number += 1);
    this.underway.set(number, now);
    Object.assign(this, { sent: now, due: false });
    const content = { kind: "frame", view: this.view, number, seconds: now / 1000, first: this.first, still };
    this.first = false;
    const turn = this.turn;
    this.small.toBlob(async (blob) => {
      const buffer = blob && (await blob.arrayBuffer());
      if (!buffer || turn !== this.turn || this.closed) this.underway.delete(number);
      else this.model.send(content, undefined, [buffer]);
    }, "image/jpeg", 0.8);
  }

  hear(content, buffers) {
    if (content?.view !== this.view) return; // of another output
    if (content.kind === "film") return void this.playFilm(content.rate, buffers);
    this.underway.delete(content.number);
    const film = content.number === null || content.number === undefined;
    if (film) clearTimeout(this.waitsForFilm);
    else if (!this.source) return;
    if (content.kind === "error") return this.say(`The kernel could not use this: ${content.note}`);
    if (content.kind !== "answer" || content.number <= this.shown) return; // overtaken by a later one
    this.shown = content.number;
    const now = performance.now();
    this.answer = content;
    if (content.heat) this.heat = { map: this.heatMap(bytesOf(buffers[0]), content.heat), at: now };
    this.answers = [...this.answers, now].filter((at) => now - at < 2000);
    this.tell(content, now);
  }

  tell({ classes, probabilities, reasons, note, milliseconds }, now) {
    this.bars.show(classes, probabilities, reasons.length > 0);
    const words = verdict(classes, probabilities, reasons);
    const text = note ? `${words} ${note}` : words;
    this.status.textContent = text;
    const best = classes[probabilities.indexOf(Math.max(...probabilities))];
    this.speak(reasons.length ? `No answer: ${reasons.join(", ")}. ${note}` : `${best}. ${note}`);
    if (this.source === "picture") return void (this.rate.textContent = `${milliseconds} ms in the kernel`);
    const span = now - this.answers[0];
    const rate = span > 300 ? `${((1000 * (this.answers.length - 1)) / span).toFixed(0)} frames a second, ` : "";
    this.rate.textContent = `${rate}${milliseconds} ms each in the kernel`;
  }

  // ---- what is seen ------------------------------------------------------------------------------------------

  heatMap(levels, size) {
    const picture = new ImageData(size, size);
    levels.forEach((level, i) => picture.data.set([...HEAT, 0.75 * level], 4 * i));
    const map = document.createElement("canvas");
    Object.assign(map, { width: size, height: size });
    map.getContext("2d").putImageData(picture, 0, 0);
    return map;
  }

  paint({ image, width, height }, now) {
    const wide = this.screen.clientWidth;
    if (!wide) return;
    const high = (wide * height) / width;
    this.screen.style.aspectRatio = `${width} / ${height}`;
    const context = sharp(this.screen, wide, high);
    if (this.source === "camera" && this.model.get("mirror")) context.transform(-1, 0, 0, 1, wide, 0);
    context.drawImage(image, 0, 0, wide, high);
    if (!this.answer) return;
    const { square, size, found, reasons } = this.answer;
    const zoom = wide / size[0];
    const [x, y, side] = square.slice(0, 3).map((value) => value * zoom);
    if (this.heat && (this.source === "picture" || now - this.heat.at < HEAT_LASTS)) {
      context.save();
      context.translate(x, y);
      context.rotate((square[3] * Math.PI) / 180);
      context.drawImage(this.heat.map, -side / 2, -side / 2, side, side);
      context.restore();
    }
    outline(context, [x, y, side, square[3]], { dashed: !found, dimmed: reasons.length > 0 });
  }

  close() {
    this.closed = true;
    this.stop();
    clearTimeout(this.speaking);
    this.model.off("msg:custom", this.heard);
    for (const name of this.names) this.model.off(`change:${name}`, this.followed);
    this.el.remove();
  }
}

function render({ model, el }) {
  const camera = new Camera(model, el);
  return () => camera.close();
}

export default { render };
