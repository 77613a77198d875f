/** The thread that reads ahead: takes what is wanted, the oldest first, until it is stopped. Knows no keys. */
import { readSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { checksumAlgorithm } from '../checksum/index.js';
import { CONTROL, type Place, type ReadAheadMemory, STATE } from './read-ahead-memory.js';

function serve({ control, places, checksumType, sectorsize, fd }: ReadAheadMemory): void {
  const checksum = checksumAlgorithm(checksumType);

  const fill = ({ bytes, digests, task }: Place): boolean => {
    const [, offset = 0, length = 0] = task;
    try {
      for (let done = 0; done < length; ) {
        const count = readSync(fd, bytes, done, length - done, offset + done);
        if (count === 0) return false;
        done += count;
      }
      checksum.digestSectors(bytes.subarray(0, length), sectorsize, digests);
      return true;
    } catch {
      // Whoever wants the bytes reads them again and finds out what is wrong.
      return false;
    }
  };

  const oldestWanted = (): number => {
    let oldest = -1;
    places.forEach(({ task }, index) => {
      if (Atomics.load(control, CONTROL.states + index) !== STATE.wanted) return;
      if (oldest < 0 || (task[0] ?? 0) < (places[oldest]?.task[0] ?? 0)) oldest = index;
    });
    return oldest;
  };

  for (;;) {
    const ticket = Atomics.load(control, CONTROL.ticket);
    if (Atomics.load(control, CONTROL.isStopped) === 1) return;
    const index = oldestWanted();
    const place = places[index];
    if (place === undefined) {
      Atomics.wait(control, CONTROL.ticket, ticket);
      continue;
    }
    const state = CONTROL.states + index;
    // The owner may not want it any more.
    if (Atomics.compareExchange(control, state, STATE.wanted, STATE.running) !== STATE.wanted) continue;
    Atomics.store(control, state, fill(place) ? STATE.ready : STATE.failed);
    Atomics.notify(control, state);
  }
}

serve(workerData as ReadAheadMemory);
