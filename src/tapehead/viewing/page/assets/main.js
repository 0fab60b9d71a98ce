// Where everything begins.

function showFacts(app) {
  const { held } = app;
  const facts = held.facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  document.getElementById("facts").replaceChildren(...facts);
  const files = Object.entries(held.files).map(([name, address]) => element("a", { href: address }, name));
  document.getElementById("files").replaceChildren(...files);
  document.getElementById("files-box").hidden = !files.length;
  const settings = Object.entries(held.settings).map(([part, values]) =>
    element("div", {}, element("h3", {}, part), element("dl", {}, ...values.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]))),
  );
  document.getElementById("settings").replaceChildren(...settings);
}

function showEpisodes(app) {
  const { recordings } = app.held;
  const box = document.getElementById("episodes");
  const buttons = recordings.map(({ label }, n) =>
    element("button", { "aria-pressed": String(n === app.number), onclick: () => app.open(n) }, label || "episode"),
  );
  box.replaceChildren(...buttons);
  box.hidden = recordings.length < 2;
  const counted = document.getElementById("counted");
  counted.textContent = app.held.counted;
  counted.hidden = box.hidden || !app.held.counted;
  document.getElementById("player").hidden = !recordings.length;
}

function begin() {
  const held = JSON.parse(document.getElementById("data").textContent);
  const kept = (() => {
    try {
      return localStorage.getItem("tapehead-theme");
    } catch {
      return null; // a browser that keeps nothing for files
    }
  })();
  const wish = matchMedia("(prefers-color-scheme: dark)");
  setTheme(kept ?? (wish.matches ? "dark" : "light"), held.colours);
  const app = new App(held);
  const run = held.run ? [" ", element("small", {}, held.run)] : [];
  document.getElementById("title").replaceChildren(held.title, ...run);
  document.getElementById("learning").append(app.curve.root);
  document.getElementById("learning").hidden = app.curve.empty && !held.live;
  const change = (name) => {
    setTheme(name, held.colours);
    if (app.recording) app.layout();
    else app.curve.layout();
  };
  document.getElementById("theme").addEventListener("click", () => {
    const name = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    change(name);
    try {
      localStorage.setItem("tapehead-theme", name);
    } catch {
      // It holds until the page is closed.
    }
  });
  wish.addEventListener("change", () => change(wish.matches ? "dark" : "light"));
  showFacts(app);
  showEpisodes(app);
  app.listen();
  if (held.recordings.length) app.open(held.begin);
  else app.curve.layout();
  if (held.live) follow(app);
  document.getElementById("settings-box").addEventListener("toggle", () => app.curve.layout());
}

begin();
