// Sliders of the guide: the gradient's norm by lag, from mean field theory, computed in the page.
// The same sums as throughtime.theory.mean_field and gradients; a test holds them to 1e-6.
"use strict";

const theory = (() => {
  const mean = (f, q) => {
    if (q === 0) return f(0);
    const step = 0.25 / Math.max(1, Math.sqrt(q)), last = Math.ceil(9 / step);
    let sum = 0;
    for (let i = -last; i <= last; i++) {
      const z = i * step;
      sum += step * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) * f(Math.sqrt(q) * z);
    }
    return sum;
  };
  const next = (q, g, s) => g * g * mean((x) => Math.tanh(x) ** 2, q) + s;
  const gain = (q, g) => g * g * mean((x) => (1 - Math.tanh(x) ** 2) ** 2, q);
  const qStar = (g, s) => {
    if (s === 0 && g <= 1) return 0;
    let low = Math.max(s, 1e-12), high = g * g + s;
    for (let i = 0; i < 80; i++) {
      const middle = (low + high) / 2;
      if (next(middle, g, s) > middle) low = middle; else high = middle;
    }
    return (low + high) / 2;
  };
  const slope = (g, s) => Math.log(gain(qStar(g, s), g)) / 2;
  const logNorms = (g, s, steps) => {
    const gains = [];
    for (let t = 0, q = 0; t < steps; t++) { q = next(q, g, s); gains.push(gain(q, g)); }
    const norms = [0];
    for (let t = steps - 1; t > 0; t--) norms.push(norms.at(-1) + Math.log(gains[t]) / 2);
    return norms;
  };
  const within = (norms, K) => {
    const sizes = norms.map(Math.exp), sum = (list) => list.reduce((a, b) => a + b, 0);
    return sum(sizes.slice(0, K)) / sum(sizes);
  };
  return { slope, logNorms, within };
})();

const WORDS = {
  en: {
    g: "gain g", s: "strength of the input s", K: "truncation length K",
    slope: "slope λ₁ per step", within: "share of all norms within K",
    x: "lag k, steps", y: "norm of the gradient, powers of ten",
  },
  ja: {
    g: "ゲイン g", s: "入力の強さ s", K: "打ち切り長 K",
    slope: "1ステップあたりの傾き λ₁", within: "全ラグのノルムの和のうち K 以内の割合",
    x: "ラグ k（ステップ）", y: "勾配のノルム（10のべき）",
  },
};
const STEPS = 40, WIDE = 460, HIGH = 220, EDGE = 40;

function build(box) {
  const words = WORDS[box.dataset.lang] || WORDS.en;
  const inputs = { g: [0.3, 2.5, 0.01, 1], s: [0.01, 1, 0.01, 0.17], K: [1, STEPS, 1, 5] };
  const rows = Object.entries(inputs).map(([name, [min, max, step, value]]) =>
    `<label>${words[name]} <input type="range" name="${name}" min="${min}" max="${max}"` +
    ` step="${step}" value="${value}"> <output></output></label>`);
  box.innerHTML = rows.join("") +
    `<svg viewBox="0 0 ${WIDE} ${HIGH}" role="img"></svg><p class="answer"></p>`;
  const draw = () => {
    const value = {};
    for (const input of box.querySelectorAll("input")) {
      value[input.name] = Number(input.value);
      input.nextElementSibling.textContent = input.value;
    }
    const norms = theory.logNorms(value.g, value.s, STEPS).map((n) => n / Math.LN10);
    const low = -10, high = 5;
    const x = (k) => EDGE + (WIDE - EDGE - 10) * k / (STEPS - 1);
    const y = (n) => 10 + (HIGH - 50) * (high - Math.min(high, Math.max(low, n))) / (high - low);
    const ticks = [-10, -5, 0, 5].map((n) =>
      `<line x1="${EDGE}" x2="${WIDE - 10}" y1="${y(n)}" y2="${y(n)}" class="grid"/>` +
      `<text x="${EDGE - 6}" y="${y(n) + 4}" text-anchor="end">${n}</text>`);
    const lags = [0, 10, 20, 30, 39].map((k) =>
      `<text x="${x(k)}" y="${HIGH - 24}" text-anchor="middle">${k}</text>`);
    const line = norms.map((n, k) => `${x(k)},${y(n)}`).join(" ");
    box.querySelector("svg").innerHTML =
      `<rect x="${EDGE}" y="10" width="${x(value.K - 0.5) - EDGE}" height="${HIGH - 50}"` +
      ' class="in"/>' +
      ticks.join("") + lags.join("") + `<polyline points="${line}"/>` +
      `<text x="${WIDE / 2}" y="${HIGH - 6}" text-anchor="middle">${words.x}</text>` +
      `<text x="${EDGE + 4}" y="22">${words.y}</text>`;
    const inside = 100 * theory.within(norms.map((n) => n * Math.LN10), value.K);
    box.querySelector(".answer").textContent =
      `${words.slope}: ${theory.slope(value.g, value.s).toFixed(3)}` +
      ` · ${words.within}: ${inside.toFixed(1)} %`;
  };
  box.addEventListener("input", draw);
  draw();
}

document.addEventListener("DOMContentLoaded", () =>
  document.querySelectorAll("div.slider").forEach(build));
