// The attack lab: makes each attack, asks the server what it saw of it, and shows both.
// The page's one script is `elements.js`, `runs.js`, `attacks.js` and this, one behind the other.

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
    const lines = stopped ? rules(exchanges).map(ruleLine) : [];
    if (stopped && lines.length === 0) throw new Error("the attack did not succeed, and no rule of this application stopped it");
    verdict.dataset.outcome = stopped ? "stopped" : "succeeded";
    verdict.append(
      element("h4", {}, stopped ? "Stopped" : "The attack succeeded"),
      element("p", {}, [stopped ? card.dataset.stopped : card.dataset.succeeded, note].flat().filter(Boolean).join(" ")),
      ...lines,
    );
    run.evidence.append(...exchanges.map(exchangeDetails));
    run.evidence.hidden = exchanges.length === 0;
  } catch (error) {
    tellFailure(verdict, "The lab could not run this", error);
    const exchanges = await run.exchanges().catch(() => []);
    run.evidence.append(...exchanges.map(exchangeDetails));
    run.evidence.hidden = exchanges.length === 0;
  }
  button.setAttribute("aria-disabled", "false");
  button.textContent = "Run again";
  count();
  // Another window may have switched a control, and the verdict says how it stood.
  await refreshSwitches();
}

/** Says on a card what could not be done, and what to do. */
function tellFailure(verdict, what, error) {
  verdict.dataset.outcome = "failed";
  const advice = error instanceof Later ? "" : ". Is the demo still running, and has this browser kept its cookies?";
  const why = error.message.charAt(0).toUpperCase() + error.message.slice(1);
  verdict.replaceChildren(element("h4", {}, what), element("p", {}, `${why}${advice}`));
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
  } else if (rule.isBehind) {
    line.append("Behind it, for what the rules let through: the type ", code(rule.type));
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
  const [stopped, succeeded, failed] = ["stopped", "succeeded", "failed"].map(
    (outcome) => verdicts.filter((verdict) => verdict.dataset.outcome === outcome).length,
  );
  document.getElementById("tally").textContent =
    `${stopped} of ${verdicts.length} stopped${succeeded ? `, ${succeeded} succeeded` : ""}${failed ? `, ${failed} could not run` : ""}.`;
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

let questions = 0;

async function change(path, body) {
  questions += 1;
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`the switch was answered with ${response.status}`);
  showOff((await response.json()).off);
}

/** Shows what is off now. Where nothing answers, the page stays as it is. */
async function refreshSwitches() {
  const own = ++questions;
  const response = await fetch("/lab/switches").catch(() => null);
  // An answer that a later question has overtaken says what was.
  if (response?.ok && own === questions) showOff((await response.json()).off);
}

// ----------------------------------------------------------------------------------------------------------- start

const cards = [...document.querySelectorAll(".card")];

for (const card of cards) {
  card.querySelector(".run").addEventListener("click", () => show(card));
  const button = card.querySelector(".switch");
  button?.addEventListener("click", () => {
    change(`/lab/switches/${button.dataset.switch}`, { off: button.getAttribute("aria-checked") === "true" })
      .catch((error) => tellFailure(card.querySelector(".verdict"), "The control stays as it is", error))
      .finally(count);
  });
}

document.getElementById("restore").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  try {
    await change("/lab/restore", {});
  } catch {
    button.textContent = "Nothing answered. Try again";
    return;
  }
  button.textContent = "Put everything back";
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

// Coming back, by the back button or from another window, shows what is off now and not what was.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") refreshSwitches();
});
