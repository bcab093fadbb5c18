// The attacks. What each sends is here; the words of its card are in `cards.rs`.

/** A script that carries something off and tells of it. In ASCII: an upload without a type has no charset either. */
function payload(run) {
  return `<script>document.body.append("A script of the attacker, running as " + origin);`
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
    const values = (answered?.headers ?? []).filter(([known]) => known === name.toLowerCase()).map(([, value]) => value);
    const shown = directive
      ? values.flatMap((value) => value.split("; ")).filter((part) => part.split(" ")[0] === directive).map((part) => `… ${part} …`)
      : values;
    return shown.map((value) => ({ header: `${name}: ${value}` }));
  });
};

/** A header that the application writes, and that no answer to `path` had. */
const byAbsence = (path, name) => (exchanges) => {
  const answers = exchanges.filter(({ target }) => target.startsWith(path));
  if (answers.some(({ headers }) => headers.some(([known]) => known === name))) return [];
  return [{ header: name, absent: "The bank writes it for every origin; only what the policy says leaves." }];
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
        ...byAbsence("/lab/careless/account", "Access-Control-Allow-Origin")(exchanges),
      ],
    };
  },

  async "foreign-form"(run) {
    const before = (await run.holdings()).balance;
    const { tried, note } = await run.againstVictim("foreign-form", "/lab/careless/transfer");
    const { balance } = await run.holdings();
    // Not by the balance: another window may move money, or put it back.
    const stopped = !tried.some(({ status }) => status === 200);
    return {
      stopped,
      note: [stopped ? `She has ${balance} pebbles, as before.` : `She had ${before} pebbles, and has ${balance} now.`, note],
      rules: byRefusal,
    };
  },

  async "stolen-cookie"(run) {
    await run.victim();
    await expect(run.request("GET", "/lab/careless/account"), 200);
    const readable = document.cookie.split("; ").filter(Boolean);
    const login = readable.find((pair) => pair.startsWith("lab_login="));
    const names = readable.map((pair) => pair.split("=")[0]).join(", ") || "none";
    return {
      stopped: login === undefined,
      note: login === undefined ? `A script can read ${names}.` : `It is ${login}.`,
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
    const name = await expect(run.request("GET", `/users?name=${encodeURIComponent("' OR '1'='1")}`), 200);
    const id = await run.request("GET", `/users/${encodeURIComponent("1 OR 1=1")}`);
    const rows = Array.isArray(name.data) ? name.data : [];
    return {
      stopped: rows.length === 0 && refuses(id, 422),
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
    return { stopped: answers.every((answer) => refuses(answer, 400)), rules: byType("bartizan_sinks::command::Hostname") };
  },

  async "path-traversal"(run) {
    await run.session();
    const answers = [];
    for (const name of ["..%2f..%2f..%2fetc%2fpasswd", "..%5c..%5cetc%5cpasswd", "..%252f..%252fetc%252fpasswd", "%00passwd"]) {
      answers.push(await run.request("GET", `/files/${name}`));
    }
    return {
      stopped: answers.every((answer) => refuses(answer, 400)),
      rules: (exchanges) => [...byRefusal(exchanges), { type: "bartizan_sinks::path::ConfinedDir", isBehind: true }],
    };
  },

  async "forged-token"(run) {
    const [header, claims, signature] = (await goodToken(run)).split(".");
    const forged = [header, base64url.encode({ ...base64url.decode(claims), sub: "admin", scope: "admin" }), signature].join(".");
    const answer = await run.request("GET", OWN, bearer(forged));
    return { stopped: refuses(answer, 401), rules: byRefusal };
  },

  async "expired-token"(run) {
    await run.session();
    const { data } = await expect(run.request("POST", "/lab/expired-token"), 200);
    const answer = await run.request("GET", OWN, bearer(data.token));
    return { stopped: refuses(answer, 401), rules: byRefusal };
  },

  async "unsigned-token"(run) {
    const [header, claims] = (await goodToken(run)).split(".");
    const unsigned = `${base64url.encode({ ...base64url.decode(header), alg: "none" })}.${claims}.`;
    const answer = await run.request("GET", OWN, bearer(unsigned));
    return { stopped: refuses(answer, 401), rules: byRefusal };
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
    return { stopped: refuses(again, 403), rules: byRefusal };
  },

  async "guessed-password"(run) {
    const guesses = ["123456", "password", "qwerty", "letmein", "wonderland", "iloveyou", "dragon"];
    const answers = [];
    for (const password of guesses) {
      answers.push(await run.request("POST", "/login", { json: { username: "carol", password } }));
    }
    const looked = answers.filter(({ status }) => status === 401).length;
    return {
      stopped: refuses(answers.at(-1), 429),
      note: `${looked} of ${guesses.length} guesses were looked at${looked ? "" : ", as there were some before"}. Only the name carol waits now, and only from this address.`,
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
    return { stopped: refuses(answer, 401), rules: byRefusal };
  },
};

async function loot(run, ran) {
  if (!ran) return "Nothing was carried off.";
  // The script tells of itself before its request has come.
  await run.reached("/lab/careless/loot", 1);
  const { loot: times } = await run.holdings();
  return `It sent the page’s cookies away; the server has seen ${times === 1 ? "one such request" : `${times} such requests`} so far.`;
}
