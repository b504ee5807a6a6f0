// Puts the page together.

/** Lines of the console that are kept. */
const CONSOLE_MAX = 1_000;
/** What was typed and can be had again. */
const TYPED_MAX = 50;

const live = { picture: null, indicator: null, nowUs: 0, toldAt: 0, isConnected: false };
const switches = new Map();
const typed = { lines: [], place: 0 };

const connection = new Connection({ onOpen, onUpdate, onLost });
const board = new Board(connection);
const timeline = new Timeline(showDetails);

/** The world's time, in microseconds. */
function worldTime() {
  return live.nowUs + (performance.now() - live.toldAt) * 1000;
}

function onOpen() {
  live.isConnected = true;
  // Everything that is kept comes anew.
  timeline.clear();
  $("console").replaceChildren();
  showConnection("connected", "good");
}

function onLost() {
  live.isConnected = false;
  board.letGo();
  showConnection("connection lost; trying again …", "bad");
}

function showConnection(words, kind) {
  setText($("connection"), words);
  $("connection").className = `pill ${kind}`;
  document.body.classList.toggle("lost", !live.isConnected);
}

function onUpdate(message) {
  if (message.now_us < live.nowUs) {
    // Another world, in which nothing was switched yet.
    switches.clear();
  }
  live.nowUs = message.now_us;
  live.toldAt = performance.now();
  live.indicator = message.indicator ?? live.indicator;
  timeline.add(message);
  printLines(message.lines.filter((line) => line.event === "console"));
  if (message.picture) {
    live.picture = message.picture;
    showPicture(message.picture);
  }
  if (live.picture) {
    board.show(live.picture, live.indicator, message.now_us);
  }
}

function showPicture(picture) {
  const { product, access_point: ap } = picture;
  setText($("title"), product.name || "Live device");
  setText($("about"), `simulated, in real time · template ${product.template_id} · ${picture.mac}`);
  document.title = `${stateName(picture)} · ${product.name}`;
  setText($("ap-name"), ap.ssid);
  setText($("ap-state"), ap.is_up ? "on the air" : "closed");
  $("ap-dot").classList.toggle("on", ap.is_up);
  const stations = ap.stations.map((mac) => `<li><code>${escapeHtml(mac)}</code> is joined</li>`);
  setHtml($("stations"), stations.join("") || (ap.is_up ? `<li class="quiet">nobody is joined</li>` : ""));
  const taps = picture.taps.map(
    (tap) => `<tr><th><code>${escapeHtml(tap.interface)}</code></th><td>${tap.is_joined ? "joined" : "outside"}, network of ${escapeHtml(tap.network_of)}</td></tr>`,
  );
  setHtml($("taps"), taps.length > 0 ? `<h3>Interfaces of this computer</h3><table>${taps.join("")}</table>` : "");
  setHtml($("flash"), flashHtml(picture.flash));
  $("cut").setAttribute("aria-pressed", String(picture.cut_armed));
  setText($("cut"), picture.cut_armed ? "Armed: power goes at the next write" : "Cut the power at the next flash write");
  if (stateName(picture) === "RUNNING" && !$("setup-answer").classList.contains("failed")) {
    tell($("setup-answer"), null, "");
  }
  showFaults(picture);
  showFacts();
}

function showFacts() {
  if (!live.picture) {
    return;
  }
  const { boots, product } = live.picture;
  const up = live.toldAt === 0 ? 0 : Math.floor(worldTime() / 1e6) * 1e6;
  const facts = [["running for", spoken(up)], ["starts", boots], ["firmware", product.version]];
  setHtml($("facts"), facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(String(value))}</dd></div>`).join(""));
}

function flashHtml(slots) {
  if (slots.length === 0) {
    return `<p class="quiet">What flash holds is not known.</p>`;
  }
  const shown = slots.map(({ state, fields }, index) => `<section class="slot"><h3>Slot ${index + 1} <b class="fate">${escapeHtml(state)}</b></h3>${fieldsHtml(fields)}</section>`);
  return `${shown.join("")}<p class="quiet">Passwords and tokens are starred.</p>`;
}

/** Faults of each router and cloud: what can be chosen, and what can be done once, with the steps that do it. */
function faultsOf({ routers, clouds }) {
  const power = (kind, name) => ({
    key: `${kind} ${name}`, label: `power of ${name}`,
    choices: [["off", `- { who: ${name}, ${kind}: { power: off } }`], ["on", `- { who: ${name}, ${kind}: { power: on } }`]],
  });
  const mute = (name) => ({
    key: `mute ${name}`, label: `whether ${name} answers`,
    choices: [["mute", `- { who: ${name}, cloud: { mute: true } }`], ["answers", `- { who: ${name}, cloud: { mute: false } }`]],
  });
  return [
    ...routers.map((name) => ({
      kind: "router", name, groups: [power("router", name)], once: [["Deauthenticate", `- { who: ${name}, router: { deauth: true } }`]],
    })),
    ...clouds.map((name) => ({ kind: "cloud", name, groups: [power("cloud", name), mute(name)], once: [] })),
  ];
}

function showFaults(picture) {
  const button = (key) => ([word, step]) => {
    const mark = key ? ` data-key="${escapeHtml(key)}" data-word="${word}" aria-pressed="${switches.get(key) === word}"` : "";
    return `<button type="button" data-step="${escapeHtml(step)}"${mark}>${word}</button>`;
  };
  const rows = faultsOf(picture).map(({ kind, name, groups, once }) => {
    const segments = groups.map(
      ({ key, label, choices }) => `<span class="segments" role="group" aria-label="${escapeHtml(label)}">${choices.map(button(key)).join("")}</span>`,
    );
    return `<tr><th><b class="${kind}">${escapeHtml(name)}</b>${name === kind ? "" : ` <small>${kind}</small>`}</th>
      <td>${segments.join(" ")} ${once.map(button(null)).join("")}</td></tr>`;
  });
  const html = rows.join("");
  if ($("faults").dataset.html !== html) {
    const focused = document.activeElement?.closest("#faults [data-step]")?.dataset.step;
    $("faults").dataset.html = html;
    $("faults").innerHTML = html;
    [...$("faults").querySelectorAll("[data-step]")].find((button) => button.dataset.step === focused)?.focus();
  }
}

function onFault(event) {
  const button = event.target.closest("[data-step]");
  if (!button) {
    return;
  }
  const { key, word, step } = button.dataset;
  connection.step(step).then((error) => {
    tell($("step-answer"), error, "");
    if (error === null && key) {
      switches.set(key, word);
      showFaults(live.picture);
    }
  });
}

function printLines(lines) {
  if (lines.length === 0) {
    return;
  }
  const isFollowing = isAtEnd($("console"));
  for (const { at_us: at, line } of lines) {
    print(line, at);
  }
  trimConsole(isFollowing);
}

function print(text, at) {
  const line = document.createElement("div");
  line.title = `${clock(at)} s`;
  line.textContent = text === "" ? " " : text;
  $("console").append(line);
}

function trimConsole(isFollowing) {
  const element = $("console");
  while (element.childElementCount > CONSOLE_MAX) {
    element.firstElementChild.remove();
  }
  if (isFollowing) {
    element.scrollTop = element.scrollHeight;
  }
}

function isAtEnd({ scrollTop, clientHeight, scrollHeight }) {
  return scrollTop + clientHeight >= scrollHeight - NEAR_END;
}

function onConsole(event) {
  event.preventDefault();
  const input = $("console-input");
  const text = input.value;
  input.value = "";
  typed.lines = [...typed.lines.filter((line) => line !== text && line !== ""), text].slice(-TYPED_MAX);
  typed.place = typed.lines.length;
  // The device echoes what it is told, so that nothing is printed here.
  $("console").scrollTop = $("console").scrollHeight;
  connection.wish({ do: "type", text: `${text}\r` }).then((error) => tell($("console-answer"), error, ""));
}

function onConsoleKey(event) {
  const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (way) {
    event.preventDefault();
    typed.place = Math.max(0, Math.min(typed.lines.length, typed.place + way));
    event.target.value = typed.lines[typed.place] ?? "";
  }
}

function onStep(event) {
  event.preventDefault();
  connection.step($("step").value).then((error) => tell($("step-answer"), error, "done"));
}

async function setUp(afresh) {
  const error = await connection.wish({ do: "set-up", afresh });
  // A phone that is busy may be told to leave that.
  $("set-up-afresh").hidden = error === null || afresh;
  tell($("setup-answer"), error, "The phone is on its way: see what happens.");
}

async function onToken() {
  try {
    const answer = await fetch("/api/token", { method: "POST" });
    const { token, error } = await answer.json();
    $("token").value = token ?? "";
    $("copy-token").hidden = !token || !navigator.clipboard;
    tell($("setup-answer"), error ?? null, "");
  } catch {
    tell($("setup-answer"), "there is no connection to the device", "");
  }
}

/** Says what became of something: an error, or a word when it is done. */
function tell(element, error, done) {
  element.textContent = error ?? done;
  element.classList.toggle("failed", error !== null);
}

function tellDevice(error) {
  tell($("setup-answer"), error, "");
}

function setHtml(element, html) {
  if (element.dataset.shown !== html) {
    element.dataset.shown = html;
    element.innerHTML = html;
  }
}

function showDetails(row) {
  $("details").innerHTML = detailsHtml(row);
  $("details").scrollTop = 0;
  openTab("details");
  $("inspector").classList.add("open");
}

function openTab(name) {
  for (const tab of ["details", "flash"]) {
    $(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
    $(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
    $(tab).hidden = tab !== name;
  }
}

function changeTheme() {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
}

function onKey(event) {
  const isTyping = event.target.matches("input, textarea, select");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const filter = FILTERS.find(([key]) => key === event.key);
  if (filter) {
    timeline.toggle(filter[1]);
  } else if (event.key === "/") {
    event.preventDefault();
    $("search").focus();
  }
}

/** An example with the names of this world. */
function named(step) {
  const { picture } = live;
  const names = { ROUTER: picture?.routers[0], CLOUD: picture?.clouds[0], DEVICE: picture?.name };
  return step.replace(/ROUTER|CLOUD|DEVICE/, (word) => names[word] ?? word);
}

function fillExamples() {
  for (const [words, step] of EXAMPLES) {
    $("examples").append(new Option(words, step));
  }
  $("examples").addEventListener("change", (event) => {
    $("step").value = named(event.target.value);
    event.target.value = "";
  });
}

function listen() {
  $("faults").addEventListener("click", onFault);
  $("cut").addEventListener("click", () => connection.wish({ do: "cut-at-next-write" }).then((error) => tell($("step-answer"), error, "")));
  $("set-up").addEventListener("click", () => setUp(false));
  $("set-up-afresh").addEventListener("click", () => setUp(true));
  $("get-token").addEventListener("click", onToken);
  $("copy-token").addEventListener("click", () => navigator.clipboard.writeText($("token").value));
  $("token").addEventListener("focus", () => $("token").select());
  $("console-form").addEventListener("submit", onConsole);
  $("console-input").addEventListener("keydown", onConsoleKey);
  $("step-form").addEventListener("submit", onStep);
  $("step").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      onStep(event);
    }
  });
  for (const tab of ["details", "flash"]) {
    $(`tab-${tab}`).addEventListener("click", () => openTab(tab));
    $(`tab-${tab}`).addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        const other = tab === "details" ? "flash" : "details";
        openTab(other);
        $(`tab-${other}`).focus();
      }
    });
  }
  $("close").addEventListener("click", () => $("inspector").classList.remove("open"));
  $("theme").addEventListener("click", changeTheme);
  document.addEventListener("keydown", onKey);
}

$("details").innerHTML = `<p class="quiet">Choose a row of what happens: its fields stand here.</p>`;
fillExamples();
listen();
setInterval(showFacts, 1000);
requestAnimationFrame(animateLamps);
