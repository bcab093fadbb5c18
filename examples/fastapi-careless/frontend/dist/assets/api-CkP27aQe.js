export const cookie = (name) =>
  document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);

export const post = (path, body) =>
  fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrf-token": cookie("csrftoken") ?? "" },
    body: JSON.stringify(body),
  });
