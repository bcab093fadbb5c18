// Opens pages in frames, does to each what a reader would do, and tells what they did.

const proto = (object, name) => Object.getOwnPropertyDescriptor(object.prototype, name);

const frames = new Map();

// Called by the pages: code of theirs has run.
function hit(window, what) {
  frames.get(window)?.add(what);
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function openAll(urls, wait, allowed) {
  return Promise.all(urls.map((url) => openOne(url, wait, allowed)));
}

async function openOne(url, wait, allowed) {
  const frame = document.createElement('iframe');
  frame.style = 'position:fixed;left:0;top:0;width:400px;height:300px;border:0';
  document.body.append(frame);
  const ran = new Set();
  const loaded = new Promise((resolve) => { frame.onload = resolve });
  frames.set(frame.contentWindow, ran);
  frame.src = url;
  // A page that waits for what never comes is looked at as it is.
  await Promise.race([loaded, sleep(3000)]);
  const page = frame.contentWindow;
  const faults = allowed ? walk(page, allowed) : [];
  interact(page, ran);
  const end = performance.now() + wait;
  do {
    await sleep(20);
    effects(page, ran);
  } while (performance.now() < end && (allowed || !ran.has('code')));
  frames.delete(page);
  frame.remove();
  return { ran: [...ran], faults };
}

const all = (page) => [...page.Document.prototype.querySelectorAll.call(page.document, '*')];

// Moves over everything, looks at it, presses it. Nothing leaves but by a URL that is code.
function interact(page, ran) {
  const isCode = (url) => /^javascript:/i.test(url);
  const stay = (event) => {
    const link = event.target?.closest?.('a, area');
    const url = link && (link.href?.baseVal ?? link.href);
    if (link && !isCode(String(url))) event.preventDefault();
  };
  page.addEventListener('click', stay, true);
  page.addEventListener('submit', (event) => {
    const by = event.submitter?.hasAttribute('formaction') ? event.submitter.formAction : event.target.action;
    if (!isCode(String(by))) event.preventDefault();
  }, true);
  for (const element of all(page)) {
    for (const type of ['pointerover', 'mouseover', 'mousedown', 'mouseup', 'focus', 'focusin', 'click']) {
      const Kind = type.startsWith('focus') ? page.FocusEvent : page.MouseEvent;
      try {
        element.dispatchEvent(new Kind(type, { bubbles: true, cancelable: true, composed: true, view: page }));
      } catch {
        // A clobbered method; effects() tells.
      }
    }
  }
}

// What an attack does that is no code of its own.
function effects(page, ran) {
  const { document } = page;
  if (typeof page.config !== 'undefined') ran.add('window.config is an element');
  for (const [name, type] of [['cookie', 'string'], ['getElementById', 'function'], ['querySelector', 'function']]) {
    if (typeof document[name] !== type) ran.add(`document.${name} is an element`);
  }
  if (document.body !== proto(page.Document, 'body').get.call(document)) ran.add('document.body is another');
  const base = proto(page.Node, 'baseURI').get.call(document);
  if (base.split('#')[0] !== page.location.href.split('#')[0]) ran.add('the base URL is another');
  const canary = page.Document.prototype.getElementById.call(document, 'canary');
  const seen = page.Document.prototype.elementFromPoint.call(document, 5, 18);
  if (seen !== canary || page.getComputedStyle(canary).visibility !== 'visible') ran.add('the canary is covered');
}

// Everything that may not be there, in the page and after its content was written out and read again.
function walk(page, allowed) {
  const faults = [];
  const fault = (number, what) => faults.push({ case: number, what });
  const { document } = page;
  const cases = [...document.querySelectorAll('body > section')];
  const rest = [...document.body.children].filter((element) => element.localName !== 'section');
  const count = document.getElementById('end')?.textContent;
  if (String(cases.length) !== count) fault(null, `${cases.length} sections of ${count}`);
  if (rest.map((element) => element.id).join() !== 'canary,end') fault(null, 'something stands beside the sections');
  cases.forEach((section, number) => {
    check(section, allowed, (what) => fault(number, what));
    const html = section.innerHTML;
    const item = document.createElement('div');
    for (const [list, name] of [['ul', 'li'], ['dl', 'dd']]) {
      item.innerHTML = `<${list}><${name}><div>${html}</div></${name}></${list}>`;
      const chain = [item, item.firstChild, item.firstChild.firstChild];
      if (chain.some((element) => element.childNodes.length !== 1)) fault(number, `it leaves its <${name}>`);
    }
    for (const context of ['section', 'div', 'blockquote', 'td', 'li', 'p', 'b', 'template']) {
      const other = document.createElement(context);
      other.innerHTML = html;
      const read = other.content ?? other;
      check(read, allowed, (what) => fault(number, `in <${context}>: ${what}`));
      // Browsers write no newline for the one that they do not read there.
      const same = context === 'p' || /<pre[^>]*>\n/.test(html) || other.innerHTML === html;
      if (!same) fault(number, `in <${context}>, read again: ${other.innerHTML}`);
    }
  });
  return faults;
}

function check(root, allowed, fault) {
  for (const element of root.querySelectorAll('*')) {
    const name = element.localName;
    if (element.namespaceURI !== 'http://www.w3.org/1999/xhtml') fault(`<${name}> of another grammar`);
    if (!allowed.elements.includes(name)) fault(`<${name}>`);
    if (element.shadowRoot) fault(`<${name}> has a shadow root`);
    for (const { name: attribute, value } of element.attributes) {
      if (!allowed.attributes.includes(attribute)) fault(`<${name} ${attribute}>`);
      if (['href', 'src', 'cite'].includes(attribute)) {
        const { protocol } = new URL(value, 'https://page.example/');
        if (!allowed.protocols.includes(protocol)) fault(`<${name} ${attribute}> is ${protocol}`);
      }
      if (['id', 'name'].includes(attribute) && !value.startsWith('user-')) fault(`<${name} ${attribute}=${value}>`);
      if (attribute === 'class' && value !== 'note') fault(`<${name} class=${value}>`);
    }
    if (name === 'a' && element.hasAttribute('href') && !/\bnoopener\b/.test(element.rel)) fault('a link without rel');
  }
}
