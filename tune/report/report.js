// What hovering shows. A drawing is a few paths; each subpath of a path with data-n belongs to the
// trial of that place in the list, each of one with data-tips has words of its own.
(() => {
  "use strict";
  const REACH = 26; // pixels between the pointer and what it means
  const NS = "http://www.w3.org/2000/svg";
  let known = {};
  const tip = document.getElementById("tip");
  const drawings = new Map();
  let shown = null;
  let waiting = null;
  let pinned = null; // the trial whose curve was asked for in a table

  // Called again by live.js where it has replaced parts of the page.
  function begin() {
    hide();
    known = JSON.parse(document.getElementById("trials").textContent);
    drawings.clear();
    pin(pinned);
  }

  function pin(trial) {
    document.querySelectorAll(".pinned").forEach((note) => note.remove());
    pinned = trial;
    if (trial !== null) {
      readAll();
      const caption = document.querySelector("#learning-curves figcaption");
      if (caption) add(caption, "em", `Trial ${trial} is drawn in the colour of the text; Escape ends that.`, "pinned");
    }
    highlight(null);
  }

  const shapesOf = (path) =>
    path.getAttribute("d").split("M").slice(1).map((text) =>
      text.replace("h0", "").split("L").map((point) => point.split(" ").map(Number)));

  function read(area) {
    const svg = area.querySelector("svg.marks");
    const marks = [];
    for (const path of svg.querySelectorAll("path[data-n], path[data-tips]")) {
      const numbers = path.dataset.n ? path.dataset.n.split(" ") : [];
      const tips = path.dataset.tips ? JSON.parse(path.dataset.tips) : [];
      shapesOf(path).forEach((points, at) => {
        marks.push({ points, trial: numbers[at], words: tips[at], look: path.getAttribute("class") });
      });
    }
    drawings.set(area, { svg, marks });
  }

  function readAll() {
    if (drawings.size === 0) document.querySelectorAll("figure .area").forEach(read);
  }

  function toSegment(x, y, [ax, ay], [bx, by]) {
    const dx = bx - ax, dy = by - ay;
    const along = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
    return Math.hypot(x - ax - along * dx, y - ay - along * dy);
  }

  function nearest(area, event) {
    const { svg, marks } = drawings.get(area);
    const box = svg.getBoundingClientRect();
    const scale = ([x, y]) => [(x / 1000) * box.width, (y / 1000) * box.height];
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let found = null, least = REACH;
    for (const mark of marks) {
      const points = mark.points.map(scale);
      let distance = Infinity;
      points.forEach((point, at) => {
        distance = Math.min(distance, toSegment(x, y, points[Math.max(0, at - 1)], point));
      });
      if (distance <= least) { least = distance; found = mark; }
    }
    return found;
  }

  function add(parent, name, text, kind) {
    const element = document.createElement(name);
    element.textContent = text;
    if (kind) element.className = kind;
    parent.append(element);
    return element;
  }

  function describe(mark) {
    tip.replaceChildren();
    const trial = known.trials && known.trials[mark.trial];
    if (!trial) { add(tip, "p", mark.words || ""); return; }
    const [title, value, rungs, params] = trial;
    add(tip, "b", title);
    if (value) add(tip, "p", `${value} ${known.metric}`, "value");
    if (rungs) add(tip, "p", `by epoch  ${rungs}`, "soft");
    const list = add(tip, "dl", "");
    known.names.forEach((name, at) => {
      if (!params[at]) return; // a parameter of other trials only
      add(list, "dt", name);
      add(list, "dd", params[at]);
    });
  }

  function highlight(mark, here) {
    document.querySelectorAll("path.hot").forEach((path) => path.remove());
    if (!mark && pinned === null) return;
    mark = mark || { trial: pinned };
    for (const [area, { svg, marks }] of drawings) {
      for (const other of marks) {
        const same = mark.trial === undefined ? other === mark : other.trial === mark.trial;
        if (!same || (mark.trial === undefined && area !== here)) continue;
        const path = document.createElementNS(NS, "path");
        const [first, ...rest] = other.points.map((point) => point.join(" "));
        path.setAttribute("d", `M${[first, ...rest].join("L")}${rest.length ? "" : "h0"}`);
        path.setAttribute("class", `${other.look} hot`);
        svg.append(path);
      }
    }
  }

  function place(event) {
    const gap = 14, width = tip.offsetWidth, height = tip.offsetHeight;
    const right = event.clientX + gap + width < innerWidth;
    const left = right ? event.clientX + gap : Math.max(4, event.clientX - gap - width);
    const top = Math.min(event.clientY + gap, innerHeight - height - 4);
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  }

  function hide() {
    if (shown === null) return;
    shown = null;
    tip.hidden = true;
    highlight(null);
  }

  function point(event) {
    const cell = event.target.closest && event.target.closest("[data-tip]");
    const area = event.target.closest && event.target.closest("figure .area");
    if (cell) {
      if (shown !== cell) { highlight(null); tip.replaceChildren(); add(tip, "p", cell.dataset.tip); }
      shown = cell;
    } else if (area) {
      readAll();
      const mark = nearest(area, event);
      if (!mark) return hide();
      if (mark !== shown) { describe(mark); highlight(mark, area); }
      shown = mark;
    } else {
      return hide();
    }
    tip.hidden = false;
    place(event);
  }

  function soon(event) {
    if (waiting === null) requestAnimationFrame(() => { const last = waiting; waiting = null; point(last); });
    waiting = event;
  }

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code); // no permission: selected is half-way there
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  }

  addEventListener("pointermove", soon, { passive: true });
  addEventListener("pointerdown", soon, { passive: true });
  addEventListener("scroll", hide, { passive: true, capture: true });
  document.addEventListener("pointerleave", hide);
  addEventListener("keydown", (event) => { if (event.key === "Escape") { hide(); pin(null); } });
  addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("button.copy");
    if (button) copy(button);
    const link = event.target.closest && event.target.closest("a[data-trial]");
    if (link) pin(link.dataset.trial);
  });
  document.addEventListener("report:replaced", begin);
  begin();
})();
