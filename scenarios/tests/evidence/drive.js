// Uses the page as somebody would who looks for why a run has failed, and leaves what was wrong in the document.

const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const check = (isSo, what) => isSo || wrong.push(what);
const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const selected = () => one(".row.selected");
const text = (selector) => one(selector)?.textContent ?? "";

/** Whether somebody sees the middle of an element without scrolling. */
function isSeen(element) {
  const { left, top, width, height } = element.getBoundingClientRect();
  const [x, y] = [left + width / 2, top + height / 2];
  return x > 0 && y > 0 && x < innerWidth && y < innerHeight && element.contains(document.elementFromPoint(x, y));
}

/** Clicks what is at the middle of an element, whatever that is. */
function click(element) {
  const { left, top, width, height } = element.getBoundingClientRect();
  document.elementFromPoint(left + Math.min(width / 2, 60), top + height / 2)?.click();
}

function driveFailed() {
  check(text("#title") === 'Too "slow" for <\/script> & <b>us</b>', `the title is ${text("#title")}`);
  check(text("#verdict") === "failed", "the verdict is not shown");
  const step = one("#steps li.failed");
  check(step && isSeen(step), "the failed step is not seen without scrolling");
  check(isSeen(one("#fault-why")) && text("#fault-why").includes("never-seen"), "why it failed is not seen");
  check(all("#steps li.passed").length === 6 && all("#steps li.not-reached").length === 1, "steps are judged wrongly");
  press("k");
  check(!text("#panel h3").startsWith("Step 7"), "the row before is still the failed step");
  click(step.querySelector("button"));
  check(text("#panel h3").startsWith("Step 7"), `the failed step is not shown but ${text("#panel h3")}`);
  check(all("#panel .packets li").length >= 5, "the packets around the failed step are not listed");
  check(isSeen(one(".row.step.failed")) && isSeen(one(".row.end")), "the failed step's rows are not seen");
  check(all(".row.frame").some(isSeen), "no packet is seen around the failed step");
  one("#close").click();

  one("#search").value = "GET /config";
  one("#search").dispatchEvent(new Event("input", { bubbles: true }));
  check(parseInt(text("#hits"), 10) >= 1, "the search finds no request");
  check(selected()?.classList.contains("frame"), "what was found is not chosen");
  const panel = text("#panel");
  for (const words of ["TCP", "IPv4", "HTTP", "request", "ssid=HomeNet", "pass=*****", "received by device"]) {
    check(panel.includes(words), `the packet's fields lack ${words}`);
  }
  const field = all("#panel tr[data-from]").at(-1);
  field.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  check(all(".hex i.on").length > 0, "the bytes of a field are not marked");
  const before = selected().id;
  one("#list").focus();
  press("n");
  check(selected().id !== before, "there is no next thing that was found");
  press("Escape");
  check(one("#search").value === "" && all(".row.hit").length === 0, "the search does not go away");

  const [row] = [selected().dataset.place];
  press("ArrowDown");
  check(Number(selected().dataset.place) === Number(row) + 1, "the arrow does not go down");
  press("k");
  check(selected().dataset.place === row, "the key does not go up");
  press("Home");
  check(selected().dataset.place === "0" && isSeen(selected()), "the beginning is not reached");
  press("]");
  check(selected().textContent.includes("step 2"), "the next step is not reached");
  press("f");
  check(text("#panel h3").startsWith("Step 7"), "the key does not lead to the failure");

  const rows = one("#rows").offsetHeight;
  press("3");
  check(one("#rows").offsetHeight > rows, "the console's lines do not come");
  press("3");
  check(one("#rows").offsetHeight === rows, "the console's lines do not go");
  press("c");
  check(all(".console button").length > 10, "the console is empty");
  press("m");
  check(text("#panel").includes("rejected") || text("#panel").includes("on trial"), "the flash's record is not told");
  check(!text("#panel").includes("horse"), "the flash tells a secret");
  press("e");

  const paper = getComputedStyle(document.body).backgroundColor;
  one("#theme").click();
  check(getComputedStyle(document.body).backgroundColor !== paper, "the other theme looks the same");
  check(document.documentElement.scrollWidth <= innerWidth, "the page is wider than the window");
  check(all(".strip .band").length > 5 && one(".strip .tick.failed"), "the strip of the whole run is not drawn");
  press("?");
  check(one("#help").open, "the keys are not told");
  one("#help").close();
}

function driveLong() {
  check(run.rows.length > 20_000, `${run.rows.length} rows`);
  check(all(".row").length < 200, "rows are drawn that nobody sees");
  press("End");
  check(isSeen(selected()) && selected().classList.contains("passed"), "the end is not reached");
  one("#search").value = "left out";
  one("#search").dispatchEvent(new Event("input", { bubbles: true }));
  check(text("#hits") === "1 found" && selected()?.classList.contains("out"), "what is left out is not told");
  press("Escape");
  press("5");
  check(all(".row").length < 200, "rows are drawn that nobody sees");
  const { left, top, width } = one(".strip").getBoundingClientRect();
  const there = { clientX: left + width / 2, clientY: top + 4, bubbles: true };
  one(".strip").dispatchEvent(new PointerEvent("pointerdown", there));
  check(isSeen(selected()), "the strip does not lead anywhere");
}

/** Tells what the frames of a run are taken for. */
function tellDecoded() {
  const frames = run.rows.filter((row) => row.kind === "frame").map((row) => row.decoded);
  const told = frames.filter(({ protocol }) => ["ARP", "DHCP", "DNS"].includes(protocol));
  return told.map(({ protocol, summary }) => `${protocol}: ${summary}`).join(" | ");
}

let result = "all is well";
try {
  result = { failed: driveFailed, long: driveLong, decode: tellDecoded }["PART"]() ?? result;
} catch (error) {
  wrong.push(error.stack);
}
document.documentElement.dataset.result = wrong.length === 0 ? result : wrong.join("; ");
