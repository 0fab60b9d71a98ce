// While a training goes on: the newest rows and the newest episode, every two seconds.

function follow(app) {
  const said = document.getElementById("live");
  said.hidden = false;
  let version = app.held.version;
  let missed = 0;
  const again = async () => {
    try {
      const answer = await fetch(`live.json?version=${version}`, { cache: "no-store" });
      missed = 0;
      if (answer.status === 200) {
        const held = await answer.json();
        version = held.version;
        const { number = held.begin } = app;
        const step = app.recording ? app.step : null;
        app.held = held;
        showFacts(app);
        showEpisodes(app);
        app.curve.update(held.curve);
        if (held.recordings.length) await app.open(Math.min(number, held.recordings.length - 1), { step, keep: true });
        said.textContent = held.live ? "live" : "training has ended";
        said.classList.remove("ended");
        if (!held.live) {
          said.classList.add("ended");
          return;
        }
      }
    } catch {
      missed++;
      said.textContent = "the training is out of reach";
      said.classList.add("ended");
      if (missed > 30) return;
    }
    setTimeout(again, 2000);
  };
  setTimeout(again, 1000);
}
