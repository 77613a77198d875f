/**
 * What a server does before anybody asks it for something: it serves a scripted kernel, on a volume
 * in memory, until what it runs most is compiled.
 *
 * Node runs a function well once it has run it some thousand times. A server that was just started
 * would answer its first ten thousand requests at half its speed, and those are the ones of a user
 * who has mounted a volume to work in it. So it uses the time in which nobody asks, in short slices.
 */
import { systemRandom } from '../bytes/index.js';
import { type BlockDevice, GatheringDevice, MemoryDevice } from '../device/index.js';
import { type ContextLayout, Filesystem } from '../filesystem/index.js';
import { Keyring } from '../fscrypt/index.js';
import { MIN_VOLUME_SIZE, makeVolume } from '../mkfs/index.js';
import { Transaction } from '../transaction/index.js';
import { openVolumeDevices } from '../volume/index.js';
import { ClaimedKeys } from './claimed-keys.js';
import { coarseClock } from './coarse-clock.js';
import { Reply } from './protocol/reply.js';
import { Request } from './protocol/request.js';
import { ScriptedKernel } from './scripted-kernel.js';
import { Server, type ServerPort } from './server.js';

/** Milliseconds after which a slice ends with the request under way, which may be one that commits. */
const SLICE = 1;
/** How often the volume is opened: reading from it is part of the exercise, so what is cached must go. */
const LIVES = 8;
/** Room for the largest request or reply of the script, in bytes. */
const MESSAGE_SIZE = 128 * 1024;

const KEY_SIZE = 64;
/** The default of `fscrypt`: AES-256-XTS, AES-256-CTS, names padded to 32 bytes. */
const POLICY = { contentsMode: 1, filenamesMode: 4, flags: 3, log2DataUnitSize: 0 } as const;

/** Nobody is told anything. */
const PORT: ServerPort = {
  log: () => undefined,
  notify: () => undefined,
  putOff: () => undefined,
  nextMessage: () => undefined,
};

/** The volume opened once. */
interface Life {
  readonly number: number;
  readonly device: BlockDevice;
  readonly kernel: ScriptedKernel;
  readonly server: Server;
}

export class WarmUp {
  private readonly layout: ContextLayout | undefined;
  private readonly keyring = new Keyring();
  private readonly request = new Request(MESSAGE_SIZE);
  private readonly reply = new Reply(MESSAGE_SIZE);
  private life: Life | undefined;
  private hasEnded = false;

  /** @param layout - of the volume that is going to be served */
  constructor(layout: ContextLayout | undefined) {
    this.layout = layout;
  }

  /** Goes on for a slice of time. @returns whether there is more to do */
  step(): boolean {
    if (this.hasEnded) return false;
    this.life ??= this.makeVolume();
    const { number, device, kernel, server } = this.life;
    kernel.pauseAt = performance.now() + SLICE;
    server.serve();
    if (!kernel.isDone) return true;
    server.filesystem.close();
    if (number < LIVES) this.life = this.begin(device, number + 1);
    else this.end();
    return !this.hasEnded;
  }

  /** Gives up what is left to do. */
  end(): void {
    this.hasEnded = true;
    this.life = undefined;
    this.keyring.close();
  }

  private makeVolume(): Life {
    const device = new GatheringDevice(new MemoryDevice(2 * MIN_VOLUME_SIZE));
    makeVolume(device, { extentContext: this.layout === 'trailing' ? 'trailing' : 'item' });
    const key = new Uint8Array(KEY_SIZE);
    systemRandom.fill(key);
    const masterKeyIdentifier = this.keyring.add(key);
    key.fill(0);
    const life = this.begin(device, 1);
    const { filesystem } = life.server;
    filesystem.setPolicy(filesystem.root(), { ...POLICY, masterKeyIdentifier });
    return life;
  }

  private begin(device: BlockDevice, number: number): Life {
    const { request, reply, keyring } = this;
    const transaction = new Transaction(openVolumeDevices(device), { clock: coarseClock() });
    const filesystem = Filesystem.open(transaction, { keyring, countsLinks: true });
    const kernel = new ScriptedKernel(request, reply, number);
    const options = { commitSeconds: 1, updatesAccessTimes: true };
    const conversation = { channel: kernel, request, reply };
    const server = new Server(filesystem, filesystem.root(), new ClaimedKeys(keyring), conversation, PORT, options);
    return { number, device, kernel, server };
  }
}
