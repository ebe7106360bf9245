// The interactive atlas: two lists choose a panel, a tile of its heat map shows its networks.
// Data and charts stand in the page itself.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("atlas-data").textContent);
  if (!data.sweeps.length) return; // nothing has been trained
  const at = (id) => document.getElementById(id);
  const OPTIONS = { actions: false, renderer: "svg", mode: "vega-lite" };
  const NAMES = {
    accuracy: "accuracy, fresh sequences",
    mse: "mean squared error, fresh sequences",
    bpc: "bits per character, held-out text",
  };
  const EM = "\u2003"; // a space as wide as a seed's number
  const HEIGHT = 38; // of a row of tiles, pixels
  const WIDTH = 34; // of a column, at least
  const LINES = ["loss", "measure", "gradient"]; // in the order of a network's curves
  const state = { sweep: data.sweeps[0], panel: null, gridPoints: [], view: null, chosen: -1 };

  // What a tile says ------------------------------------------------------------------------------

  function facts(panel, [x, y, key, networks]) {
    const count = (status) => networks.filter((network) => network[1] === status).length;
    const [solved, unsolved, diverged, untrained] = [
      "solved",
      "unsolved",
      "diverged",
      "untrained",
    ].map(count);
    const n = networks.length - untrained;
    const place =
      [panel.x && `${panel.x} = ${panel.xs[x]}`, panel.y && `${panel.y} = ${panel.ys[y]}`]
        .filter(Boolean)
        .join(", ") || "all";
    const seeds =
      networks
        .slice(0, 12)
        .map((network) => `${network[0]} ${network[1]}`)
        .join(", ") + (networks.length > 12 ? ", .." : "");
    const outcome =
      n || !untrained
        ? `${solved} of ${n} solved, ${unsolved} unsolved, ${diverged} diverged` +
          (untrained ? `, ${untrained} untrained` : "")
        : `${untrained} untrained`;
    const text = diverged ? [`${solved}/${n}`, `${diverged}×`] : n ? `${solved}/${n}` : "–";
    return {
      x: panel.xs[x],
      y: panel.ys[y],
      key,
      n,
      solved,
      unsolved,
      diverged,
      untrained,
      seeds,
      text,
      rate: n ? solved / n : null,
      grid_point: place,
      outcome,
      label: `${place}: ${outcome}`,
    };
  }

  // Lists -----------------------------------------------------------------------------------------

  function fill(select, names, groups) {
    select.replaceChildren();
    names.forEach((name, i) => {
      let parent = select;
      if (groups) {
        parent = select.lastElementChild;
        if (!parent || parent.label !== groups[i])
          parent = select.appendChild(
            Object.assign(document.createElement("optgroup"), { label: groups[i] })
          );
      }
      parent.appendChild(new Option(name, i));
    });
  }

  function pickSweep(panel = 0) {
    state.sweep = data.sweeps[Number(at("sweep").value)];
    fill(
      at("panel"),
      state.sweep.panels.map((panel) => panel.fixed)
    );
    at("panel").disabled = state.sweep.panels.length === 1;
    at("panel").value = panel;
    return pickPanel();
  }

  async function pickPanel() {
    state.panel = state.sweep.panels[Number(at("panel").value)];
    state.gridPoints = state.panel.grid_points.map((point) => facts(state.panel, point));
    state.chosen = -1;
    await drawMap();
    at("details").hidden = true;
    const where = `${state.sweep.experiment}, ${state.sweep.name}, ${state.panel.fixed}`;
    at("message").textContent = `${where}: ${state.gridPoints.length} grid points. Choose one.`;
  }

  // Heat map --------------------------------------------------------------------------------------

  async function drawMap() {
    const { panel, gridPoints } = state;
    const spec = structuredClone(data.specs.heat);
    for (const { encoding } of spec.layer) {
      Object.assign(encoding.x, {
        title: panel.x || null,
        scale: { ...encoding.x.scale, domain: panel.xs },
      });
      Object.assign(encoding.y, {
        title: panel.y || null,
        scale: { ...encoding.y.scale, domain: [...panel.ys].reverse() },
      });
    }
    spec.datasets = { grid_points: gridPoints };
    spec.height = HEIGHT * panel.ys.length;
    spec.description =
      `Heat map of the share of seeds solved. Across: ${panel.x || "one column"}. ` +
      `Upward: ${panel.y || "one row"}.`;
    at("map").style.setProperty("--least", `${90 + WIDTH * panel.xs.length}px`);
    if (state.view) state.view.finalize();
    const { view } = await vegaEmbed("#map", spec, OPTIONS);
    state.view = view;
    view.addEventListener(
      "click",
      (event, item) => item && item.datum && choose(indexOf(item.datum.key))
    );
    reach(0);
  }

  const indexOf = (key) => state.gridPoints.findIndex((point) => point.key === key);
  const keyOf = (element) =>
    element.__data__ && element.__data__.datum && element.__data__.datum.key;
  const tiles = () => [...at("map").querySelectorAll(".mark-rect path")].filter(keyOf);

  // One tile is in the tab order; arrows go from there.
  function reach(index) {
    for (const tile of tiles()) {
      const own = indexOf(keyOf(tile));
      for (const [name, value] of Object.entries({
        role: "button",
        "aria-label": state.gridPoints[own].label,
        "aria-pressed": String(own === state.chosen),
        tabindex: own === index ? 0 : -1,
      }))
        tile.setAttribute(name, value);
      tile.removeAttribute("aria-roledescription");
    }
  }

  const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  function neighbour(index, [right, up]) {
    const [x, y] = state.panel.grid_points[index];
    const ahead = state.panel.grid_points.map(([a, b], i) => [
      i,
      (a - x) * right + (b - y) * up,
      Math.abs((a - x) * up) + Math.abs((b - y) * right),
    ]);
    const nearest = ahead
      .filter(([, along, aside]) => along > 0 && aside === 0)
      .sort((a, b) => a[1] - b[1]);
    return nearest.length ? nearest[0][0] : index;
  }

  function onKey(event) {
    const key = keyOf(event.target);
    if (!key) return;
    const index = indexOf(key);
    if (event.key === "Enter" || event.key === " ") choose(index);
    else if (event.key in STEPS) {
      const next = neighbour(index, STEPS[event.key]);
      reach(next);
      tiles()
        .find((tile) => keyOf(tile) === state.gridPoints[next].key)
        .focus();
    } else return;
    event.preventDefault();
  }

  async function choose(index) {
    const focused = keyOf(document.activeElement);
    state.chosen = index;
    await state.view.signal("chosen", state.gridPoints[index].key).runAsync();
    reach(index);
    if (focused)
      tiles()
        .find((tile) => keyOf(tile) === state.gridPoints[index].key)
        .focus();
    at("details").hidden = false;
    const networks = state.panel.grid_points[index][3];
    list(networks);
    link(state.gridPoints[index].key);
    await drawCurves(networks);
    at("message").textContent = `${state.gridPoints[index].label}.`;
  }

  // The chosen grid point -------------------------------------------------------------------------

  function list(networks) {
    const shown = (value) => (value === null ? "–" : String(value).replace("-", "−"));
    at("seeds").replaceChildren(
      ...networks.map(([seed, status, failure, final, diverged]) => {
        const row = document.createElement("tr");
        const why = failure === "none" || failure === status ? "" : ` (${failure})`;
        for (const words of [
          seed,
          status + (diverged === null ? why : ` at update ${diverged}`),
          shown(final),
        ])
          row.insertCell().textContent = words;
        row.cells[1].className = status;
        row.cells[2].className = "number";
        return row;
      })
    );
    at("final").textContent = `final ${state.panel.measure}`;
  }

  function link(key) {
    const { experiment } = state.sweep;
    const filter = `tags.grid_point = '${key}'`;
    const number = data.experiments[experiment];
    at("filter").textContent = filter;
    at("experiment").textContent = experiment;
    at("unlinked").hidden = number !== undefined;
    at("linked").hidden = number === undefined;
    const query = new URLSearchParams({
      workflowType: "machine_learning",
      compareRunsMode: "TABLE",
      startTime: "ALL",
    });
    at("open").href =
      `${at("server").value.replace(/\/+$/, "")}/#/experiments/${number}/runs?${query}` +
      `&searchFilter=${encodeURIComponent(filter)}`;
  }

  function points(networks, line, scale) {
    return networks
      .filter((network) => network[5] && network[5][line])
      .flatMap(([seed, status, , , , lines], i) => {
        const [steps, values] = [data.steps[lines[line][0]], lines[line][1]];
        const own = values
          .map((value, i) => ({ seed, status, step: steps[i], value }))
          .filter(({ value }) => value !== null && (scale !== "log" || value > 0));
        // Numbers of seeds stand side by side where lines meet.
        if (own.length)
          Object.assign(own[own.length - 1], { last: true, name: EM.repeat(i % 4) + seed });
        return own;
      });
  }

  async function drawCurves(networks) {
    const drawn = networks.filter((network) => network[5]).length;
    at("without").hidden = drawn === networks.length;
    at("without").textContent =
      `Curves of ${drawn} of these ${networks.length} networks are in this page; MLflow has all.`;
    at("measured").textContent = NAMES[state.panel.measure] || state.panel.measure;
    await Promise.all(
      LINES.map((name, line) => {
        const spec = structuredClone(data.specs[name]);
        const { encoding } = spec.layer[0];
        const values = points(networks, line, encoding.y.scale.type);
        at(name).parentElement.hidden = values.length === 0;
        for (const layer of spec.layer) layer.encoding.y.title = null;
        spec.datasets = { points: values };
        const title = at(name).previousElementSibling.textContent;
        spec.description = `${title}: one line per seed over updates.`;
        return vegaEmbed(at(name), spec, OPTIONS);
      })
    );
  }

  fill(
    at("sweep"),
    data.sweeps.map((sweep) => sweep.name),
    data.sweeps.map((sweep) => sweep.experiment)
  );
  at("sweep").value = data.start[0];
  at("server").value = data.server;
  at("sweep").addEventListener("change", () => pickSweep());
  at("panel").addEventListener("change", pickPanel);
  at("server").addEventListener(
    "input",
    () => state.chosen >= 0 && link(state.gridPoints[state.chosen].key)
  );
  at("map").addEventListener("keydown", onKey);
  at("explore-body").hidden = false;
  at("unscripted").hidden = true;
  pickSweep(data.start[1]);
})();
