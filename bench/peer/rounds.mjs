// What is measured round by round, in this process: lives, direct and queued, reads of statuses, and waits.
import { connect, each, sleep } from './clients.mjs';

const AHEAD = 1500; // of a queue: so many lives may be admitted and not over

/** Lives without a queue, for some seconds; keeps ids of some that were had. */
async function directly(peer, url, { clients, seconds, server, database, ids }) {
  const lives = await peer.direct(url, clients);
  const until = async (end) => {
    let had = 0;
    await each(clients, async (i) => {
      while (performance.now() < end) {
        const id = await lives.life(i);
        had++;
        if (ids.length < 5000) ids.push(id);
      }
    });
    return had;
  };
  await until(performance.now() + 300); // connections, plans
  const found = await server.measure(database, () => until(performance.now() + seconds * 1000));
  await lives.close();
  return found;
}

/**
 * Lives by way of a queue: admitted by clients, while this process also works on them, until none is left. Twice as long as the rest, so
 * that the last wait of those who poll matters little.
 */
async function queued(peer, url, { clients, seconds, server, database }) {
  const asker = await peer.ask(url, clients);
  const watch = await connect(url);
  let taken = 0;
  const work = async () => {
    taken++;
  };
  work.ended = asker.over && ((ids) => ids.forEach((id) => asker.over(id)));
  const stop = await peer.serve(url, 'queue', work);
  const during = async (time) => {
    taken = 0;
    let admitted = 0;
    const end = performance.now() + time;
    await each(clients, async () => {
      while (performance.now() < end) {
        if (admitted - taken >= AHEAD) {
          await sleep(5);
          continue;
        }
        admitted++;
        await asker.admit('queue');
      }
    });
    while (taken < admitted || (await peer.unfinished(watch)) > 0) await sleep(10);
    return admitted;
  };
  await during(500);
  const found = await server.measure(database, () => during(2 * seconds * 1000));
  await stop();
  await asker.close();
  await watch.end();
  return found;
}

/** Reads of statuses, by the peer's own call. */
async function reads(peer, url, { clients, seconds, server, database, ids }) {
  const asker = await peer.ask(url, clients);
  if (peer.name === 'graphile-worker') {
    ids = [];
    for (let i = 0; i < 1000; i++) ids.push(await asker.admit('later', { later: new Date(Date.now() + 3600e3) }));
  }
  const until = async (end) => {
    let had = 0;
    await each(clients, async () => {
      while (performance.now() < end) {
        const status = await asker.status(ids[(Math.random() * ids.length) | 0], 'direct');
        if (!status) throw new Error(`${peer.name}: a status that was wanted is not there`);
        had++;
      }
    });
    return had;
  };
  await until(performance.now() + 300);
  const found = await server.measure(database, () => until(performance.now() + seconds * 1000));
  await asker.close();
  return found;
}

export const loads = { direct: directly, queued, reads,
  waits: (peer, url, options) => (peer.waits ? peer.waits(url, options.waits) : null) };
