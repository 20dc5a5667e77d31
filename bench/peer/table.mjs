// The table, in Markdown, in the words of those who ask.
import { cpus, totalmem } from 'node:os';

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
const at = (values, share) => values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1];
const number = (value) => (value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(2));
const milliseconds = (value) => (value < 10 ? `${Math.max(value, 0).toFixed(1)} ms` : `${Math.round(value)} ms`);
const seconds = (value) => `${value.toFixed(1)} s`;

/** A figure of each round, the ratio to ours in the same round, and the best one marked. */
function figures(told, label, unit, of, better) {
  const [first] = told.peers;
  const medians = told.peers.map((peer) => median(told.rounds[peer.name].map(of)));
  const best = better(...medians);
  const cells = told.peers.map((peer, i) => {
    const ratio = median(told.rounds[peer.name].map((round, n) => of(round) / of(told.rounds[first.name][n])));
    const figure = medians[i] === best ? `**${number(medians[i])}**` : number(medians[i]);
    return i === 0 ? figure : `${figure} (${ratio.toFixed(2)})`;
  });
  return [`${label}${unit && `, ${unit}`}`, ...cells];
}

function load(told, load, label, unit) {
  const rows = [figures(told, label, unit, (round) => round[load].rate, Math.max)];
  if (load !== 'reads') {
    rows.push(figures(told, '– statements', 'each', (round) => round[load].statements, Math.min));
    rows.push(figures(told, '– WAL', 'bytes each', (round) => round[load].wal, Math.min));
  }
  rows.push(figures(told, '– CPU of the server', 'ms each', (round) => round[load].cpu, Math.min));
  return rows;
}

function speed(told) {
  return [
    ...load(told, 'direct', 'Do a job and record how it ended, without a queue', 'a second'),
    ...load(told, 'queued', 'Queue a job and have it done', 'a second'),
    ...load(told, 'reads', 'Ask how a job is, by its id', 'a second'),
    ['Wait for a job by its id: told after the commit of its end, p50 and p99', ...told.peers.map((peer) => {
      const all = told.rounds[peer.name].flatMap((round) => round.waits ?? []);
      return all.length === 0 ? 'no call for it' : `${milliseconds(at(all, 0.5))}, ${milliseconds(at(all, 0.99))}`;
    })],
  ];
}

const path = (found) => found.path.join(' → ');
const again = (found) => (found.again ? ', done again' : '');
const by = (found) => (found.by ? `; ${found.by}` : '');
const gone = (found) => found.path.at(-1) === 'not found';

function ending(found, bound) {
  const back = found.back > 0 ? `, ${found.back} step back` : '';
  if (found.seconds !== null) {
    const way = found.path.length > 2 ? ` (${path(found)})` : '';
    return `${found.path.at(-1)} after ${seconds(found.seconds)}${way}${again(found)}${back}${by(found)}`;
  }
  if (gone(found)) return `gone (${path(found)})${again(found)}${by(found)}`;
  return `\`${found.path.at(-1)}\` still after ${bound} s${again(found)}`;
}

const words = {
  watched: ['Is a handle found from its acknowledgement to after its end? (200, read all the time)', (found) =>
    `${found.missing} not found${found.unended === found.lives ? ' (each once it was done)' : ''}, ${found.back} steps back`],
  killedBefore: ['Nobody comes: the only worker was killed before', ending],
  killedDuring: ['Find a dead worker: killed with the job in hand, another lives', ending],
  killedNoticed: ['– the same, where a job can be given something to be noticed sooner', (found, bound) => (found ? ending(found, bound) : 'nothing to give')],
  killedAndStarted: ['– and none lives, but it is started again', ending],
  frozen: ['A worker freezes, with a limit of 5 s for the job …', ending],
  late: ['… and comes back late, to finish', (found, bound, all) => {
    const { after, stands, told } = all.frozen;
    if (!after) return 'there is no handle any more';
    const word = `${after.word}${after.how ? ` (${after.how})` : ''}`;
    return `${stands ? `${word} stands` : `becomes ${word}`}${told ? ', the worker is told so, what it brings is kept' : ''}`;
  }],
  sameKey: ['One key, 20 times at once; once more after the end', (found) =>
    [`${found.handles} handle: ${found.answered} of 20 are told it`, found.empty && `${found.empty} get null`, found.refused && `${found.refused} are refused`]
      .filter(Boolean).join(', ') + `; then ${found.afterwards}`],
  rolledBack: ['Asked for in a transaction that is rolled back', (found) => (found.after === 'not found' ? 'nothing remains' : found.after)],
  retained: ['Know how it ended, later: after their own clean-up', (found) => `${found.after}, ${found.how}`],
};

function behaviour(told) {
  return Object.entries(words).map(([trial, [label, say]]) => [label, ...told.peers.map((peer) => {
    const all = told.behaviours[peer.name];
    const found = all[trial === 'late' ? 'frozen' : trial];
    return found?.error ? `not tried: ${found.error}` : say(found, told.options.bound, all);
  })]);
}

const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

export function print(told) {
  const names = told.peers.map((peer) => `${peer.name} ${peer.version}`);
  const { rounds, seconds: each, clients, bound } = told.options;
  const lines = [
    `${cpus().length} cores (${cpus()[0].model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB, load before ${told.load}; PostgreSQL ${told.server}, \
Node ${process.versions.node}; ${rounds} rounds of ${each} s, ${clients} clients. Medians; in brackets the ratio to pdpp in the same round; the best is bold.`,
    '', table(['', ...names], speed(told)), '',
    ...(bound > 0 ? [table(['', ...names], behaviour(told)), ''] : []),
    ...told.peers.map((peer) => `- ${peer.name}: ${peer.configured}.`),
    ...told.absent.map(([name, why]) => `- ${name} is left out: ${why}.`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
