// Elements of the lab's page. It runs under Trusted Types without any policy: nothing here makes HTML from text.

/** An element with attributes and children; a text is a text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const code = (text) => element("code", {}, text);
