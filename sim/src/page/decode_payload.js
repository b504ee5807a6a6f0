// Takes apart what UDP and TCP carry: DHCP, DNS, HTTP, the modelled TLS and Blynk's protocol.

const DHCP_TYPES = ["", "Discover", "Offer", "Request", "Decline", "ACK", "NAK", "Release", "Inform"];
const DHCP_IP_OPTIONS = { 1: "mask", 3: "router", 6: "name servers", 28: "broadcast", 50: "asks for", 54: "server" };
const DHCP_TIME_OPTIONS = { 51: "lease", 58: "renew after", 59: "rebind after" };
const DHCP_TEXT_OPTIONS = { 12: "host name", 15: "domain", 56: "message", 60: "vendor class", 114: "captive portal" };

function decodeDhcp(bytes, frame) {
  const fields = [
    bytes.field("transaction", `0x${hex(bytes.u32(4), 8)}`, 4, 4),
    bytes.field("client has", bytes.ip(12), 12, 4),
    bytes.field("client gets", bytes.ip(16), 16, 4),
    bytes.field("client", bytes.mac(28), 28, 6),
  ];
  let type = "";
  let asked = "";
  let at = 240;
  while (at < bytes.length && bytes.u8(at) !== 255) {
    const kind = bytes.u8(at);
    if (kind === 0) {
      at += 1;
      continue;
    }
    const len = bytes.u8(at + 1);
    const value = dhcpOption(bytes.slice(at + 2, len), kind);
    if (kind === 53) {
      type = value;
    }
    if (kind === 50) {
      asked = value;
    }
    const name = dhcpOptionName(kind);
    fields.push(bytes.field(name, value, at, len + 2));
    at += len + 2;
  }
  frame.protocol = "DHCP";
  const gives = bytes.ip(16) === "0.0.0.0" ? "" : ` ${bytes.ip(16)}`;
  frame.summary = `${type || "message"}${gives || (asked && ` for ${asked}`)}`;
  frame.layers.push({ name: "DHCP (RFC 2131)", fields });
}

function dhcpOptionName(kind) {
  const known = { 53: "message", 55: "parameters", 57: "longest message", 61: "client id" };
  return known[kind] || DHCP_IP_OPTIONS[kind] || DHCP_TIME_OPTIONS[kind] || DHCP_TEXT_OPTIONS[kind] || `option ${kind}`;
}

function dhcpOption(bytes, kind) {
  if (kind === 53) {
    return DHCP_TYPES[bytes.u8(0)] || String(bytes.u8(0));
  }
  if (DHCP_IP_OPTIONS[kind]) {
    const addresses = [];
    for (let at = 0; at + 4 <= bytes.length; at += 4) {
      addresses.push(bytes.ip(at));
    }
    return addresses.join(" ");
  }
  if (DHCP_TIME_OPTIONS[kind]) {
    return `${bytes.u32(0)} s`;
  }
  if (DHCP_TEXT_OPTIONS[kind]) {
    return fromUtf8(bytes.text());
  }
  const values = Array.from({ length: bytes.length }, (_, at) => bytes.u8(at));
  return kind === 55 ? values.join(" ") : values.map((value) => hex(value, 2)).join(" ");
}

const DNS_TYPES = { 1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 16: "TXT", 28: "AAAA", 41: "OPT", 65: "HTTPS", 255: "ANY" };
const DNS_CODES = ["no error", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

function decodeDns(bytes, frame) {
  const isAnswer = (bytes.u16(2) & 0x8000) !== 0;
  const code = DNS_CODES[bytes.u16(2) & 15] || `code ${bytes.u16(2) & 15}`;
  const counts = [4, 6, 8, 10].map((at) => bytes.u16(at));
  const fields = [
    bytes.field("id", `0x${hex(bytes.u16(0), 4)}`, 0, 2),
    bytes.field("kind", isAnswer ? `answer, ${code}` : "question", 2, 2),
    bytes.field("truncated", (bytes.u16(2) & 0x0200) !== 0 ? "yes" : "no", 2, 1),
  ];
  const questions = [];
  const answers = [];
  let at = 12;
  for (let i = 0; i < counts[0] && at < bytes.length; i += 1) {
    const [name, behind] = dnsName(bytes, at);
    const type = DNS_TYPES[bytes.u16(behind)] || `type ${bytes.u16(behind)}`;
    questions.push(`${type} ${name}`);
    fields.push(bytes.field("asks for", `${type} ${name}`, at, behind + 4 - at));
    at = behind + 4;
  }
  for (let i = 0; i < counts[1] + counts[2] + counts[3] && at < bytes.length; i += 1) {
    const [name, behind] = dnsName(bytes, at);
    const type = bytes.u16(behind);
    const len = bytes.u16(behind + 8);
    const value = dnsValue(bytes, type, behind + 10, len);
    if (i < counts[1]) {
      answers.push(value);
    }
    const label = i < counts[1] ? "answer" : i < counts[1] + counts[2] ? "authority" : "additional";
    const told = `${DNS_TYPES[type] || `type ${type}`} ${name} ${value}`.trim();
    fields.push(bytes.field(label, type === 41 ? told : `${told}, for ${bytes.u32(behind + 4)} s`, at, behind + 10 + len - at));
    at = behind + 10 + len;
  }
  frame.protocol = "DNS";
  const answer = code !== "no error" ? code : answers.join(", ") || "nothing";
  const asked = questions.join(", ");
  frame.summary = isAnswer ? `${asked}${asked && " = "}${answer}` : `${asked || "nothing"}?`;
  frame.layers.push({ name: "DNS (RFC 1035)", fields });
}

/** The name at a place, and where what comes behind it begins. */
function dnsName(bytes, start) {
  const labels = [];
  let at = start;
  let behind = -1;
  for (let hops = 0; hops < 64 && at < bytes.length && bytes.u8(at) !== 0; hops += 1) {
    const len = bytes.u8(at);
    if (len >= 0xc0) {
      behind = behind < 0 ? at + 2 : behind;
      at = bytes.u16(at) & 0x3fff;
    } else {
      labels.push(readable(bytes.text(at + 1, len)));
      at += len + 1;
    }
  }
  return [labels.join(".") || ".", behind < 0 ? at + 1 : behind];
}

function dnsValue(bytes, type, at, len) {
  if (type === 1) {
    return bytes.ip(at);
  }
  if (type === 5 || type === 2 || type === 12) {
    return dnsName(bytes, at)[0];
  }
  if (type === 41) {
    return "";
  }
  return `${len} bytes`;
}

const HTTP_START = /^(GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH|CONNECT|TRACE) \S|^HTTP\/1\.[01] \d/;

function decodeStream(bytes, frame, from, to) {
  const text = bytes.text();
  if (HTTP_START.test(text)) {
    decodeHttp(bytes, text, frame);
  } else if (text.startsWith("MTLS")) {
    decodeModelledTls(bytes, frame);
  } else if (decodeTls(bytes, frame)) {
    return;
  } else if ([from, to].some((port) => port === 443 || port === 80 || port === 8080) && decodeBlynk(bytes, frame)) {
    return;
  } else {
    frame.layers.push({ name: "Data", fields: textLines(bytes, text) });
  }
}

function decodeHttp(bytes, text, frame) {
  const end = text.indexOf("\r\n\r\n");
  const head = end < 0 ? text : text.slice(0, end);
  const fields = [];
  let at = 0;
  for (const line of head.split("\r\n")) {
    const colon = line.indexOf(":");
    const isField = at > 0 && colon > 0;
    const label = at === 0 ? (line.startsWith("HTTP/") ? "status" : "request") : isField ? line.slice(0, colon) : "line";
    fields.push(bytes.field(label, fromUtf8(isField ? line.slice(colon + 1).trim() : line), at, line.length));
    at += line.length + 2;
  }
  frame.protocol = "HTTP";
  const start = fromUtf8(head.split("\r\n")[0]).replace(/ HTTP\/1\.[01]$/, "").replace(/^HTTP\/1\.[01] /, "");
  // What is starred is as long as the secret; in one line, its length says nothing.
  frame.summary = start.replace(/\*{4,}/g, "***");
  frame.layers.push({ name: "HTTP (RFC 9112)", fields });
  if (end >= 0 && end + 4 < text.length) {
    const body = bytes.slice(end + 4);
    frame.layers.push({ name: "Body", fields: textLines(body, body.text()) });
  }
}

/** A text line by line, at most so many. */
function textLines(bytes, text) {
  const fields = [];
  let at = 0;
  for (const line of text.split("\n").slice(0, 200)) {
    if (line.length > 0) {
      fields.push(bytes.field("", fromUtf8(line.replace(/\r$/, "")), at, line.length));
    }
    at += line.length + 1;
  }
  return fields;
}

const TLS_RECORDS = { 20: "change cipher spec", 21: "alert", 22: "handshake", 23: "data" };
const TLS_HANDSHAKES = { 1: "client hello", 2: "server hello" };

// A segment that begins in the middle of a record is nobody's to read.
function decodeTls(bytes, frame) {
  const fields = [];
  let at = 0;
  while (at + 5 <= bytes.length && TLS_RECORDS[bytes.u8(at)] && bytes.u8(at + 1) === 3) {
    const len = bytes.u16(at + 3);
    const hello = bytes.u8(at) === 22 && at + 5 < bytes.length ? TLS_HANDSHAKES[bytes.u8(at + 5)] : undefined;
    const kind = hello ?? TLS_RECORDS[bytes.u8(at)];
    fields.push(bytes.field(kind, `${len} bytes`, at, Math.min(5 + len, bytes.length - at)));
    at += 5 + len;
  }
  if (fields.length === 0) {
    return false;
  }
  frame.protocol = "TLS";
  frame.summary = fields.map(([label]) => label).join(", ");
  frame.layers.push({ name: "TLS (RFC 8446)", fields });
  return true;
}

function decodeModelledTls(bytes, frame) {
  const isClient = bytes.u8(4) === 1;
  const at = isClient ? 6 : 7;
  const len = bytes.u8(at - 1);
  const name = readable(bytes.text(at, len));
  const faults = isClient ? [] : ["expired", "of an unknown authority"].filter((_, bit) => bytes.u8(5) & (1 << bit));
  frame.protocol = "TLS";
  frame.summary = isClient ? `client hello for ${name}` : `certificate of ${name}${faults.map((f) => `, ${f}`).join("")}`;
  frame.layers.push({
    name: "TLS, modelled",
    fields: [
      bytes.field("message", isClient ? "client hello" : "server hello", 4, 1),
      bytes.field("name", name, at, len),
      ...(isClient ? [] : [bytes.field("certificate", faults.join(", ") || "good", 5, 1)]),
    ],
  });
  const rest = bytes.slice(at + len);
  if (rest.length > 0) {
    decodeBlynk(rest, frame);
  }
}

const BLYNK = {
  0: "response", 2: "login (old)", 6: "ping", 15: "bridge", 16: "sync", 17: "internal", 19: "property", 20: "hardware",
  21: "group", 29: "login", 41: "redirect", 55: "debug", 64: "event", 65: "event clear",
};

/** Returns whether the bytes are whole frames of Blynk's protocol. */
function decodeBlynk(bytes, frame) {
  const layers = [];
  const told = [];
  let at = 0;
  while (at + 5 <= bytes.length) {
    const command = bytes.u8(at);
    const number = bytes.u16(at + 3);
    const len = command === 0 ? 0 : number;
    if (!(command in BLYNK) || at + 5 + len > bytes.length) {
      return false;
    }
    const body = bytes.text(at + 5, len).split("\0").map(fromUtf8);
    const fields = [
      bytes.field("command", `${BLYNK[command]} (${command})`, at, 1),
      bytes.field("id", bytes.u16(at + 1), at + 1, 2),
      bytes.field(command === 0 ? "status" : "length", number, at + 3, 2),
    ];
    if (len > 0) {
      fields.push(bytes.field("body", body.join(" ␀ "), at + 5, len));
    }
    layers.push({ name: `Blynk ${BLYNK[command]}`, fields });
    told.push(command === 0 ? `${number}` : command === 29 ? "login" : `${BLYNK[command]} ${body.join(" ")}`.trim());
    at += 5 + len;
  }
  if (layers.length === 0 || at !== bytes.length) {
    return false;
  }
  frame.protocol = "Blynk";
  frame.summary = told.join(" · ");
  frame.layers.push(...layers);
  return true;
}

