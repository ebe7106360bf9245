// Mean field theory of tanh networks in the page, as throughtime/theory has it: mean_field.py,
// gradients.py and, for inputs that all sequences share (rho = 1), correlation.py.
// The tests hold both to the same six digits.
// s: variance of the drive; g: sigma_w.
"use strict";
const meanField = (() => {
  // Points x and weights w of a sum that is the mean over x ~ N(0, variance); x[middle] is 0.
  function nodes(variance) {
    if (variance === 0) return { x: [0], w: [1], middle: 0 };
    const step = 0.25 / Math.max(1, Math.sqrt(variance));
    const middle = Math.ceil(9 / step);
    const z = Array.from({ length: 2 * middle + 1 }, (_, i) => step * (i - middle));
    return {
      x: z.map((v) => Math.sqrt(variance) * v),
      w: z.map((v) => (step * Math.exp((-v * v) / 2)) / Math.sqrt(2 * Math.PI)),
      middle,
    };
  }

  const square = (x) => x * x;
  const sech2 = (x) => 1 - square(Math.tanh(x));

  function mean(f, variance) {
    const { x, w } = nodes(variance);
    return x.reduce((sum, v, i) => sum + w[i] * f(v), 0);
  }

  // Where f, which changes sign between low and high, is 0: Ridders' method.
  function root(f, low, high) {
    let [atLow, atHigh, last] = [f(low), f(high), NaN];
    if (atLow === 0) return low;
    if (atHigh === 0) return high;
    if (atLow * atHigh > 0) throw new RangeError(`no root in [${low}, ${high}]`);
    for (let i = 0; i < 500; i++) {
      const middle = (low + high) / 2;
      const atMiddle = f(middle);
      const slope = Math.sqrt(atMiddle * atMiddle - atLow * atHigh);
      if (slope === 0) return middle;
      const next = middle + ((middle - low) * Math.sign(atLow - atHigh) * atMiddle) / slope;
      if (Math.abs(next - last) <= 1e-14 * Math.abs(next)) return next;
      last = next;
      const at = f(next);
      if (at === 0) return next;
      const ends = [
        [low, atLow],
        [middle, atMiddle],
        [next, at],
        [high, atHigh],
      ].sort((a, b) => a[0] - b[0]);
      const place = ends.findIndex(
        ([, value], i) => i < 3 && Math.sign(value) !== Math.sign(ends[i + 1][1])
      );
      [[low, atLow], [high, atHigh]] = [ends[place], ends[place + 1]];
    }
    return last;
  }

  const nextVariance = (q, g, s) => g * g * mean((x) => square(Math.tanh(x)), q) + s;
  const gain = (q, g) => g * g * mean((x) => square(sech2(x)), q);

  // The stable fixed point of nextVariance.
  function qStar(g, s) {
    if (s === 0 && g <= 1) return 0;
    const b = g * g - 1;
    const r = Math.sqrt(b * b + 8 * g * g * s);
    // Below the fixed point, also where it is small.
    const low = Math.max(b > 0 ? (b + r) / (4 * g * g) : (2 * s) / (r - b), s);
    if (nextVariance(low, g, s) <= low) return low;
    return root((q) => nextVariance(q, g, s) - q, low, g * g + s);
  }

  const chi1 = (g, s) => gain(qStar(g, s), g);

  // The g at which chi1 is 1.
  function criticalGain(s) {
    if (s < 1e-18) return 1 + Math.cbrt((3 * s) / 4);
    const surplus = (q) => q - nextVariance(q, 1 / Math.sqrt(gain(q, 1)), 0) - s;
    let high = s;
    while (surplus(high) <= 0) high *= 2;
    return 1 / Math.sqrt(gain(root(surplus, s / 2, high), 1));
  }

  // ln of the gradient's norm at lags 0 .. steps - 1 over that at lag 0, from a state of 0 at the
  // start.
  function logNormByLag(g, s, steps) {
    const gains = [];
    for (let t = 0, q = 0; t < steps; t++) gains.push(gain((q = nextVariance(q, g, s)), g));
    const logs = [0];
    for (let k = 1; k < steps; k++) logs.push(logs[k - 1] + Math.log(gains[steps - k]) / 2);
    return logs;
  }

  // Mean over pairs (u, v), both of variance q and of correlation 1 - d, of what is the same for
  // (-u, -v).
  function meanOfPairs(f, q, d) {
    const { x, w, middle } = nodes(q);
    const own = Math.sqrt(d * (2 - d));
    let sum = 0;
    for (let i = middle; i < x.length; i++) {
      let line = 0;
      for (let j = 0; j < x.length; j++) line += w[j] * f(x[i], (1 - d) * x[i] + own * x[j]);
      sum += (i === middle ? 1 : 2) * w[i] * line;
    }
    return sum;
  }

  // How many steps two sequences with the same inputs stay told apart: -1 / ln chi_c.
  function memory(g, s) {
    const q = qStar(g, s);
    const chi = gain(q, g);
    // Their states meet: c* = 1, and chi_c is chi_1.
    if (chi <= 1) return chi === 1 ? Infinity : -1 / Math.log(chi);
    const surplus = (d) =>
      (g * g * meanOfPairs((u, v) => square(Math.tanh(u) - Math.tanh(v)), q, d)) / (2 * q) - d;
    let low = 0.5;
    while (low > 1e-12 && surplus(low) <= 0) low /= 2;
    const apart = low > 1e-12 ? root(surplus, low, 1) : 0;
    return -1 / Math.log(g * g * meanOfPairs((u, v) => sech2(u) * sech2(v), q, apart));
  }

  // The sum of the norms at the lags that K steps reach, 0 .. K - 1, and of those beyond.
  function split(logs, K) {
    const sum = (part) => part.reduce((total, value) => total + Math.exp(value), 0);
    return { inside: sum(logs.slice(0, K)), outside: sum(logs.slice(K)) };
  }

  return { mean, qStar, chi1, criticalGain, logNormByLag, memory, split };
})();
if (typeof module !== "undefined") module.exports = meanField;
