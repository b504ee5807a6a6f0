// The connection to the device: it comes back by itself.

const RETRY_MIN_MS = 300;
const RETRY_MAX_MS = 4_000;

class Connection {
  /** `onOpen()`, `onUpdate(message)` and `onLost()` are told what becomes of it. */
  constructor({ onOpen, onUpdate, onLost }) {
    Object.assign(this, { onOpen, onUpdate, onLost, socket: null, retry: RETRY_MIN_MS, waiting: new Map(), next: 1 });
    this.open();
  }

  open() {
    const socket = new WebSocket(`ws://${location.host}/live`);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.retry = RETRY_MIN_MS;
      this.onOpen();
    });
    socket.addEventListener("message", ({ data }) => this.take(JSON.parse(data)));
    socket.addEventListener("close", () => {
      for (const answer of this.waiting.values()) {
        answer("the connection is lost: it is not known whether this was done");
      }
      this.waiting.clear();
      this.onLost();
      setTimeout(() => this.open(), this.retry);
      this.retry = Math.min(2 * this.retry, RETRY_MAX_MS);
    });
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  take(message) {
    if (message.kind === "update") {
      this.onUpdate(message);
    } else if (message.kind === "answer") {
      this.waiting.get(message.id)?.(message.error);
      this.waiting.delete(message.id);
    }
  }

  /** Wishes something; comes back with why it was not done, or null. */
  wish(wish) {
    if (!this.isOpen) {
      return Promise.resolve("there is no connection to the device");
    }
    const id = this.next;
    this.next += 1;
    this.socket.send(JSON.stringify({ id, wish }));
    return new Promise((answer) => this.waiting.set(id, answer));
  }

  /** Does a step of the scenario language. */
  step(text) {
    return this.wish({ do: "step", text });
  }
}
