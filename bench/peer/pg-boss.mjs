// pg-boss: jobs of a queue, of the policy `standard`.
import { PgBoss } from 'pg-boss';
import { connect, value, versionOf } from './clients.mjs';

const ranks = { created: 0, retry: 0, active: 1, completed: 2, cancelled: 2, failed: 2 };

export const file = 'pg-boss';
export const name = 'pg-boss';
// With LISTEN/NOTIFY a job is fetched at once, but half as many are sent a second: their commits wait for each other.
export const configured = 'batches of 100 that go on while they are full, two workers, polled each 0.5 s (default 2 s), without LISTEN/NOTIFY as by default';

export const version = async () => versionOf('pg-boss');

/** What can be asked for so that a dead worker is noticed sooner. */
export const sooner = 'heartbeatSeconds: 10, the least';

async function start(url, options = {}) {
  const boss = new PgBoss({ connectionString: url, ...options });
  boss.on('error', (error) => console.error(`pg-boss: ${error.message}`));
  await boss.start();
  return boss;
}

export async function install(url, queue) {
  const boss = await start(url);
  await boss.createQueue(queue);
  await boss.stop({ graceful: false });
}

/** Lives without a worker: who sends also fetches, the next that there is, and completes it. */
export async function direct(url, clients) {
  const boss = await start(url, { max: clients });
  await boss.createQueue('direct');
  return {
    async life() {
      await boss.send('direct', {});
      let job; // none, now and then, where another fetches the same one at the same time
      while (!job) [job] = await boss.fetch('direct');
      await boss.complete('direct', job.id);
      return job.id;
    },
    close: () => boss.stop({ graceful: false }),
  };
}

export async function ask(url, clients) {
  const boss = await start(url, { max: clients });
  return {
    admit: (queue, { key, limit, sooner } = {}) =>
      boss.send(queue, {}, { ...(key && { id: key }), ...(limit && { expireInSeconds: limit }), ...(sooner && { heartbeatSeconds: 10 }) }),
    async status(id, queue) {
      const job = await boss.getJobById(queue, id);
      return job && { word: job.state, rank: ranks[job.state], how: job.output?.by ?? job.output?.message ?? '' };
    },
    admitInTransaction: (client, queue) => boss.send(queue, {}, { db: { executeSql: (text, values) => client.query(text, values) } }),
    /** Retention: the queue's jobs may go a second after their end, and the pass that removes them is asked for. */
    async retain(queue) {
      const keeper = await start(url, { maintenanceIntervalSeconds: 1, monitorIntervalSeconds: 1, supervise: false });
      await keeper.supervise(queue);
      await keeper.stop({ graceful: false });
      return 'after supervise(), kept for deleteAfterSeconds: 1 (default 7 days)';
    },
    key: () => crypto.randomUUID(),
    setRetention: (queue) => boss.updateQueue(queue, { deleteAfterSeconds: 1 }),
    close: () => boss.stop({ graceful: false }),
  };
}

export async function serve(url, queue, work, { process: who = '', workers = 2 } = {}) {
  const boss = await start(url, { max: workers + 2 });
  const often = { batchSize: 100, burstWhenBatchFull: true, localConcurrency: workers, pollingIntervalSeconds: 0.5 };
  await boss.work(queue, often, async (jobs) => {
    await Promise.all(jobs.map((job) => work(job.id)));
    return { by: who || 'first' };
  });
  return () => boss.stop({ graceful: true, timeout: 5000 });
}

export async function unfinished(client) {
  return Number(await value(client, "select count(*) from pgboss.job where state < 'completed'"));
}

export const waits = null;
