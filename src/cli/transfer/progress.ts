/** A bar for long copies, on a terminal only. */
import { SingleBar } from 'cli-progress';
import { formatSize } from '../numbers.js';

export interface Progress {
  add(bytes: number): void;
  stop(): void;
}

/** Less than this is done before anybody could read it. */
const WORTH_SHOWING = 16 * 1024 * 1024;

/** @param total - bytes to come; asked for only where a bar can be shown */
export function startProgress(total: () => number): Progress {
  const silent = { add: () => undefined, stop: () => undefined };
  if (!process.stderr.isTTY) return silent;
  const bytes = total();
  if (bytes < WORTH_SHOWING) return silent;
  const bar = new SingleBar({
    format: '{bar} {percentage}% {done} of {all}, {eta_formatted} left',
    stream: process.stderr,
    clearOnComplete: true,
  });
  let done = 0;
  bar.start(bytes, 0, { done: formatSize(0), all: formatSize(bytes) });
  return {
    add(count) {
      done += count;
      bar.update(done, { done: formatSize(done) });
    },
    stop() {
      bar.stop();
    },
  };
}
