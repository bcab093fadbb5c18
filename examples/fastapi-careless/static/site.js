// Marks the link of the page that we are on.
for (const link of document.querySelectorAll("nav a")) {
  if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
}
document.documentElement.dataset.script = "ran";
