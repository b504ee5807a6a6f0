// What states, errors and names mean, in words.

const $ = (id) => document.getElementById(id);

const STATES = {
  OFF: "It has no power.",
  STARTING: "It starts.",
  INIT: "It starts.",
  WAIT_CONFIG: "It waits for a phone: its access point is open.",
  CONFIGURING: "A phone is setting it up.",
  SWITCH_TO_STA: "It has a configuration and closes its access point.",
  CONNECTING_NET: "It joins the WiFi network.",
  CONNECTING_CLOUD: "It is in the network and logs in to the cloud.",
  RUNNING: "It is online.",
  RESET_CONFIG: "It erases its configuration.",
  ERROR: "Nothing has worked; it restarts soon.",
};

const ERRORS = {
  700: "the configuration cannot be used",
  701: "it could not join the network in time",
  702: "it did not reach the cloud in time",
  703: "the cloud refuses the token",
  704: "it lost power too often while it tried",
  710: "the cloud's name cannot be resolved",
  711: "no secure connection to the cloud",
  720: "there is no network of this name",
  722: "the password is wrong",
  723: "the network gives no address",
};

/** Steps to try, with `ROUTER` and `CLOUD` for the first of each. */
const EXAMPLES = [
  ["a fifth of all frames is lost", "- link: { loss_permille: 200 }"],
  ["no frame is lost", "- link: { loss_permille: 0 }"],
  ["the router gives no address", "- { who: ROUTER, router: { dhcp: silent } }"],
  ["the router knows no name", "- { who: ROUTER, router: { dns: nxdomain } }"],
  ["router as it should be", "- { who: ROUTER, router: { dhcp: normal, dns: normal } }"],
  ["another password", "- { who: ROUTER, router: { password: another one } }"],
  ["the cloud refuses logins", "- { who: CLOUD, cloud: { login: 9, drop_connections: true } }"],
  ["the cloud takes logins", "- { who: CLOUD, cloud: { login: normal } }"],
  ["the supply sags", "- { who: DEVICE, power: brownout }"],
];

/** The picture's state by name: that of the firmware while it runs. */
function stateName({ power, state }) {
  return power === "off" ? "OFF" : power === "starting" || state === "" ? "STARTING" : state;
}

function errorWords(code) {
  return `Last error ${code}: ${ERRORS[code] ?? "see the documentation of the firmware"}.`;
}

/** What kind of actor an event is about: names alone do not tell. */
function kindOfEvent(event) {
  const [kind] = event.split(".");
  return ["phone", "router", "cloud"].includes(kind) ? kind : "device";
}

/** Names of colours by where their hue begins, in degrees. */
const HUES = [[0, "red"], [18, "orange"], [48, "yellow"], [72, "green"], [150, "turquoise"], [195, "blue"], [255, "violet"], [290, "pink"], [342, "red"]];

/** What a person calls a colour `#rrggbb`. */
function colourName(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const most = Math.max(red, green, blue);
  const range = most - Math.min(red, green, blue);
  if (range < 0.12 * most || most === 0) {
    return most === 0 ? "dark" : "white";
  }
  const sixth = most === red ? (green - blue) / range : most === green ? 2 + (blue - red) / range : 4 + (red - green) / range;
  const hue = (sixth * 60 + 360) % 360;
  return HUES.findLast(([from]) => hue >= from)[1];
}
