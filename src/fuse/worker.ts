/**
 * The thread that owns the volume of a mount: opens it, serves the kernel until the mount ends,
 * makes everything durable and closes it.
 */
import { readFileSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { FsError, isFsError } from '../bytes/index.js';
import { FileDevice, GatheringDevice } from '../device/index.js';
import { Filesystem, type Inode } from '../filesystem/index.js';
import { FIRST_FREE_OBJECTID, FS_TREE_OBJECTID } from '../format/index.js';
import { Keyring } from '../fscrypt/index.js';
import { Transaction } from '../transaction/index.js';
import { openVolumeDevices } from '../volume/index.js';
import { Channel } from './channel.js';
import { ClaimedKeys } from './claimed-keys.js';
import { coarseClock } from './coarse-clock.js';
import type { FromWorker, ToWorker, WorkerOptions } from './messages.js';
import { MAX_WRITE } from './operations/mount.js';
import { Reply } from './protocol/reply.js';
import { Request } from './protocol/request.js';
import { describe, Server, type ServerPort } from './server.js';
import { WarmUp } from './warm-up.js';

/** Room for the structures in front of the data of the largest request or reply. */
const HEADER_ROOM = 8192;

function openFilesystem(
  options: WorkerOptions,
  warn: (message: string) => void,
): { filesystem: Filesystem; keys: ClaimedKeys } {
  const device = new GatheringDevice(FileDevice.open(options.image, { readOnly: options.readOnly }));
  try {
    const volume = openVolumeDevices(device, { warn });
    volume.startReadingAhead();
    const transaction = new Transaction(volume, { readOnly: options.readOnly, clock: coarseClock() });
    const keyring = new Keyring();
    const keys = new ClaimedKeys(keyring);
    for (const path of options.keyFiles) {
      const raw = readFileSync(path);
      keys.add(raw, process.getuid?.() ?? 0);
      raw.fill(0);
    }
    return { filesystem: Filesystem.open(transaction, { keyring, countsLinks: true }), keys };
  } catch (error) {
    device.close();
    throw error;
  }
}

/** The directory that becomes the top of the mount. @throws FsError ENOENT; EINVAL if a path leads to no subvolume */
function findRoot(filesystem: Filesystem, subvolume: string | number | undefined): Inode {
  if (subvolume === undefined) return filesystem.root();
  try {
    if (typeof subvolume === 'number') return filesystem.inode(subvolume, FIRST_FREE_OBJECTID);
    const top = filesystem.inode(FS_TREE_OBJECTID, FIRST_FREE_OBJECTID);
    const names = subvolume.split('/').filter((name) => name !== '');
    const found = names.reduce((directory, name) => filesystem.lookup(directory, Buffer.from(name)), top);
    if (found.ino === FIRST_FREE_OBJECTID) return found;
  } catch (error) {
    if (isFsError(error, 'ENOENT')) throw new FsError('ENOENT', `there is no subvolume ${subvolume}`);
    throw error;
  }
  throw new FsError('EINVAL', `${subvolume} is no subvolume`);
}

function post(port: MessagePort, message: FromWorker): void {
  port.postMessage(message);
}

/** Carries out one mount, from the opening of the volume to its closing. */
function main(port: MessagePort, options: WorkerOptions): void {
  const log = (line: string): void => post(port, { kind: 'log', line });
  const { filesystem, keys } = openFilesystem(options, log);
  const root = findRoot(filesystem, options.subvolume);
  const { readOnlyReasons } = filesystem.transaction;
  post(port, { kind: 'opened', readOnlyReasons: [...readOnlyReasons] });
  port.once('message', (message: ToWorker) => {
    let failure: string | undefined;
    try {
      if (message.kind === 'serve') failure = serve(port, options, filesystem, root, keys, message, log);
    } catch (error) {
      failure = describe(error);
    }
    failure = close(filesystem, keys) ?? failure;
    post(port, { kind: 'ended', ...(failure !== undefined && { failure }) });
    port.close();
  });
}

/** @returns what failed meanwhile, if anything did */
function serve(
  port: MessagePort,
  options: WorkerOptions,
  filesystem: Filesystem,
  root: Inode,
  keys: ClaimedKeys,
  { fd, event }: ToWorker & { kind: 'serve' },
  log: (line: string) => void,
): string | undefined {
  const request = new Request(MAX_WRITE + HEADER_ROOM);
  const reply = new Reply(MAX_WRITE + HEADER_ROOM);
  const channel = new Channel(fd, event, request, reply);
  const serverPort: ServerPort = {
    log,
    notify: (notices, bytes) => post(port, { kind: 'notify', notices, reply: bytes }),
    putOff: (notice, request) => post(port, { kind: 'putOff', notice, request }),
    nextMessage: () => receiveMessageOnPort(port)?.message,
  };
  const server = new Server(filesystem, root, keys, { channel, request, reply }, serverPort, options);
  const warmUp = new WarmUp(filesystem.layout);
  server.serve(() => warmUpStep(warmUp, log));
  warmUp.end();
  server.release();
  return filesystem.transaction.failure;
}

/** What goes wrong with it concerns nobody's data. */
function warmUpStep(warmUp: WarmUp, log: (line: string) => void): boolean {
  try {
    return warmUp.step();
  } catch (error) {
    log(`warming up: ${describe(error)}`);
    warmUp.end();
    return false;
  }
}

/** @returns what failed, if anything did */
function close(filesystem: Filesystem, keys: ClaimedKeys): string | undefined {
  const { volume } = filesystem.transaction;
  try {
    filesystem.close();
    return undefined;
  } catch (error) {
    return describe(error);
  } finally {
    keys.keyring.close();
    volume.close();
  }
}

if (parentPort !== null) {
  try {
    main(parentPort, workerData as WorkerOptions);
  } catch (error) {
    if (!isFsError(error) && !(error instanceof Error)) throw error;
    const code = isFsError(error) ? error.code : 'EIO';
    post(parentPort, { kind: 'refused', code, message: error.message });
  }
}
