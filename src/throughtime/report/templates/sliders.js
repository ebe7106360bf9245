// Four sliders: theory's gradient by lag and its frontier, drawn anew at every move, with what this
// run measured on them.
"use strict";
(() => {
  const { measured, specs } = JSON.parse(document.getElementById("theory-data").textContent);
  const at = (id) => document.getElementById(id);
  // Errors alone are logged: where nothing was measured Vega warns of a layer without extent.
  const OPTIONS = { actions: false, renderer: "svg", mode: "vega-lite", logLevel: 1 };
  const SMALLEST = 1e-9; // of a norm that is drawn
  const LOW = 0.25; // gains of the frontier's line
  const HIGH = 3;
  const GAINS = 37;
  const views = {};
  const lines = new Map(); // input gain -> memory over gain: the one slow computation

  const shown = (value) =>
    Number.isFinite(value)
      ? Number(value.toPrecision(3)).toString().replace("-", "−").replace("e", " · 10^")
      : "∞";
  const percent = (value) =>
    value > 0 && value < 0.001 ? "below 0.1 %" : `${(100 * value).toFixed(1)} %`;
  const nearest = (values, wanted) =>
    values.reduce((best, v) =>
      Math.abs(Math.log(v / wanted)) < Math.abs(Math.log(best / wanted)) ? v : best
    );

  function chosen() {
    const [gain, scale, K, lag] = ["gain", "scale", "K", "lag"].map((name) =>
      Number(at(`slide-${name}`).value)
    );
    return {
      gain,
      scale,
      K,
      lag,
      s: measured.drive * scale * scale,
      steps: lag + measured.payload,
    };
  }

  function memoryOverGain(scale, s) {
    if (!lines.has(scale)) {
      const gains = Array.from(
        { length: GAINS },
        (_, i) => LOW * Math.pow(HIGH / LOW, i / (GAINS - 1))
      );
      lines.set(
        scale,
        gains.map((gain) => ({ gain, memory: meanField.memory(gain, s) }))
      );
    }
    return lines.get(scale);
  }

  // What was measured at another gain or input gain than the chosen one is not drawn as if it were
  // at it: the note says at which.
  function gradients({ gain, scale }) {
    if (!measured.gradients.length)
      return [[], "No gradients by lag have been measured in this run."];
    const own = nearest([...new Set(measured.gradients.map((row) => row.gain))], gain);
    const rows = measured.gradients
      .filter((row) => row.gain === own)
      .flatMap(({ init, lags, median, low, high, n }) =>
        lags.map((lag, i) => ({
          init,
          lag,
          n,
          norm: median[i],
          low: Math.max(low[i], SMALLEST),
          high: high[i],
        }))
      )
      .filter((row) => row.norm > SMALLEST);
    return [
      rows,
      `Measured: untrained networks at gain ${own}, input scale 1, T = ${measured.steps}; ` +
        "median and range of the seeds." +
        (own === gain && scale === 1 ? "" : " The sliders have other values."),
    ];
  }

  function frontiers({ scale }) {
    if (!measured.frontiers.length) return [[], "No frontier has been measured in this run."];
    const own = nearest([...new Set(measured.frontiers.map((row) => row.input_gain))], scale);
    const rows = measured.frontiers
      .filter((row) => row.input_gain === own && row.frontier !== null && row.censored !== "<")
      .map((row) => ({
        gain: row.gain,
        lag: row.frontier,
        n: row.n,
        low: Math.max(row.low ?? 1, 1),
        high: row.high ?? 200,
        kind: row.censored ? "at least" : "half the seeds",
        frontier: `${row.censored}${shown(row.frontier)}`,
      }));
    return [
      rows,
      `Measured: trained networks at input scale ${own}, full depth; ` +
        "the lag that half the seeds solve and its interval." +
        (own === scale ? "" : " The slider has another value."),
    ];
  }

  function say(choice, logs) {
    const { gain, scale, K, lag, s } = choice;
    const { inside, outside } = meanField.split(logs, K);
    const critical = meanField.criticalGain(s);
    const memory = meanField.memory(gain, s);
    at("slide-critical").textContent =
      `χ₁ = ${shown(meanField.chi1(gain, s))}: gradients ` +
      `${gain < critical ? "vanish" : "explode"}; ` +
      `the critical gain at this input scale is ${shown(critical)}.`;
    at("slide-sum").textContent =
      `Sum of the norms at lags 0 to ${K - 1}, which K reaches: ${shown(inside)}. ` +
      `Beyond, to lag ${logs.length - 1}: ${shown(outside)}, ` +
      `${percent(outside / (inside + outside))} of all.`;
    at("slide-lag-says").textContent =
      `At lag ${lag} the norm is ${shown(Math.exp(logs[lag]))} of that at lag 0; ` +
      `K = ${K} ${lag < K ? "reaches it" : "cuts it off"}.`;
    const predicted = measured.multiples.map(
      ({ name, value }) => `${shown(value * memory)} steps (${name})`
    );
    at("slide-frontier-says").textContent =
      `ξ = ${shown(memory)} steps: predicted frontier ${predicted.join(", ")}.`;
    for (const [name, value] of Object.entries({ gain, scale, K, lag }))
      at(`slide-${name}-value`).textContent = value;
  }

  async function draw() {
    const choice = chosen();
    const { gain, scale, K, lag, s, steps } = choice;
    const logs = meanField.logNormByLag(gain, s, steps);
    say(choice, logs);
    const [byLag, byLagNote] = gradients(choice);
    const [frontier, frontierNote] = frontiers(choice);
    at("slide-by-lag-note").textContent = byLagNote;
    at("slide-frontier-note").textContent = frontierNote;
    const predicted = measured.multiples.flatMap(({ name, value }) =>
      memoryOverGain(scale, s)
        .filter((point) => Number.isFinite(point.memory))
        .map((point) => ({ name, gain: point.gain, lag: Math.min(value * point.memory, 1e6) }))
    );
    await Promise.all([
      fill("by_lag", {
        theory: logs
          .map((log, k) => ({
            lag: k,
            norm: Math.exp(log),
            part: k < K ? "within K" : "cut off by K",
          }))
          .filter(({ norm }) => norm > SMALLEST),
        measured: byLag,
        chosen: [{ lag }],
      }),
      fill("frontier", { predicted, measured: frontier, chosen: [{ gain, lag }] }),
    ]);
  }

  async function fill(name, tables) {
    for (const [table, rows] of Object.entries(tables)) views[name].data(table, rows);
    await views[name].resize().runAsync();
  }

  async function start() {
    at("sliders-body").hidden = false;
    at("sliders-unscripted").hidden = true;
    await Promise.all(
      Object.keys(specs).map(async (name) => {
        views[name] = (await vegaEmbed(at(`chart-${name}`), specs[name], OPTIONS)).view;
      })
    );
    for (const name of ["gain", "scale", "K", "lag"])
      at(`slide-${name}`).addEventListener("input", draw);
    await draw();
  }

  start();
})();
