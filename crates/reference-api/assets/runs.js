// One run of an attack: how it is made, and what the server saw of it.

/** The attacker's site; and its origin of this very site, by another port, for browsers that keep cookies from other sites. */
const { attacker, neighbour } = document.documentElement.dataset;

/** How long an attack may take to show a result, in milliseconds. */
const PATIENCE = 10_000;

/** How long a script that runs may take to say so once its page has loaded, in milliseconds. */
const GRACE = 400;

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
    if (isTooMany(response)) throw new Later(response.headers.get("Retry-After"));
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
    const tried = await this.reached(path, 1);
    if (!tried.some(({ status }) => status === 401)) return { told, tried };
    return {
      told: await this.attackersPage(attack, neighbour),
      tried: await this.reached(path, tried.length + 1),
      note: `This browser sent no cookie from the other site, so the lab attacked once more from ${neighbour}.`,
    };
  }

  /** What the server saw at `path`, once it has seen `count` requests: what never came was not stopped here. */
  async reached(path, count) {
    for (const end = Date.now() + PATIENCE; ; await after(50)) {
      const tried = (await this.exchanges()).filter(({ target }) => target.startsWith(path));
      if (tried.length >= count) return tried;
      if (Date.now() > end) throw new Error("something else kept the attack from this application");
    }
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

  /** What the server saw. */
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

/** A limit of the policy answered before anything looked at the attack. */
class Later extends Error {
  constructor(seconds) {
    super(`So many requests were sent that a limit of the policy refused this one unread. Run it again in ${seconds} seconds.`);
  }
}

/** Whether a limit on requests has nothing left; too many failed logins leave something. */
function isTooMany({ status, headers }) {
  return status === 429 && /;r=0(;|$)/.test(headers.get("RateLimit") ?? "");
}

/** Whether the answer refuses the attack by `status`. Any other than that or a success says nothing of it. */
function refuses(answer, status) {
  if (answer.status !== status && answer.status >= 300) throw new Error(`the attack was answered with ${answer.status}`);
  return answer.status === status;
}

/** The response, which has one of these statuses, or the attack cannot go on. */
async function expect(response, ...statuses) {
  const found = await response;
  if (statuses.includes(found.status)) return found;
  throw new Error(`a step that prepares the attack was answered with ${found.status}`);
}
