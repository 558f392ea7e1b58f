// Refreshes the report of a running search without loading the page again. The service answers a
// question for its status after a moment, so this script needs no timer, which browsers slow down
// in a tab that is not seen. What has changed is replaced part by part: the place on the page, open
// tables, their scrolling and a selection stay as they are.
(() => {
  "use strict";
  const TOP = 60; // pixels below the top of the window that the bar of links covers
  const PARTS = "main > header, main > section, main > footer";
  const live = document.getElementById("live");
  const state = document.getElementById("live-state");
  const tip = document.getElementById("tip");
  const query = new URLSearchParams(location.search);
  query.set("page", Math.random().toString(36).slice(2));
  let version = live.dataset.version;
  let shown = partsOf(document);
  let answered = new Date();

  function nameOf(part) {
    return part.id || part.localName;
  }

  function partsOf(doc) {
    return new Map([...doc.querySelectorAll(PARTS)].map((part) => [nameOf(part), part.outerHTML]));
  }

  // Names an element by its nearest ancestor with an id and by its place among its kind there.
  function place(element) {
    const home = element.parentElement.closest("[id]") || document.body;
    const same = [...home.querySelectorAll(element.localName + (element.className ? `.${CSS.escape(element.classList[0])}` : ""))];
    return [home.id, element.localName, element.classList[0] || "", same.indexOf(element)];
  }

  function at([id, name, kind, index]) {
    const home = id ? document.getElementById(id) : document.body;
    return home && home.querySelectorAll(name + (kind ? `.${CSS.escape(kind)}` : ""))[index];
  }

  function remember() {
    const within = (selector) => [...document.querySelectorAll(selector)];
    const anchor = within("main > [id], main figure[id], main h3").find((each) => each.getBoundingClientRect().bottom > TOP);
    const focused = document.activeElement;
    return {
      open: within("details[open]").map(place),
      scrolled: within("main .scroll, main .pan").filter((each) => each.scrollLeft || each.scrollTop)
        .map((each) => [place(each), each.scrollLeft, each.scrollTop]),
      focused: focused && focused.closest("main") ? place(focused) : null,
      anchor: anchor && [place(anchor), anchor.id, anchor.getBoundingClientRect().top],
    };
  }

  function restore(kept) {
    kept.open.forEach((key) => { const found = at(key); if (found) found.open = true; });
    kept.scrolled.forEach(([key, left, top]) => {
      const found = at(key);
      if (found) { found.scrollLeft = left; found.scrollTop = top; }
    });
    const focused = kept.focused && at(kept.focused);
    if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true });
    if (!kept.anchor) return;
    const [key, id, top] = kept.anchor;
    const anchor = (id && document.getElementById(id)) || at(key);
    if (anchor) scrollBy({ top: anchor.getBoundingClientRect().top - top, behavior: "instant" });
  }

  const isInUse = () => !tip.hidden || !getSelection().isCollapsed;

  function replace(text) {
    const doc = new DOMParser().parseFromString(text, "text/html");
    const fresh = doc.getElementById("live");
    if (!fresh) return;
    const parts = [...doc.querySelectorAll(PARTS)];
    const changed = parts.filter((part) => shown.get(nameOf(part)) !== part.outerHTML);
    shown = partsOf(doc);
    const kept = remember();
    const now = new Map([...document.querySelectorAll(PARTS)].map((part) => [nameOf(part), part]));
    for (const part of changed) {
      const old = now.get(nameOf(part));
      if (old) old.replaceWith(document.importNode(part, true));
    }
    document.getElementById("trials").textContent = doc.getElementById("trials").textContent;
    version = fresh.dataset.version;
    restore(kept);
    document.dispatchEvent(new Event("report:replaced"));
  }

  function tell(answer) {
    state.textContent = answer.sentence;
    live.dataset.state = answer.state;
    document.title = answer.title;
    const doc = new DOMParser().parseFromString(answer.facts, "text/html");
    document.getElementById("live-facts").replaceWith(doc.getElementById("live-facts"));
  }

  async function ask(path) {
    const answer = await fetch(`${path}?${query}`, { cache: "no-store" });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    answered = new Date();
    return answer;
  }

  async function go() {
    for (;;) {
      try {
        query.set("have", version);
        const answer = await (await ask("status")).json();
        tell(answer);
        if (answer.version !== version && !isInUse()) replace(await (await ask("./")).text());
        else if (answer.version === version && answer.ended) return;
      } catch (error) {
        const since = answered.toLocaleTimeString();
        const why = error instanceof TypeError ? "textcls-tune watch does not answer" : error.message;
        state.textContent = `${why} (last answer at ${since}). Start it again to go on watching.`;
        live.dataset.state = "lost";
        await new Promise((done) => setTimeout(done, 5000));
      }
    }
  }

  go();
})();
