// graphile-worker: jobs that are removed when they are done; how they are is looked up in its view `jobs`.
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { value, versionOf } from './clients.mjs';

const quiet = new Logger(() => () => {});

export const file = 'graphile-worker';
export const name = 'graphile-worker';
export const configured = 'localQueue of 500, completeJobBatchDelay 0, 8 jobs at once; a status is a row of its view, read of jobs that wait: others have none';

export const version = async () => versionOf('graphile-worker');

export async function install(url) {
  const utils = await makeWorkerUtils({ connectionString: url, logger: quiet });
  await utils.migrate();
  await utils.release();
}

/** Lives without a worker: added, and said to be completed. Nothing is recorded of a start. */
export async function direct(url, clients) {
  const utils = await makeWorkerUtils({ connectionString: url, logger: quiet, maxPoolSize: clients });
  return {
    async life() {
      const { id } = await utils.addJob('direct', {});
      await utils.completeJobs([id]);
      return id;
    },
    close: () => utils.release(),
  };
}

export async function ask(url, clients) {
  const utils = await makeWorkerUtils({ connectionString: url, logger: quiet, maxPoolSize: clients });
  return {
    missingIsTheEnd: true, // a job that is done is removed
    admit: async (queue, { key = undefined, later = undefined } = {}) => (await utils.addJob(queue, {}, { jobKey: key, runAt: later })).id,
    status: (id) => utils.withPgClient(async (client) => {
      const { rows } = await client.query({ name: 'status', text: 'select * from graphile_worker.jobs where id = $1', values: [id] });
      if (rows.length === 0) return null;
      const [job] = rows;
      if (job.locked_at) return { word: 'locked', rank: 1, how: job.last_error ?? '' };
      return job.attempts >= job.max_attempts ? { word: 'failed', rank: 2, how: job.last_error } : { word: 'queued', rank: 0, how: '' };
    }),
    admitInTransaction: (client, queue) => value(client, "select (graphile_worker.add_job($1, '{}')).id", [queue]),
    async retain() {
      await utils.cleanup({ tasks: ['GC_JOB_QUEUES', 'GC_TASK_IDENTIFIERS', 'DELETE_PERMAFAILED_JOBS'] });
      return 'gone at its end already';
    },
    /** What an administrator can do about a worker that he knows to be dead, by its name. */
    async giveUp(worker) {
      await utils.forceUnlockWorkers([worker]);
      return 'there is no limit, so forceUnlockWorkers() was called';
    },
    close: () => utils.release(),
  };
}

export async function serve(url, queue, work) {
  const runner = await run({ connectionString: url, logger: quiet, noHandleSignals: true, crontab: '',
    taskList: { [queue]: (_, helpers) => work(String(helpers.job.id), helpers.job.locked_by) },
    preset: { worker: { concurrentJobs: 8, maxPoolSize: 10, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } } });
  return () => runner.stop();
}

export async function unfinished(client) {
  return Number(await value(client, 'select count(*) from graphile_worker.jobs where task_identifier <> $1', ['later']));
}

export const waits = null;
