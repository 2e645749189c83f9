// Standard normal noise by a counter: the same bits as Noise of petrify's package random, where the scheme is explained.
// No number here exceeds 2^53, so that JavaScript's arithmetic is exact.
'use strict';

const HALF = 2 ** 26;

class Noise {
  // scheme has quantiles (Int32Array), limits, weyl, rounds and levels.
  constructor(scheme) {
    this.scheme = scheme;
  }

  // fill gives the numbers of one picture of a seed, which is a BigInt. truncation 0 is no limit.
  point(seed, image, width, truncation) {
    const { limits, rounds, weyl } = this.scheme;
    const s = BigInt.asUintN(64, seed);
    const parts = [Number(s & 67108863n), Number((s >> 26n) & 67108863n), Number((BigInt.asIntN(64, s) >> 52n) & 67108863n)];
    const limit = truncation > 0 ? limits[Math.min(Math.floor(64 * truncation), limits.length - 1)] : 0;
    const z = new Float64Array(width);
    for (let axis = 0; axis < width; axis++) {
      let l = image % HALF;
      let r = axis % HALF;
      for (let i = 0; i < rounds; i++) {
        const x = (r + parts[i % 3] + (i + 1) * weyl) % HALF;
        [l, r] = [r, (l + Math.floor((x * x) / 8192)) % HALF];
      }
      const size = this.size(limit + Math.floor((r * (HALF - limit)) / HALF));
      z[axis] = ((l < HALF / 2 ? size : -size) + 0) / 2 ** 21;
    }
    return z;
  }

  // size is |z|, in units of 2^-21, which is exceeded with probability (v + 1/2) / 2^26.
  size(v) {
    const { quantiles, levels } = this.scheme;
    let level = 0;
    while (level < levels.length && v >= levels[level]) level++;
    const width = 32 ** level;
    const k = 1984 * level + Math.floor(v / width);
    const rest = (quantiles[k] - quantiles[k + 1]) * (v % width);
    return quantiles[k] - Math.floor((rest + Math.floor(width / 2)) / width);
  }
}
