// The board: its indicator, its button, its power, and what state it is in.

/** From here on a hold means something to the firmware, in seconds. */
const HOLD_SHOWN_S = 3;
const HOLD_ERASES_S = 10;
const HOLD_HINT = "Hold the button with the mouse, a finger, or the space bar: 10 s erase the configuration.";

class Board {
  constructor(connection) {
    Object.assign(this, { connection, pressedAt: null, indicator: null, picture: null });
    this.button = $("press");
    this.listen();
    this.drawPins();
  }

  listen() {
    const { button } = this;
    button.addEventListener("pointerdown", (event) => {
      if (event.button === 0) {
        button.setPointerCapture(event.pointerId);
        this.press();
      }
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
      button.addEventListener(end, () => this.release());
    }
    button.addEventListener("keydown", (event) => {
      if (event.key === " " || event.key === "Enter") {
        event.preventDefault();
        this.press();
      }
    });
    button.addEventListener("keyup", (event) => {
      if (event.key === " " || event.key === "Enter") {
        event.preventDefault();
        this.release();
      }
    });
    // A long touch is no menu here.
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    window.addEventListener("blur", () => this.release());
    window.addEventListener("pagehide", () => this.release());
    $("power").addEventListener("click", () => this.power(this.picture?.power === "off" ? "on" : "off"));
    $("reset").addEventListener("click", () => this.power("cycle"));
  }

  power(to) {
    if (this.picture) {
      this.connection.step(`- { who: ${this.picture.name}, power: ${to} }`).then(tellDevice);
    }
  }

  press() {
    if (this.pressedAt === null) {
      this.pressedAt = performance.now();
      this.connection.wish({ do: "button", down: true }).then(tellDevice);
      this.drawHold();
    }
  }

  release() {
    if (this.pressedAt !== null) {
      this.pressedAt = null;
      this.connection.wish({ do: "button", down: false }).then(tellDevice);
      this.drawHold();
    }
  }

  /** The connection is lost, and with it the finger. */
  letGo() {
    this.pressedAt = null;
    this.drawHold();
  }

  drawHold() {
    const isDown = this.pressedAt !== null;
    const held = isDown ? (performance.now() - this.pressedAt) / 1000 : 0;
    const isPressed = isDown || (this.picture?.button_down ?? false);
    this.button.setAttribute("aria-pressed", String(isPressed));
    $("held").value = Math.min(held, HOLD_ERASES_S);
    $("held").classList.toggle("on", isDown);
    let words = HOLD_HINT;
    if (held >= HOLD_ERASES_S) {
      words = "Let it go: the configuration is erased.";
    } else if (held >= HOLD_SHOWN_S) {
      words = `Held ${held.toFixed(1)} s; at ${HOLD_ERASES_S} s the configuration goes.`;
    } else if (isDown) {
      words = `Held ${held.toFixed(1)} s.`;
    } else if (isPressed) {
      words = "The button is held down elsewhere.";
    }
    $("hold").textContent = words;
    if (isDown) {
      requestAnimationFrame(() => this.drawHold());
    }
  }

  /** Shows the device as it is, at a time of the world's. */
  show(picture, indicator, now) {
    this.picture = picture;
    const name = stateName(picture);
    const pill = $("state");
    if (pill.textContent !== name.replaceAll("_", " ")) {
      pill.textContent = name.replaceAll("_", " ");
      pill.className = `pill s-${name === "STARTING" ? "INIT" : name}`;
      pill.dataset.state = name;
      $("state-words").textContent = STATES[name] ?? "";
    }
    const error = picture.last_error === 0 ? "" : errorWords(picture.last_error);
    $("last-error").hidden = error === "";
    setText($("last-error"), error);
    $("power").setAttribute("aria-checked", String(picture.power !== "off"));
    this.showLamp(picture.power === "running" ? indicator : null, now);
    if (this.pressedAt === null) {
      this.drawHold();
    }
  }

  showLamp(entry, now) {
    const key = entry ? JSON.stringify(entry) : "";
    if (key === this.indicator) {
      return;
    }
    this.indicator = key;
    setLamp($("lamp"), entry && { entry, at: entry.at_us }, now);
    const words = entry ? lampWords({ ...entry, colour: colourName(entry.colour) }) : "dark";
    $("lamp").setAttribute("aria-label", `indicator: ${words}`);
    $("lamp-words").textContent = `Indicator: ${words}`;
  }

  drawPins() {
    for (const y of [20, 130]) {
      for (let x = 40; x <= 270; x += 14) {
        const pin = document.createElementNS("http://www.w3.org/2000/svg", "circle");
        pin.setAttribute("cx", x);
        pin.setAttribute("cy", y);
        pin.setAttribute("r", 3.2);
        $("pins").append(pin);
      }
    }
  }
}

function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
