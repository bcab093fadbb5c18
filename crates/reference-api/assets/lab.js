// The attack lab: makes each attack, asks the server what it saw of it, and shows both.
//
// It runs under Trusted Types without any policy: nothing here makes HTML from text.
"use strict";

/** The attacker's site; and its origin of this very site, by another port, for browsers that keep cookies from other sites. */
const { attacker, neighbour } = document.documentElement.dataset;

/** How long an attack may take to show a result, in milliseconds. */
const PATIENCE = 10_000;

/** How long a script that runs may take to say so once its page has loaded, in milliseconds. */
const GRACE = 400;

// ------------------------------------------------------------------------------------------------------- elements

/** An element with attributes and children; a text is a text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const code = (text) => element("code", {}, text);

// ------------------------------------------------------------------------------------------------------------ runs

/** One run of one attack. What belongs to it carries its name, so that the server can say what it saw. */
class Run {
  constructor(card) {
    this.id = crypto.randomUUID();
    this.evidence = card.querySelector(".evidence");
  }

  /** A request to this application as a program makes it. */
  async request(method, path, { json, body, headers = {} } = {}) {
    const response = await fetch(path, {
      method,
      headers: { "Lab-Run": this.id, ...(json && { "Content-Type": "application/json" }), ...headers },
      body: json ? JSON.stringify(json) : body,
    });
    const text = await response.text();
    let data = null;
    try { data = JSON.parse(text); } catch { /* it is no JSON */ }
    return { status: response.status, text, data };
  }

  /** The address of the careless application's `path`, as part of this run. */
  careless(path) {
    return `/lab/careless/${path}?lab_run=${this.id}`;
  }

  /** Signs the victim in to the careless application. */
  async victim() {
    await expect(this.request("POST", "/lab/careless/login"), 200);
  }

  /** Signs the demo account in to the API itself. */
  async session() {
    await expect(this.request("POST", "/lab/sign-in"), 204);
  }

  /** Shows a page of the attacker's and waits for what it tells. */
  attackersPage(attack, origin = attacker) {
    this.evidence.replaceChildren();
    const frame = this.frame(`${origin}/${attack}#${this.id}`, "The attacker’s page, as the victim sees it");
    return this.message((event) => event.origin === origin && event.source === frame.contentWindow);
  }

  /**
   * The same, for an attack that needs the victim's cookie at `path`. Some browsers send no cookies from a frame of another
   * site; there it is made once more from another origin of this one, which no browser takes for foreign.
   */
  async againstVictim(attack, path) {
    await this.victim();
    const told = await this.attackersPage(attack);
    const sawNobody = (await this.exchanges()).some(({ target, status }) => target.startsWith(path) && status === 401);
    if (!sawNobody) return { told };
    return {
      told: await this.attackersPage(attack, neighbour),
      note: `This browser sent no cookie from the other site, so the lab attacked once more from ${neighbour}.`,
    };
  }

  /** Shows `url`, waits until a page of this origin has loaded there, and says whether a script of the attacker ran in it. */
  async ranIn(url, caption) {
    const frame = this.frame(url, caption);
    const told = this.message((event) => event.source === frame.contentWindow && event.data.ran === true);
    told.catch(() => {});
    await within(PATIENCE, new Promise((resolve) => {
      frame.addEventListener("load", () => {
        // The attacker's page, which leads to ours, loads first.
        if (!url.startsWith(attacker) || isOurs(frame)) resolve();
      });
    }), "the page did not load");
    return Promise.race([told.then(() => true, () => false), after(GRACE).then(() => false)]);
  }

  frame(url, caption) {
    const frame = element("iframe", { src: url, title: caption });
    this.evidence.append(element("figure", {}, element("figcaption", {}, caption), frame));
    this.evidence.hidden = false;
    return frame;
  }

  message(isMeant) {
    return within(PATIENCE, new Promise((resolve) => {
      const listen = (event) => {
        if (event.data?.run !== this.id || !isMeant(event)) return;
        removeEventListener("message", listen);
        resolve(event.data);
      };
      addEventListener("message", listen);
    }), "the attacker’s page told nothing");
  }

  /** What the server saw, once it has seen `count` exchanges. */
  async exchanges() {
    return (await fetch(`/lab/runs/${this.id}`)).json();
  }

  /** What the careless application holds. */
  async holdings() {
    return (await fetch("/lab/holdings")).json();
  }
}

function isOurs(frame) {
  try {
    return frame.contentWindow.location.origin === location.origin;
  } catch {
    return false;
  }
}

const after = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function within(milliseconds, promise, otherwise) {
  return Promise.race([promise, after(milliseconds).then(() => Promise.reject(new Error(otherwise)))]);
}

/** The response, which has one of these statuses, or the attack cannot go on. */
async function expect(response, ...statuses) {
  const found = await response;
  if (statuses.includes(found.status)) return found;
  throw new Error(`a step that prepares the attack was answered with ${found.status}`);
}

// -------------------------------------------------------------------------------------------------------- attacks

/** A script that carries something off and tells of it. */
function payload(run) {
  return `<script>document.body.append("This is the attacker’s script, running as " + origin);`
    + `fetch("/lab/careless/loot?lab_run=${run.id}", { method: "POST", body: document.cookie });`
    + `parent.postMessage({ run: "${run.id}", ran: true }, origin)</script>`;
}

const base64url = {
  encode: (value) => btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""),
  decode: (text) => JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/"))),
};

/** The demo account's own record, which a token or a key opens too. */
const OWN = "/users/1";

const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });

/** A token of the demo account that works, and the proof that it does. */
async function goodToken(run) {
  await run.session();
  const { data } = await expect(run.request("POST", "/token", { json: {} }), 200);
  await expect(run.request("GET", OWN, bearer(data.access_token)), 200);
  return data.access_token;
}

/**
 * Headers that the response to `path` had, as the rule that stopped it. Of a policy, which is long, the directive that
 * matters: `content-security-policy/script-src`.
 */
const byHeader = (path, ...wanted) => (exchanges) => {
  const answered = exchanges.findLast((exchange) => exchange.target.startsWith(path) && exchange.method === "GET")
    ?? exchanges.findLast((exchange) => exchange.target.startsWith(path));
  return wanted.flatMap((wanted) => {
    const [name, directive] = wanted.split("/");
    const values = (answered?.headers ?? []).filter(([known]) => known === name).map(([, value]) => value);
    const shown = directive
      ? values.flatMap((value) => value.split("; ")).filter((part) => part.split(" ")[0] === directive).map((part) => `… ${part} …`)
      : values;
    return shown.map((value) => ({ header: `${name}: ${value}` }));
  });
};

/** The refusals, each once. */
const byRefusal = (exchanges) => {
  const rules = exchanges.map((exchange) => exchange.rule).filter(Boolean);
  return rules.filter((rule, at) => rules.findIndex(({ code }) => code === rule.code) === at);
};

const byType = (type) => () => [{ type }];

/** Each attack: makes it, and says whether it was stopped, what else there is to say, and by which rule. */
const attacks = {
  async "foreign-fetch"(run) {
    const { told, note } = await run.againstVictim("foreign-fetch", "/lab/careless/account");
    return {
      stopped: !told.succeeded,
      note: [told.succeeded ? `It read ${told.read}.` : `What the script saw: ${told.error}.`, note],
      rules: (exchanges) => [
        ...byRefusal(exchanges),
        { header: "Access-Control-Allow-Origin", absent: "The bank writes it for every origin; only what the policy says leaves." },
      ],
    };
  },

  async "foreign-form"(run) {
    const before = (await run.holdings()).balance;
    const { note } = await run.againstVictim("foreign-form", "/lab/careless/transfer");
    const { balance } = await run.holdings();
    const stopped = balance === before;
    return {
      stopped,
      note: [stopped ? `She has ${balance} pebbles, as before.` : `She had ${before} pebbles, and has ${balance} now.`, note],
      rules: byRefusal,
    };
  },

  async "stolen-cookie"(run) {
    await run.victim();
    const login = document.cookie.split("; ").find((pair) => pair.startsWith("lab_login="));
    return {
      stopped: login === undefined,
      note: login === undefined ? `What it can read: ${document.cookie || "nothing"}.` : `It is ${login}.`,
      rules: byHeader("/lab/careless/login", "set-cookie"),
    };
  },

  async "stored-xss"(run) {
    await expect(run.request("POST", "/lab/careless/comments", { body: `Lovely bank! ${payload(run)}` }), 201);
    const ran = await run.ranIn(run.careless("comments"), "The page with the comment, as the victim sees it");
    return { stopped: !ran, note: await loot(run, ran), rules: byHeader("/lab/careless/comments", "content-security-policy/script-src") };
  },

  async "reflected-xss"(run) {
    const ran = await run.ranIn(`${attacker}/reflected-xss#${run.id}`, "Where the attacker’s page leads, as the victim sees it");
    return { stopped: !ran, note: await loot(run, ran), rules: byHeader("/lab/careless/search", "content-security-policy/script-src") };
  },

  async framing(run) {
    const { told, note } = await run.againstVictim("framing", "/lab/careless/bank");
    return {
      stopped: !told.succeeded,
      note,
      rules: byHeader("/lab/careless/bank", "x-frame-options", "content-security-policy/frame-ancestors"),
    };
  },

  async sniffing(run) {
    await expect(run.request("POST", "/lab/careless/upload", { body: `<!doctype html><body>${payload(run)}` }), 201);
    const ran = await run.ranIn(run.careless("upload"), "The upload, as the victim sees it");
    return {
      stopped: !ran,
      note: await loot(run, ran),
      rules: byHeader("/lab/careless/upload", "x-content-type-options", "content-security-policy/sandbox"),
    };
  },

  async "sql-injection"(run) {
    await run.session();
    const name = await run.request("GET", `/users?name=${encodeURIComponent("' OR '1'='1")}`);
    const id = await run.request("GET", `/users/${encodeURIComponent("1 OR 1=1")}`);
    const rows = Array.isArray(name.data) ? name.data : [];
    return {
      stopped: name.status === 200 && rows.length === 0 && id.status === 422,
      note: `The search found ${rows.length} users; the id was answered with ${id.status}.`,
      rules: byType("sqlx::query(&'static str).bind(…)"),
    };
  },

  async "command-injection"(run) {
    await run.session();
    const answers = [];
    for (const host of ["127.0.0.1; id", "$(id)", "-f", "localhost\n"]) {
      answers.push(await run.request("GET", `/ping?host=${encodeURIComponent(host)}`));
    }
    return { stopped: answers.every(({ status }) => status === 400), rules: byType("bartizan_sinks::command::Hostname") };
  },

  async "path-traversal"(run) {
    await run.session();
    const answers = [];
    for (const name of ["..%2f..%2f..%2fetc%2fpasswd", "..%5c..%5cetc%5cpasswd", "..%252f..%252fetc%252fpasswd", "%00passwd"]) {
      answers.push(await run.request("GET", `/files/${name}`));
    }
    return {
      stopped: answers.every(({ status, text }) => status === 400 && !text.includes("root:")),
      rules: (exchanges) => [...byRefusal(exchanges), { type: "bartizan_sinks::path::ConfinedDir" }],
    };
  },

  async "forged-token"(run) {
    const [header, claims, signature] = (await goodToken(run)).split(".");
    const forged = [header, base64url.encode({ ...base64url.decode(claims), sub: "admin", scope: "admin" }), signature].join(".");
    const answer = await run.request("GET", OWN, bearer(forged));
    return { stopped: answer.status === 401, rules: byRefusal };
  },

  async "expired-token"(run) {
    await run.session();
    const { data } = await expect(run.request("POST", "/lab/expired-token"), 200);
    const answer = await run.request("GET", OWN, bearer(data.token));
    return { stopped: answer.status === 401, rules: byRefusal };
  },

  async "unsigned-token"(run) {
    const [header, claims] = (await goodToken(run)).split(".");
    const unsigned = `${base64url.encode({ ...base64url.decode(header), alg: "none" })}.${claims}.`;
    const answer = await run.request("GET", OWN, bearer(unsigned));
    return { stopped: answer.status === 401, rules: byRefusal };
  },

  async "replayed-token"(run) {
    await run.session();
    const { data } = await expect(run.request("GET", "/csrf-token"), 200);
    const transfer = () => run.request("POST", "/transfer", {
      json: { to: "bob", amount: 1 },
      headers: { "X-CSRF-Token": data.csrf_token },
    });
    await expect(transfer(), 200, 201, 204);
    const again = await transfer();
    return { stopped: again.status === 403, rules: byRefusal };
  },

  async "guessed-password"(run) {
    const guesses = ["123456", "password", "qwerty", "letmein", "wonderland", "iloveyou", "dragon"];
    const answers = [];
    for (const password of guesses) {
      answers.push(await run.request("POST", "/login", { json: { username: "carol", password } }));
    }
    const looked = answers.filter(({ status }) => status === 401).length;
    return {
      stopped: answers.at(-1).status === 429,
      note: `${looked} of ${guesses.length} guesses were looked at. It is carol’s account alone, and this address alone, that waits now.`,
      rules: byRefusal,
    };
  },

  async "leaked-key"(run) {
    await run.session();
    const { data: old } = await expect(run.request("POST", "/api-keys", { json: { name: "lab", scopes: ["read"] } }), 200, 201);
    const withKey = (key) => run.request("GET", OWN, { headers: { "X-API-Key": key } });
    await expect(withKey(old.key), 200);
    const { data: next } = await expect(run.request("POST", "/api-keys/rotate", { json: { id: old.id, grace_seconds: 0 } }), 200, 201);
    await expect(withKey(next.key), 200);
    const answer = await withKey(old.key);
    await run.request("DELETE", `/api-keys/${next.id}`);
    return { stopped: answer.status === 401, rules: byRefusal };
  },
};

async function loot(run, ran) {
  if (!ran) return "Nothing was carried off.";
  const { loot: times } = await run.holdings();
  return `It sent the page’s cookies away; the server has seen ${times === 1 ? "one such request" : `${times} such requests`} so far.`;
}

// ---------------------------------------------------------------------------------------------------- showing it

/** What is on a card while and after its attack is run. */
async function show(card) {
  const button = card.querySelector(".run");
  if (button.getAttribute("aria-disabled") === "true") return;
  const verdict = card.querySelector(".verdict");
  const run = new Run(card);
  button.setAttribute("aria-disabled", "true");
  button.textContent = "Running…";
  verdict.replaceChildren();
  delete verdict.dataset.outcome;
  run.evidence.replaceChildren();
  run.evidence.hidden = true;
  try {
    const { stopped, note, rules } = await attacks[card.id](run);
    const exchanges = await run.exchanges();
    verdict.dataset.outcome = stopped ? "stopped" : "succeeded";
    verdict.append(
      element("h4", {}, stopped ? "Stopped" : "The attack succeeded"),
      element("p", {}, [stopped ? card.dataset.stopped : card.dataset.succeeded, note].flat().filter(Boolean).join(" ")),
    );
    if (stopped) verdict.append(...rules(exchanges).map(ruleLine));
    run.evidence.append(...exchanges.map(exchangeDetails));
    run.evidence.hidden = exchanges.length === 0;
  } catch (error) {
    verdict.dataset.outcome = "failed";
    verdict.append(
      element("h4", {}, "The lab could not run this"),
      element("p", {}, `${error.message}. Is the demo still running, and has this browser kept its cookies?`),
    );
    const exchanges = await run.exchanges().catch(() => []);
    run.evidence.append(...exchanges.map(exchangeDetails));
    run.evidence.hidden = exchanges.length === 0;
  }
  button.setAttribute("aria-disabled", "false");
  button.textContent = "Run again";
  count();
}

/** One line for the rule that stopped it: a refusal's code, a header, or a type. */
function ruleLine(rule) {
  const line = element("p", { class: "rule" });
  if (rule.code) {
    line.append("Refused by ", element("a", { href: `/lab/rules/${rule.code}` }, code(rule.code)), `: ${rule.title}`);
  } else if (rule.absent) {
    line.append("Not in the answer: ", code(rule.header), `. ${rule.absent}`);
  } else if (rule.header) {
    line.append("By the header ", code(rule.header));
  } else {
    line.append("By the type ", code(rule.type));
  }
  return line;
}

/** A request and its response, to be opened. */
function exchangeDetails(exchange) {
  const text = (title, content) => [
    element("h5", {}, title),
    // Focusable, because what scrolls must be reachable without a mouse.
    element("pre", { tabindex: "0", role: "group", "aria-label": title }, content),
  ];
  const shown = exchange.target.replace(/[?&]lab_run=[^&]*/, "");
  return element(
    "details",
    {},
    element("summary", {}, code(`${exchange.method} ${shown}`), element("span", { class: "status" }, String(exchange.status))),
    ...text("Request", exchange.request),
    ...text("Response", exchange.response),
  );
}

function count() {
  const verdicts = [...document.querySelectorAll(".verdict[data-outcome]")];
  const stopped = verdicts.filter((verdict) => verdict.dataset.outcome === "stopped").length;
  const succeeded = verdicts.filter((verdict) => verdict.dataset.outcome === "succeeded").length;
  document.getElementById("tally").textContent =
    `${stopped} of ${verdicts.length} stopped${succeeded ? `, ${succeeded} succeeded` : ""}.`;
}

// ------------------------------------------------------------------------------------------------------- switches

/** Shows which controls are off. */
function showOff(off) {
  const names = new Map();
  for (const button of document.querySelectorAll(".switch")) {
    const isOff = off.includes(button.dataset.switch);
    button.setAttribute("aria-checked", String(!isOff));
    button.closest(".what").querySelector(".line").hidden = !isOff;
    if (isOff) names.set(button.dataset.switch, button.dataset.title);
  }
  document.getElementById("off").textContent = [...names.values()].join(", ");
  document.getElementById("banner").hidden = names.size === 0;
}

async function change(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (response.ok) showOff((await response.json()).off);
}

// ----------------------------------------------------------------------------------------------------------- start

const cards = [...document.querySelectorAll(".card")];

for (const card of cards) {
  card.querySelector(".run").addEventListener("click", () => show(card));
  const button = card.querySelector(".switch");
  button?.addEventListener("click", () => {
    change(`/lab/switches/${button.dataset.switch}`, { off: button.getAttribute("aria-checked") === "true" });
  });
}

document.getElementById("restore").addEventListener("click", async () => {
  await change("/lab/restore", {});
  // The button is gone with its banner: the focus goes to what it was about.
  document.getElementById("run-all").focus();
});

document.getElementById("run-all").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  for (const card of cards) await show(card);
  button.setAttribute("aria-disabled", "false");
});
