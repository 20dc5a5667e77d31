// What becomes of a handle when somebody dies, freezes, asks twice, rolls back, or cleans up: tried, with processes that are killed.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect, each, sleep, urlOf } from './clients.mjs';

const LIVES = 200; // that are watched from the acknowledgement to the end
const ALIKE = 20; // calls with one key
const LIMIT = 5; // seconds, where a life is given a limit

/** A process that works on a queue. */
class Worker {
  static async start(peer, database, name, mode) {
    const worker = new Worker();
    worker.lines = [];
    const program = fileURLToPath(new URL('worker.mjs', import.meta.url));
    worker.child = spawn(process.execPath, [...process.execArgv, program, peer.file, database, 'trial', name, mode], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    worker.gone = new Promise((resolve) => worker.child.once('exit', resolve));
    createInterface({ input: worker.child.stdout }).on('line', (line) => worker.lines.push(line));
    if (!(await worker.says('ready', 60))) throw new Error(`${peer.name}: its worker did not start`);
    return worker;
  }

  /** Waits for a line that begins so, or gives up. */
  async says(beginning, seconds) {
    const end = performance.now() + seconds * 1000;
    let line;
    while (!(line = this.lines.find((text) => text.startsWith(beginning))) && performance.now() < end) await sleep(20);
    return line;
  }

  signal(signal) {
    this.child.kill(signal);
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.gone;
  }
}

/** Reads a handle until it says that it has ended, or for so many seconds: which words it had, and when it ended. */
async function follow(asker, id, seconds, { pause = 100, began = performance.now() } = {}) {
  const found = { path: [], back: 0, missing: 0, seconds: null, how: '' };
  let rank = 0;
  while (performance.now() - began < seconds * 1000) {
    const status = await asker.status(id, 'trial');
    const word = status?.word ?? 'not found';
    if (found.path.at(-1) !== word) found.path.push(word);
    if (!status) {
      found.missing++;
      if (asker.missingIsTheEnd) break;
    } else {
      if (status.rank < rank) found.back++;
      rank = status.rank;
      if (rank === 2) {
        found.seconds = (performance.now() - began) / 1000;
        found.how = status.how;
        break;
      }
    }
    await sleep(pause);
  }
  return found;
}

/** The worker has died before the life was asked for, and there is no other. */
async function killedBefore(peer, database, asker, { bound }) {
  const first = await Worker.start(peer, database, '', 'hold');
  await first.kill();
  return follow(asker, await asker.admit('trial'), bound);
}

/** The worker dies with the work in hand; another one lives on. */
async function killedDuring(peer, database, asker, { bound }, asked = {}) {
  const first = await Worker.start(peer, database, '', 'hold');
  const id = await asker.admit('trial', asked);
  if (!(await first.says('taken', 60))) throw new Error(`${peer.name}: nobody took it`);
  const other = await Worker.start(peer, database, 'other', 'finish');
  first.signal('SIGKILL');
  const found = await follow(asker, id, bound);
  found.again = other.lines.some((line) => line.startsWith('taken'));
  await other.kill();
  return found;
}

/** The same, where something can be asked for so that it is noticed sooner. */
async function killedNoticed(peer, database, asker, options) {
  if (!peer.sooner) return null;
  const found = await killedDuring(peer, database, asker, options, { sooner: true });
  found.by = peer.sooner;
  return found;
}

/** The worker dies with the work in hand, and is started again a second later. */
async function killedAndStarted(peer, database, asker, { bound }) {
  const first = await Worker.start(peer, database, '', 'hold');
  const id = await asker.admit('trial');
  if (!(await first.says('taken', 60))) throw new Error(`${peer.name}: nobody took it`);
  first.signal('SIGKILL');
  const following = follow(asker, id, bound);
  await sleep(1000);
  const next = await Worker.start(peer, database, '', 'finish');
  const found = await following;
  found.again = next.lines.some((line) => line.startsWith('taken'));
  await next.kill();
  return found;
}

/** The worker freezes beyond the life's limit, and comes back to finish. */
async function frozen(peer, database, asker, { bound }) {
  const first = await Worker.start(peer, database, '', 'hold');
  const id = await asker.admit('trial', { limit: LIMIT });
  const taken = await first.says('taken', 60);
  if (!taken) throw new Error(`${peer.name}: nobody took it`);
  first.signal('SIGSTOP');
  const began = performance.now();
  const other = await Worker.start(peer, database, 'other', 'finish');
  const by = await asker.giveUp?.(taken.split(' ')[2]);
  const found = await follow(asker, id, bound, { began });
  found.by = by;
  const before = await asker.status(id, 'trial');
  first.child.stdin.write('finish\n');
  first.signal('SIGCONT');
  await first.says('finishes', 20);
  await sleep(3000);
  const after = await asker.status(id, 'trial');
  found.stands = JSON.stringify(before) === JSON.stringify(after);
  found.after = after;
  found.told = first.lines.some((line) => line.startsWith('late'));
  found.again = other.lines.some((line) => line.startsWith('taken'));
  await first.kill();
  await other.kill();
  return found;
}

/** From the acknowledgement on, many handles are read all the time until they have ended. */
async function watched(peer, database, asker) {
  const worker = await Worker.start(peer, database, '', 'finish');
  const all = { lives: 0, missing: 0, back: 0, unended: 0 };
  await each(8, async () => {
    while (all.lives < LIVES) {
      all.lives++;
      const found = await follow(asker, await asker.admit('trial'), 30, { pause: 0 });
      all.missing += found.missing > 0 ? 1 : 0;
      all.back += found.back > 0 ? 1 : 0;
      all.unended += found.seconds === null ? 1 : 0;
    }
  });
  await worker.kill();
  return all;
}

/** One key, many times at once, and once more after the end. */
async function sameKey(peer, database, asker) {
  const key = asker.key?.() ?? 'one key';
  const options = { key, connection: 'trial-0-0' };
  const answers = await Promise.all(Array.from({ length: ALIKE }, () => asker.admit('trial', options).catch(() => 'refused')));
  const ids = answers.filter((answer) => answer && answer !== 'refused');
  const found = { handles: new Set(ids).size, answered: ids.length, empty: answers.filter((answer) => !answer).length,
    refused: answers.filter((answer) => answer === 'refused').length };
  const worker = await Worker.start(peer, database, '', 'finish');
  await follow(asker, ids[0], 30);
  await worker.says('finishes', 30);
  await worker.kill();
  const again = await asker.admit('trial', options).catch(() => 'refused');
  found.afterwards = again === ids[0] ? 'the same handle' : again === 'refused' ? 'refused' : again ? 'another handle' : 'null';
  return found;
}

/** Asked for in a transaction that is rolled back. */
async function rolledBack(peer, database, asker) {
  const client = await connect(urlOf(database));
  await client.query('begin');
  const id = await asker.admitInTransaction(client, 'trial');
  const during = await asker.status(id, 'trial');
  await client.query('rollback');
  await client.end();
  return { during: during?.word ?? 'not found', after: (await asker.status(id, 'trial'))?.word ?? 'not found' };
}

/** A handle after the peer's own maintenance has removed what it removes. */
async function retained(peer, database, asker) {
  await asker.setRetention?.('trial');
  const worker = await Worker.start(peer, database, '', 'finish');
  const id = await asker.admit('trial');
  await follow(asker, id, 30);
  await worker.says('finishes', 30);
  await worker.kill();
  await sleep(2500);
  const how = await asker.retain('trial', id);
  return { after: (await asker.status(id, 'trial'))?.word ?? 'not found', how };
}

const trials = { watched, killedBefore, killedDuring, killedNoticed, killedAndStarted, frozen, sameKey, rolledBack, retained };

/** All trials of all peers; those that mostly wait do so at once. */
export async function behaviours(peers, server, options, say) {
  const results = {};
  const waiting = [];
  for (const [trial, run] of Object.entries(trials)) {
    for (const peer of peers) {
      const database = `trial_${peer.file}_${trial}`;
      await peer.install(await server.create(database), 'trial');
      const once = async () => {
        const asker = await peer.ask(urlOf(database), 10);
        try {
          return await run(peer, database, asker, options);
        } finally {
          await asker.close();
        }
      };
      results[peer.name] ??= {};
      const kept = once().catch((error) => ({ error: error.message })).then((found) => {
        results[peer.name][trial] = found;
        say(`${trial}, ${peer.name}: ${JSON.stringify(found)}`);
      });
      if (trial.startsWith('killed') || trial === 'frozen') waiting.push(kept);
      else await kept;
    }
  }
  await Promise.all(waiting);
  return results;
}
